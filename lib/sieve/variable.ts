/** Variables by name: the script's own, those that `global` shares, those of a namespace (RFC 5229 §3, RFC 6609 §3.4). */
import type { Run } from './run.js'
import type { Scope } from './scope.js'
import type { Text } from './text.js'

export interface Variable {
  get(run: Run): string
  set(run: Run, value: string): void
}

/** The variable of a plain name. */
export function plainVariable(name: string, scope: Scope): Variable {
  const key = scope.variable(name.toLowerCase())
  if (scope.globals.has(key)) return globalVariable(key)
  return {
    get: run => run.variables.get(key) ?? '',
    set: (run, value) => run.setVariable(key, value),
  }
}

export function globalVariable(key: string): Variable {
  return {
    get: run => run.globals.get(key) ?? '',
    set: (run, value) => run.setVariable(key, value, run.globals),
  }
}

/** Whether a name may be a variable's: match variables and namespaces are something else. */
export function isVariableName(name: string): boolean {
  return /^[a-z_]\w*$/i.test(name) && name.length <= 64
}

/**
 * The variable that a command is to change, by the string that names it.
 *
 * @returns undefined when there can be none of that name; the error is noted
 */
export function compileTarget(name: Text, scope: Scope): Variable | undefined {
  const given = name.constant ?? ''
  if (isVariableName(given)) return plainVariable(given, scope)
  const [, namespace = '', rest = ''] = /^([a-z_]\w*)\.(.*)$/i.exec(given) ?? []
  const writable = namespace === '' ? undefined : scope.namespace(namespace.toLowerCase())?.write
  if (writable && isVariableName(rest)) return writable(rest.toLowerCase())
  const known = namespace !== '' && !writable
  const problem = known ? `no variable of ${namespace}. can be set` : 'this cannot be the name of a variable'
  scope.problems.error(name.at, `${JSON.stringify(given)}: ${problem}`)
  return undefined
}
