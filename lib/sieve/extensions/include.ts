/** Scripts within scripts: RFC 6609. */
import { compileOnce } from '../compile.js'
import type { CommandDefinition, Extension, Signal } from '../definition.js'
import { formatProblem } from '../problem.js'
import type { Frame, Run } from '../run.js'
import { isScriptName } from '../script-name.js'
import { globalVariable, isVariableName } from '../variable.js'

type Location = 'personal' | 'global'

/** RFC 6609 §3.2. */
const includeCommand: CommandDefinition = {
  name: 'include',
  tags: [
    { name: 'personal', group: 'location' },
    { name: 'global', group: 'location' },
    { name: 'once' },
    { name: 'optional' },
  ],
  takes: [
    {
      name: 'script name',
      type: 'string',
      constant: true,
      check: name =>
        isScriptName(name) ? undefined : `${JSON.stringify(name)} cannot be the name of a script`,
    },
  ],
  compile(call) {
    const location: Location = call.has('global') ? 'global' : 'personal'
    const name = call.text('script name').constant ?? ''
    const [once, optional] = [call.has('once'), call.has('optional')]
    return run => includeScript(run, location, name, once, optional)
  },
}

function includeScript(run: Run, location: Location, name: string, once: boolean, optional: boolean): Signal {
  const key = `${location} script "${name}"`
  const { path } = run.frame
  if (once && (run.included.has(key) || path.includes(key))) return undefined
  if (path.includes(key)) run.fail(`the ${key} includes itself`)
  const source = run.context.include?.(location, name)
  if (!source && optional) return undefined
  if (!source) run.fail(`there is no ${key} to include`)
  if (path.length > run.settings.maxIncludeDepth)
    run.fail(`more than ${run.settings.maxIncludeDepth} scripts include each other`)
  run.included.add(key)
  if (run.included.size > run.settings.maxIncludes)
    run.fail(`more than ${run.settings.maxIncludes} scripts are included`)
  run.spend(source.text.length)
  const script = compileOnce(source, run.settings)
  const [wrong] = script.errors
  if (wrong) run.fail(`the ${key} cannot be included: ${formatProblem(wrong)}`)
  return inFrame(run, { script, variables: new Map(), matches: [], path: [...path, key] }, script.steps)
}

/** Runs an included script; where it fails, the error keeps its own place. */
function inFrame(run: Run, frame: Frame, steps: Frame['script']['steps']): Signal {
  const outer = run.frame
  run.frame = frame
  const signal = run.execute(steps)
  run.frame = outer
  return signal === 'stop' ? 'stop' : undefined
}

/** RFC 6609 §3.4.1. */
const global: CommandDefinition = {
  name: 'global',
  takes: [{ name: 'variable names', type: 'strings', constant: true }],
  compile(call, scope) {
    if (!scope.enabled('variables')) scope.problems.error(call.at, 'global needs require "variables"')
    for (const { at, constant = '' } of call.texts('variable names').items) {
      const name = constant.toLowerCase()
      if (!isVariableName(name))
        scope.problems.error(at, `${JSON.stringify(constant)} cannot be the name of a variable`)
      else if (scope.hasVariable(name) && !scope.globals.has(name))
        scope.problems.error(at, `the variable ${constant} was used before it was declared global`)
      scope.globals.add(name)
    }
    return () => undefined
  },
}

export const include: Extension = {
  name: 'include',
  commands: [includeCommand, { name: 'return', compile: () => () => 'return' }, global],
  namespaces: [
    {
      // RFC 6609 §3.4.2.
      name: 'global',
      read: (run, rest) => run.globals.get(rest) ?? '',
      write: globalVariable,
      check: rest => (isVariableName(rest) ? undefined : `"${rest}" cannot be the name of a variable`),
    },
  ],
}
