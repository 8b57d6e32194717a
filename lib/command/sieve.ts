/** mail-sieve: check, run, trace and apply Sieve scripts. */
import { formatProblem } from '../sieve/problem.js'
import { capabilities } from '../sieve/registry.js'
import { exits } from '../sys/error.js'
import { type Command, command } from './options.js'
import { filter } from './sieve-filter.js'
import {
  compileFiles,
  formatEvent,
  messageOf,
  type RunReport,
  runFiles,
  runOptions,
  settingOptions,
  settingsFor,
} from './sieve-run.js'

const json = { type: 'boolean', help: 'one JSON object in all' } as const

const check = command({
  name: 'check',
  summary: 'Say what is wrong with a script',
  options: { ...settingOptions, json },
  operands: 'SCRIPT',
  run: async ({ values, operands, config }) => {
    const settings = await settingsFor(config, values.set)
    const scripts = compileFiles(operands, settings)
    const errors = scripts.flatMap(script => script.errors)
    const warnings = scripts.flatMap(script => script.warnings)
    const several = scripts.length > 1
    const told = (problems: typeof errors) =>
      problems.map(problem => ({ line: problem.line, message: messageOf(problem, several) }))
    if (values.json) print({ ok: errors.length === 0, errors: told(errors), warnings: told(warnings) })
    else {
      for (const problem of errors) process.stderr.write(`${formatProblem(problem)}\n`)
      for (const problem of warnings) process.stderr.write(`${formatProblem(problem)} (warning)\n`)
    }
    return errors.length === 0 ? exits.ok : failure
  },
})

const run = command({
  name: 'run',
  summary: 'Show what scripts do with the message on standard input',
  options: runOptions,
  operands: 'SCRIPT ...',
  run: async ({ values, operands, config }) => {
    const report = await runFiles(operands, values, config)
    if (values.json) print(report)
    else show(report)
    return report.status === 'ok' ? exits.ok : failure
  },
})

const trace = command({
  name: 'trace',
  summary: 'As run, and show each test and command on the way',
  options: runOptions,
  operands: 'SCRIPT ...',
  run: async ({ values, operands, config }) => {
    const lines: string[] = []
    const report = await runFiles(operands, values, config, event => lines.push(formatEvent(event)))
    if (values.json) print({ ...report, trace: lines })
    else {
      process.stdout.write(lines.map(line => `${line}\n`).join(''))
      show(report)
    }
    return report.status === 'ok' ? exits.ok : failure
  },
})

const extensions = command({
  name: 'extensions',
  summary: 'List what require accepts',
  options: { ...settingOptions, json },
  run: async ({ values, config }) => {
    const names = capabilities(await settingsFor(config, values.set))
    if (values.json) print(names)
    else process.stdout.write(names.map(name => `${name}\n`).join(''))
  },
})

/** A script that is wrong, or that failed. */
const failure = 1

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** A report for people: actions on standard output, errors on standard error. */
function show({ errors, actions, implicitKeep, sent }: RunReport): void {
  for (const action of actions) process.stdout.write(`${line(action)}\n`)
  if (implicitKeep) process.stdout.write('keep (implicit)\n')
  for (const { from, to, data } of sent)
    process.stdout.write(
      `send from <${from}> to ${to.map(each => `<${each}>`).join(', ')}:\n${indent(data)}\n`,
    )
  for (const { line, message } of errors)
    process.stderr.write(line > 0 ? `line ${line}: ${message}\n` : `${message}\n`)
}

function line(action: object): string {
  const { type, ...rest } = action as { type: string } & Record<string, unknown>
  const words = Object.entries(rest)
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [type, ...words].join(' ')
}

function indent(text: string): string {
  return text.replace(/\r?\n$/, '').replace(/^/gm, '  ')
}

export const sieve: Command = {
  name: 'mail-sieve',
  summary: 'Check, run and trace Sieve scripts',
  options: {},
  commands: [check, run, trace, filter, extensions],
}
