/** Help, and the explanation of a wrong call, by yargs; loaded only when somebody needs to read one of them. */
import type { Writable } from 'node:stream'
import yargs from 'yargs'
import { type Command, common } from './options.js'

/** Writes the help of a command, or of a subcommand, for a terminal of 80 columns. */
export async function showHelp(command: Command, path: string, output: Writable): Promise<void> {
  output.write(`${await parser(command, path).getHelp()}\n`)
}

/** What is wrong with a call, and where to read on: a few lines for stderr. */
export async function explainUsage(command: Command, path: string, argv: readonly string[]): Promise<string> {
  let problem = ''
  try {
    await parser(command, path)
      .exitProcess(false)
      .fail(message => {
        problem ||= message ?? ''
      })
      .parseAsync([...argv])
  } catch (error) {
    problem ||= error instanceof Error ? error.message : String(error)
  }
  return `${path}: ${problem || missing(command, argv)}\nTry \`${path} --help'.\n`
}

function missing(command: Command, argv: readonly string[]): string {
  const operand = argv.find(word => !word.startsWith('-'))
  if (command.commands && operand === undefined)
    return `say which: ${command.commands.map(each => each.name).join(', ')}`
  return operand === undefined ? 'this call makes no sense' : `I do not know what to do with "${operand}"`
}

function parser(command: Command, path: string) {
  const operands = command.operands ? ` ${command.operands}` : ''
  const verbs = command.commands ? ' COMMAND' : ''
  let built = yargs()
    .scriptName(path)
    .locale('en')
    .wrap(80)
    .usage(`${path} [options]${verbs}${operands}\n\n${command.summary}.`)
    .strictOptions()
    .recommendCommands()
    .help(false)
    .version(false)
  for (const [name, option] of Object.entries({ ...command.options, ...common })) {
    const { type, help } = option
    const argument = 'argument' in option ? option.argument : undefined
    const about = {
      type,
      description: argument ? `${help} (${argument})` : help,
      requiresArg: type === 'string',
    }
    built = built.option(name, 'short' in option && option.short ? { ...about, alias: option.short } : about)
  }
  for (const each of command.commands ?? []) built = built.command(each.name, each.summary)
  return built
}
