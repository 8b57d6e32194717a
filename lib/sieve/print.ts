/** A parsed script as text again. What is printed parses to the same script. */
import type { Argument, CommandNode, StringNode, TestNode } from './syntax.js'

/** Prints commands, two spaces a level, each line ended by LF. */
export function print(commands: readonly CommandNode[], indent = ''): string {
  return commands.map(command => printCommand(command, indent)).join('')
}

function printCommand(command: CommandNode, indent: string): string {
  const head = indent + printTest(command)
  if (!command.block) return `${head};\n`
  return `${head} {\n${print(command.block, `${indent}  `)}${indent}}\n`
}

/** Prints a test, or a command's words before its block. */
export function printTest({ name, args, tests, listed }: TestNode): string {
  const words = [name, ...args.map(printArgument)]
  if (tests.length > 0)
    words.push(listed ? `(${tests.map(printTest).join(', ')})` : tests.map(printTest).join(''))
  return words.join(' ')
}

function printArgument(argument: Argument): string {
  switch (argument.kind) {
    case 'tag':
      return `:${argument.name}`
    case 'number':
      return printNumber(argument.value)
    case 'string':
      return printString(argument)
    case 'list':
      return `[${argument.values.map(printString).join(', ')}]`
  }
}

function printNumber(value: number): string {
  for (const [letter, unit] of [
    ['G', 2 ** 30],
    ['M', 2 ** 20],
    ['K', 2 ** 10],
  ] as const)
    if (value > 0 && value % unit === 0) return `${value / unit}${letter}`
  return String(value)
}

function printString({ value, multiline }: StringNode): string {
  if (multiline && (value === '' || value.endsWith('\r\n')))
    return `text:\n${value.replace(/^\./gm, '..').replaceAll('\r\n', '\n')}.\n`
  return `"${value.replace(/["\\]/g, '\\$&').replaceAll('\r\n', '\n')}"`
}
