/** Which files mail-user works on: those of the configuration, or one that --file names. */
import { readFile } from 'node:fs/promises'
import { exits, isMissing, MailError } from '../sys/error.js'
import type { Options } from './options.js'

/** The option of every subcommand that does without a configuration. */
export const fileOption = {
  file: { type: 'string', argument: 'FILE', help: 'work on this file, without any configuration' },
} as const satisfies Options

/** Where users and aliases are. */
export interface UserFiles {
  readonly users: string
  readonly aliases: string
  /** The domain of names without one; '' without a configuration. */
  readonly domain: string
  /** Undefined without a configuration: any domain then. */
  readonly domains: readonly string[] | undefined
  /** The template of home directories; undefined without a configuration. */
  readonly home: string | undefined
  readonly mechanisms: readonly string[]
}

/** @param file as --file named it @param config the configuration's path @throws ConfigError */
export async function userFiles(file: string | undefined, config: string): Promise<UserFiles> {
  if (file !== undefined)
    return { users: file, aliases: file, domain: '', domains: undefined, home: undefined, mechanisms: [] }
  const { loadConfig } = await import('../config/load.js')
  const { users, domains, login } = await loadConfig(config)
  const { file: users_, aliases, home } = users
  return { users: users_, aliases, domain: domains[0] as string, domains, home, mechanisms: login.mechanisms }
}

/** The operands of a subcommand, as many as it has. @throws MailError (64) */
export function operandsOf(operands: readonly string[], wanted: string): string[] {
  const names = wanted.split(' ').filter(name => name !== '...')
  const isEnough = operands.length >= names.length
  const isTooMuch = operands.length > names.length && !wanted.endsWith('...')
  if (isEnough && !isTooMuch) return [...operands]
  throw new MailError(`say ${wanted} after the options`, { exit: exits.usage })
}

/** A file's text; empty when it is not there yet. @throws MailError (66) when it cannot be read */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw new MailError(`cannot read ${file}`, { exit: exits.noInput, cause: error })
  }
}

/** Something to know beside the result, for stderr. */
export function warn(text: string): void {
  process.stderr.write(`mail-user: ${text}\n`)
}
