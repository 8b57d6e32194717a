/** Pigeonhole's own: programs of the administrator's folder, complaints, notes for whoever writes a script. */
import type { Call } from '../call.js'
import type { CommandDefinition, Extension, Parameter, TestDefinition } from '../definition.js'
import type { Run } from '../run.js'
import type { Scope } from '../scope.js'
import type { Settings } from '../settings.js'
import { compileTarget } from '../variable.js'
import { wrongAddress } from './actions.js'

/** A name, never a path: the folder is the administrator's to choose. */
function wrongProgram(name: string): string | undefined {
  const fine =
    name !== '' &&
    name.length <= 128 &&
    !/[\0-\x1f/\x7f-\x9f\u2028\u2029]/.test(name) &&
    !name.startsWith('.')
  return fine ? undefined : `${JSON.stringify(name)} cannot be the name of a program`
}

const takes: readonly Parameter[] = [
  { name: 'program name', type: 'string', constant: true, check: wrongProgram },
  { name: 'arguments', type: 'strings', optional: true, check: wrongArgument },
]

function wrongArgument(value: string): string | undefined {
  return /[\0\r\n]/.test(value) || value.length > 1024
    ? 'an argument is too long, or has a line end in it'
    : undefined
}

/** What is called, and with which arguments. */
function compileProgram(call: Call): (run: Run) => { program: string; args: readonly string[] } {
  const program = call.text('program name').constant ?? ''
  const args = call.hasArgument('arguments') ? call.texts('arguments') : undefined
  return run => {
    const values = args?.values(run) ?? []
    const wrong = values.length > 16 ? 'more than 16 arguments' : values.map(wrongArgument).find(Boolean)
    if (wrong) run.fail(`${program}: ${wrong}`)
    return { program, args: values }
  }
}

const offered = ({ programs }: Settings): boolean => programs

const pipeCommand: CommandDefinition = {
  name: 'pipe',
  tags: [{ name: 'try' }],
  takes,
  compile(call) {
    const program = compileProgram(call)
    const change = call.effects()
    const tries = call.has('try')
    return run =>
      run.take(change(run, { ...run.taken, type: 'pipe', ...program(run), copy: false, try: tries }))
  },
}

/** The message, put through a program; where that fails the message stays as it is. */
function compileFilter(call: Call): (run: Run) => boolean {
  const program = compileProgram(call)
  return run => {
    const { ok, output } = run.program({ kind: 'filter', ...program(run), input: run.message.octets })
    if (ok && output.length > 0) run.message = run.message.replaced(output)
    return ok && output.length > 0
  }
}

/** A program called for its exit status, or for what it writes. */
function compileExecute(call: Call, scope: Scope): (run: Run) => boolean {
  const program = compileProgram(call)
  const input = call.tagText('input')
  const name = call.tagText('output')
  if (name && !scope.enabled('variables')) scope.problems.error(name.at, ':output needs require "variables"')
  const variable = name && compileTarget(name, scope)
  return run => {
    const given = call.has('pipe') ? run.message.octets : input && Buffer.from(input.value(run))
    const { ok, output } = run.program({ kind: 'execute', ...program(run), input: given })
    if (ok) variable?.set(run, output.toString())
    return ok
  }
}

const executeTags = [
  { name: 'input', value: 'string', group: 'input' },
  { name: 'pipe', group: 'input' },
  { name: 'output', value: 'string', constant: true },
] as const

/** Both a command and a test of the same name. */
function both(
  definition: Pick<TestDefinition, 'name' | 'tags' | 'takes'>,
  compile: (call: Call, scope: Scope) => (run: Run) => boolean,
): Pick<Extension, 'commands' | 'tests'> {
  return {
    commands: [
      {
        ...definition,
        compile(call, scope) {
          const perform = compile(call, scope)
          return run => {
            perform(run)
          }
        },
      },
    ],
    tests: [{ ...definition, compile }],
  }
}

export const pipe: Extension = { name: 'vnd.dovecot.pipe', commands: [pipeCommand], offered }

export const filter: Extension = {
  name: 'vnd.dovecot.filter',
  offered,
  ...both({ name: 'filter', takes }, compileFilter),
}

export const execute: Extension = {
  name: 'vnd.dovecot.execute',
  offered,
  ...both({ name: 'execute', tags: executeTags, takes }, compileExecute),
}

/** RFC 5965 §3.1: feedback types. */
const feedback = /^(abuse|fraud|other|virus|not-spam|auth-failure)$/i

export const report: Extension = {
  name: 'vnd.dovecot.report',
  commands: [
    {
      name: 'report',
      tags: [{ name: 'headers_only' }],
      takes: [
        {
          name: 'feedback type',
          type: 'string',
          check: type =>
            feedback.test(type) ? undefined : `"${type}" is no type of feedback; write abuse, for example`,
        },
        { name: 'message', type: 'string' },
        { name: 'address', type: 'string', check: wrongAddress },
      ],
      compile(call) {
        const [type, text, to] = [call.text('feedback type'), call.text('message'), call.text('address')]
        const headersOnly = call.has('headers_only')
        return run => {
          const address = to.value(run)
          const wrong = wrongAddress(address)
          if (wrong) run.fail(`report: ${wrong}`)
          const message = { feedback: type.value(run), text: text.value(run), to: address, headersOnly }
          run.take({ ...run.taken, type: 'report', ...message })
        }
      },
    },
  ],
}

export const debug: Extension = {
  name: 'vnd.dovecot.debug',
  commands: [
    {
      name: 'debug_log',
      takes: [{ name: 'message', type: 'string' }],
      compile(call) {
        const message = call.text('message')
        return run => {
          if (run.notes.length < 100) run.notes.push(message.value(run).slice(0, 1000))
        }
      },
    },
  ],
}
