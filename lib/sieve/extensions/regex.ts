/** Regular expressions as a match type: draft-ietf-sieve-regex. POSIX extended ones, run in linear time. */
import { octet } from '../comparator.js'
import type { Extension, MatchType } from '../definition.js'
import { matchRegex } from '../regex/match.js'
import { compileRegex, type Program } from '../regex/program.js'
import { RegexError } from '../regex/syntax.js'
import type { Run } from '../run.js'
import { modifierTag } from './variables.js'

const regexMatch: MatchType = {
  name: 'regex',
  substring: true,
  compile: ({ comparator, keys, scope }) => {
    const ignoreCase = comparator !== octet
    const constant: Program[] = []
    for (const { at, constant: pattern } of keys.items) {
      const program = pattern === undefined ? undefined : tryCompile(pattern, ignoreCase)
      if (typeof program === 'string') scope.problems.error(at, program)
      else if (program) constant.push(program)
    }
    const capture = scope.enabled('variables')
    return (run, values) => {
      const programs = keys.constant
        ? constant
        : keys.values(run).map(key => compileNow(run, key, ignoreCase))
      return values.some(value => programs.some(program => matchOne(run, value, program, capture)))
    }
  },
}

function matchOne(run: Run, value: string, program: Program, capture: boolean): boolean {
  const found = matchRegex(program, value, capture, steps => run.spend(steps))
  if (!found) return false
  if (capture) {
    const groups = Array.from({ length: found.length / 2 }, (_, group) => {
      const [start = -1, end = -1] = found.slice(group * 2, group * 2 + 2)
      return start < 0 || end < 0 ? '' : value.slice(start, end)
    })
    run.setMatches(groups)
  }
  return true
}

/** @returns what is wrong with the pattern, as text */
function tryCompile(pattern: string, ignoreCase: boolean): Program | string {
  try {
    return compileRegex(pattern, ignoreCase)
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    return `invalid regular expression ${JSON.stringify(pattern.slice(0, 100))}: ${error.message} (at character ${error.offset + 1})`
  }
}

/** A pattern that variables are in is read when they are known. */
function compileNow(run: Run, pattern: string, ignoreCase: boolean): Program {
  run.spend(pattern.length * 10)
  const program = tryCompile(pattern, ignoreCase)
  return typeof program === 'string' ? run.fail(program) : program
}

export const regex: Extension = {
  name: 'regex',
  matchTypes: [regexMatch],
  families: [{ family: 'match', tag: { name: 'regex', group: 'match type' } }],
  tags: [{ on: ['set'], tag: modifierTag('quoteregex') }],
}
