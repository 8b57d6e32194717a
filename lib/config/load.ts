/** From the file to a configuration that can be relied on, or to all that is wrong with it. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { errorCode, exits, MailError } from '../sys/error.js'
import { unknownKeys } from './keys.js'
import {
  completeListener,
  completeSmtpListener,
  type ListenerConfig,
  type SmtpListenerConfig,
} from './listeners.js'
import { locate, type Path } from './locate.js'
import { brokenRules } from './rules.js'
import { type Checked, configSchema } from './schema.js'
import { check, type Problem } from './types.js'

/** A whole configuration: every key has a value, keys are named as in the file. */
export interface Config extends Omit<Checked, 'smtpd' | 'imapd' | 'pop3d' | 'sieved'> {
  /** The file it came from, absolute. */
  readonly file: string
  readonly smtpd: Omit<Checked['smtpd'], 'listen'> & { readonly listen: readonly SmtpListenerConfig[] }
  readonly imapd: Omit<Checked['imapd'], 'listen'> & { readonly listen: readonly ListenerConfig[] }
  readonly pop3d: Omit<Checked['pop3d'], 'listen'> & { readonly listen: readonly ListenerConfig[] }
  readonly sieved: Omit<Checked['sieved'], 'listen'> & { readonly listen: readonly ListenerConfig[] }
}

/** A configuration that cannot be used: one line for each thing that is wrong. */
export class ConfigError extends MailError {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options: ErrorOptions = {}) {
    super(problems.join('\n'), { ...options, exit: exits.config })
    this.problems = problems
  }
}

/** Reads and checks a configuration file. @throws ConfigError with everything that is wrong, one line each */
export async function loadConfig(file: string): Promise<Config> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError([`${file}: ${unreadable(error)}`])
  }
  return parseConfig(text, file)
}

function unreadable(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'there is no such file; name the configuration with --config or $POSTERN_CONFIG'
    case 'EACCES':
      return 'this user may not read it'
    default:
      return error instanceof Error ? error.message : String(error)
  }
}

/** Checks the text of a configuration. @param file where it stands: for messages, and for relative paths @throws ConfigError */
export function parseConfig(text: string, file: string): Config {
  const document = parseToml(text, file)
  const path = resolve(file)
  const schema = configSchema(dirname(path))
  const unknown = unknownKeys(schema, document)
  const checked = check(schema, document)
  if ('problems' in checked) throw failure(file, text, [...unknown, ...checked.problems])
  const config = complete(checked.value, path)
  const problems = [...unknown, ...brokenRules(config)]
  if (problems.length > 0) throw failure(file, text, problems)
  return config
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const reason = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '')
    throw new ConfigError([`${file}:${error.line}: not TOML, at column ${error.column}: ${reason}`])
  }
}

function complete(checked: Checked, file: string): Config {
  const { tls, smtpd } = checked
  const finish = <T extends { readonly listen: Checked['imapd']['listen'] }>(server: T) => ({
    ...server,
    listen: server.listen.map(each => completeListener(each, tls.minimum)),
  })
  return {
    ...checked,
    file,
    domains: [...new Set(checked.domains)],
    smtpd: {
      ...smtpd,
      listen: smtpd.listen.map(each => completeSmtpListener(each, tls.minimum, smtpd.trusted)),
    },
    imapd: finish(checked.imapd),
    pop3d: finish(checked.pop3d),
    sieved: finish(checked.sieved),
  }
}

function failure(file: string, text: string, problems: readonly Problem[]): ConfigError {
  const lineOf = locate(text)
  const lines = problems.map(({ path, message }) => {
    const line = lineOf(path)
    return {
      line: line ?? 0,
      text: `${file}${line === undefined ? '' : `:${line}`}: ${nameOf(path)} ${message}`,
    }
  })
  lines.sort((a, b) => a.line - b.line)
  return new ConfigError(lines.map(each => each.text))
}

/** `smtpd.listen[1].tls`, counted from 0 as programs do. */
function nameOf(path: Path): string {
  let name = ''
  for (const step of path) {
    if (typeof step === 'number') name += `[${step}]`
    else name += (name === '' ? '' : '.') + (/^[\w-]+$/.test(step) ? step : JSON.stringify(step))
  }
  return name === '' ? 'the configuration' : name
}
