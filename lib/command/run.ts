/** The one main(): arguments in, exit status out, one catch. */
import { parseArgs } from 'node:util'
import { describe, errorCode, exits, MailError } from '../sys/error.js'
import { type Call, type Command, common } from './options.js'
import { version } from './version.js'

/**
 * Runs a command with this process's arguments and sets its exit status. Parsing is node:util's; yargs, which takes
 * longer to load than a delivery takes, comes in only to show help and to explain a wrong call: from a file of its own,
 * dist/bin/usage.js, so that no command has to parse it.
 */
export async function run(command: Command): Promise<void> {
  if (!command.silent) exitQuietlyOnBrokenPipe()
  try {
    const [chosen, path, argv] = choose(command, process.argv.slice(2))
    process.exitCode = await call(chosen, path, argv)
  } catch (error) {
    process.stderr.write(`${command.name}: ${explain(error)}\n`)
    process.exitCode = statusOf(error)
    // What was left open by a command that failed must not keep it for ever.
    setTimeout(() => process.exit(), lastMoments).unref()
  }
}

/** How long a command that failed may still write what it has to say, in milliseconds. */
const lastMoments = 5_000
/** Troubles of the machine that may pass. */
const passing = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])

function statusOf(error: unknown): number {
  if (error instanceof MailError) return error.exit
  return passing.has(errorCode(error) ?? '') ? exits.tryAgain : exits.software
}

/** Follows the subcommands: `mail-user app-password add` is three names. The configuration may be named before each. */
function choose(command: Command, argv: readonly string[]): [Command, string, readonly string[]] {
  let chosen = command
  let path = command.name
  let rest = argv
  const named: string[] = []
  for (;;) {
    const skip = chosen.commands ? configLength(rest) : 0
    const next = chosen.commands?.find(each => each.name === rest[skip])
    if (!next) return [chosen, path, [...named, ...rest]]
    named.push(...rest.slice(0, skip))
    path = `${path} ${next.name}`
    chosen = next
    rest = rest.slice(skip + 1)
  }
}

/** How many arguments name the configuration at the beginning: none, `--config=FILE`, or `-c FILE`. */
function configLength([first = '']: readonly string[]): number {
  if (first === '-c' || first === '--config') return 2
  return first.startsWith('--config=') ? 1 : 0
}

async function call(command: Command, path: string, argv: readonly string[]): Promise<number> {
  const parsed = command.parse ? withConfig(command.parse(argv)) : parse(command, argv)
  if (parsed?.values['version']) {
    process.stdout.write(`${path.split(' ')[0]} (Postern) ${version}\n`)
    return exits.ok
  }
  if (!parsed || parsed.values['help'] || !command.run || (parsed.operands.length > 0 && !command.operands)) {
    const { showHelp, explainUsage } = await import('./usage.js')
    if (parsed?.values['help']) await showHelp(command, path, process.stdout)
    else process.stderr.write(await explainUsage(command, path, argv))
    return parsed?.values['help'] ? exits.ok : exits.usage
  }
  return (await command.run(parsed)) ?? exits.ok
}

/** @returns undefined for a wrong call */
function parse(command: Command, argv: readonly string[]): Call | undefined {
  try {
    const options = { ...common, ...command.options }
    const { values, positionals } = parseArgs({
      args: [...argv],
      options,
      allowPositionals: true,
      strict: true,
    })
    for (const [name, option] of Object.entries(options)) {
      if ('multiple' in option && option.multiple) values[name as never] ??= [] as never
      else if (option.type === 'boolean') values[name as never] ??= false as never
    }
    return withConfig({ values, operands: positionals })
  } catch {
    return undefined
  }
}

function withConfig(parsed: Pick<Call, 'values' | 'operands'> | undefined): Call | undefined {
  const named = parsed?.values['config']
  // An empty variable is as good as none.
  const config = typeof named === 'string' ? named : process.env['POSTERN_CONFIG'] || undefined
  return parsed && { ...parsed, config: config ?? '/etc/postern/mail.toml' }
}

/** A MailError explains itself; anything else is a bug, whose stack helps to mend it. */
function explain(error: unknown): string {
  if (error instanceof MailError || errorCode(error) !== undefined) return describe(error)
  return error instanceof Error ? `internal error: ${error.stack ?? error.message}` : String(error)
}

/** `mail-queue list | head` ends when head does. */
function exitQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', error => {
    if (errorCode(error) === 'EPIPE') process.exit(exits.ok)
    throw error
  })
}
