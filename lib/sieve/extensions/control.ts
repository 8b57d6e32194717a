/** The control commands of RFC 5228 §3, and the tests that only join others (§5). */
import type { Call } from '../call.js'
import type { CommandDefinition, Signal, Step, TestDefinition } from '../definition.js'
import type { Run } from '../run.js'

/** RFC 5228 §3.2. */
export const require: CommandDefinition = {
  name: 'require',
  takes: [{ name: 'capabilities', type: 'strings', constant: true }],
  compile(call, scope) {
    if (!scope.atHead) scope.problems.error(call.at, 'require must stand before all other commands')
    for (const { at, constant } of call.texts('capabilities').items)
      if (constant !== undefined) scope.require(at, constant)
    return () => undefined
  },
}

/** RFC 5228 §3.1. A block that can never be reached is not looked at: it may use what an `ihave` did not find. */
function conditional(call: Call): (this: Step, run: Run) => Signal {
  const [condition] = call.conditions
  const block = condition?.constant === false ? [] : call.compileBlock()
  return function (this: Step, run: Run) {
    if (condition && run.test(condition)) return run.execute(block)
    return this.otherwise && run.step(this.otherwise)
  }
}

export const branches: readonly CommandDefinition[] = [
  { name: 'if', tests: 'one', block: true, compile: conditional },
  { name: 'elsif', tests: 'one', block: true, follows: ['if', 'elsif'], compile: conditional },
  {
    name: 'else',
    block: true,
    follows: ['if', 'elsif'],
    compile: call => {
      const block = call.compileBlock()
      return run => run.execute(block)
    },
  },
]

/** RFC 5228 §3.3. */
export const stop: CommandDefinition = { name: 'stop', compile: () => () => 'stop' }

export const connectives: readonly TestDefinition[] = [
  { name: 'true', compile: () => ({ constant: true, test: () => true }) },
  { name: 'false', compile: () => ({ constant: false, test: () => false }) },
  {
    name: 'not',
    tests: 'one',
    compile: ({ conditions: [inner] }) => ({
      constant: inner?.constant === undefined ? undefined : !inner.constant,
      test: run => inner === undefined || !run.test(inner),
    }),
  },
  {
    name: 'allof',
    tests: 'list',
    compile: ({ conditions }) => ({
      constant: joined(
        conditions.map(each => each.constant),
        false,
      ),
      test: run => conditions.every(condition => run.test(condition)),
    }),
  },
  {
    name: 'anyof',
    tests: 'list',
    compile: ({ conditions }) => ({
      constant: joined(
        conditions.map(each => each.constant),
        true,
      ),
      test: run => conditions.some(condition => run.test(condition)),
    }),
  },
]

/** What tests come to whose first `deciding` result decides, as far as it is known. */
function joined(results: readonly (boolean | undefined)[], deciding: boolean): boolean | undefined {
  if (results.includes(deciding)) return deciding
  return results.includes(undefined) ? undefined : !deciding
}
