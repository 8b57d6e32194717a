/** Keys that are taken, since their names are fixed, and that this version does nothing with. */
import type { Config } from './load.js'

/** The keys of a configuration that have no effect yet, for a warning at start. */
export function unservedKeys(config: Config): string[] {
  const keys: string[] = []
  for (const name of config.login.mechanisms)
    if (name === 'XOAUTH2' || name === 'OAUTHBEARER') keys.push(`login.mechanisms ${name}`)
  return keys
}
