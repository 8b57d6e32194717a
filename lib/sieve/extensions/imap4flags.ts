/** Flags: RFC 5232. */
import type { Action } from '../action.js'
import type { Call } from '../call.js'
import type { CommandDefinition, Extension, Tag, TestDefinition } from '../definition.js'
import { compileMatch } from '../match.js'
import type { Run } from '../run.js'
import type { Scope } from '../scope.js'
import { compileTarget, type Variable } from '../variable.js'

/** What a script may set; \Recent and unknown system flags are passed over (RFC 5232 §2). */
const system = ['\\answered', '\\flagged', '\\deleted', '\\seen', '\\draft']

/** The flags in some strings, each of which may hold several: no invalid ones, none twice. */
export function parseFlags(strings: readonly string[]): readonly string[] {
  const flags = new Map<string, string>()
  for (const flag of strings.flatMap(text => text.split(/[ \t\r\n]+/))) {
    const key = flag.toLowerCase()
    if (isFlag(flag) && !flags.has(key)) flags.set(key, flag)
  }
  return [...flags.values()]
}

/** RFC 3501 §9: an atom, or one of the system flags. */
function isFlag(flag: string): boolean {
  if (flag.startsWith('\\')) return system.includes(flag.toLowerCase())
  return /^[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~[]+$/.test(flag)
}

/** The variable that an action names, or the internal one. */
function compileVariable(call: Call, scope: Scope): Variable | undefined {
  if (!call.hasArgument('variable name'))
    return {
      get: run => run.flags.join(' '),
      set: (run, value) => {
        run.flags = parseFlags([value])
      },
    }
  const name = call.text('variable name')
  if (scope.enabled('variables')) return compileTarget(name, scope)
  scope.problems.error(name.at, `${call.node.name}: naming a variable needs require "variables"`)
  return undefined
}

type Change = (before: readonly string[], given: readonly string[]) => readonly string[]

function command(name: string, change: Change): CommandDefinition {
  return {
    name,
    takes: [
      { name: 'variable name', type: 'string', optional: true, constant: true },
      { name: 'list of flags', type: 'strings' },
    ],
    compile(call, scope) {
      const variable = compileVariable(call, scope)
      const flags = call.texts('list of flags')
      return run => {
        const before = parseFlags([variable?.get(run) ?? ''])
        variable?.set(run, change(before, parseFlags(flags.values(run))).join(' '))
      }
    },
  }
}

const without: Change = (before, given) => {
  const gone = new Set(given.map(flag => flag.toLowerCase()))
  return before.filter(flag => !gone.has(flag.toLowerCase()))
}

/** RFC 5232 §4. */
const hasflag: TestDefinition = {
  name: 'hasflag',
  families: ['match'],
  takes: [
    { name: 'variable list', type: 'strings', optional: true, constant: true },
    { name: 'list of flags', type: 'strings' },
  ],
  compile(call, scope) {
    const variables = call.hasArgument('variable list')
      ? call.texts('variable list').items.map(name => compileTarget(name, scope))
      : undefined
    if (variables && !scope.enabled('variables'))
      scope.problems.error(call.at, 'hasflag: naming variables needs require "variables"')
    const keys = call.texts('list of flags')
    const split = {
      ...keys,
      constant: keys.constant && splitKeys(keys.constant),
      values: (run: Run) => splitKeys(keys.values(run)),
    }
    const counts = call.chosen('match type')?.tag.name === 'count'
    const { match } = compileMatch(call, scope, counts ? keys : split)
    return run => {
      const flags = variables ? variables.flatMap(each => parseFlags([each?.get(run) ?? ''])) : run.flags
      return match(run, flags)
    }
  },
}

/** A key of several flags is several keys. */
function splitKeys(keys: readonly string[]): readonly string[] {
  return keys.flatMap(key => key.split(' ').filter(flag => flag !== ''))
}

/** RFC 5232 §5. */
const flagsTag: Tag = {
  name: 'flags',
  value: 'strings',
  effect: given => (run, action) =>
    ({ ...action, flags: parseFlags(given.texts?.values(run) ?? []) }) as Action,
}

export const imap4flags: Extension = {
  name: 'imap4flags',
  commands: [
    command('setflag', (_before, given) => given),
    command('addflag', (before, given) => parseFlags([...before, ...given])),
    command('removeflag', without),
  ],
  tests: [hasflag],
  tags: [{ on: ['keep', 'fileinto'], tag: flagsTag }],
  families: [{ family: 'fcc', tag: flagsTag }],
}
