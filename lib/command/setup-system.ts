/** What mail-setup asks of the system: where its own commands stand, systemd's tools. */
import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exits, MailError } from '../sys/error.js'
import { Networks } from '../sys/network.js'

const here = dirname(realpathSync(fileURLToPath(import.meta.url)))

/** The directory lib/systemd: of the package, of a checkout, or of the compiled tree of one. */
export function unitSource(): string {
  const candidates = ['../../lib/systemd', '../systemd', '../../../../lib/systemd'].map(path =>
    join(here, path),
  )
  const found = candidates.find(path => existsSync(join(path, 'system/mail.target')))
  if (found) return found
  throw new MailError(`the units are not beside the commands: there is none of ${candidates.join(', ')}`, {
    exit: exits.noInput,
  })
}

/** The script of one of our commands; undefined when it is not installed. */
function scriptOf(name: string): string | undefined {
  const places = [join(here, `${name}.cjs`), join(here, '../../../bin', `${name}.cjs`)]
  return places.find(path => existsSync(path))
}

export function isInstalled(name: string): boolean {
  return scriptOf(name) !== undefined
}

/**
 * The command line that starts one of our commands; undefined when it is not installed.
 *
 * @throws MailError (69) when it stands where services cannot see it
 */
export function programOf(name: string): string | undefined {
  const script = scriptOf(name)
  if (script === undefined) return undefined
  const node = realpathSync(process.execPath)
  for (const path of [node, script])
    if (/^\/(root|home|run\/user)\//.test(path))
      throw new MailError(
        `${path} is in a home directory, which the services cannot see; install Node and Postern for all users ` +
          '(/usr, /usr/local, /opt)',
        { exit: exits.unavailable },
      )
  return `${/\s/.test(node) ? `"${node}"` : node} ${/\s/.test(script) ? `"${script}"` : script}`
}

/** Whether systemd runs this machine. */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** Runs a tool of systemd's. @returns false where it is not installed @throws MailError (71) when it fails */
export function tool(name: string, ...argv: readonly string[]): boolean {
  const run = spawnSync(name, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  if (run.error) return false
  if (run.status === 0) return true
  const said = `${run.stderr}${run.stdout}`.trim().split('\n').slice(-3).join('; ')
  throw new MailError(`${name} ${argv.join(' ')} failed: ${said || `status ${run.status}`}`, {
    exit: exits.osError,
  })
}

/** This machine's addresses in private networks, those of IPv4 first. */
export function privateAddresses(): string[] {
  const networks = new Networks(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'])
  return Object.values(networkInterfaces())
    .flatMap(each => each ?? [])
    .filter(({ address, internal }) => !internal && networks.has(address))
    .map(({ address }) => address)
    .sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')))
}
