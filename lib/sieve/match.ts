/** Match types (RFC 5228 §2.7.1): how values of a message are held against the keys of a script. */
import type { Call } from './call.js'
import { asciiCasemap, type Comparator, unicodeCasemap } from './comparator.js'
import type { Match, MatchType } from './definition.js'
import type { Run } from './run.js'
import type { Scope } from './scope.js'
import type { Texts } from './text.js'
import { matchWildcard, parseWildcard, type Wildcard } from './wildcard.js'

/** What a test's match tags and keys come to. */
export interface Matching {
  readonly match: Match
  readonly type: MatchType
  readonly comparator: Comparator
}

/**
 * Compiles the match of a test that takes the `match` family, for the keys in one of its arguments.
 *
 * @param usual the comparator where none is named
 */
export function compileMatch(call: Call, scope: Scope, keys: Texts, usual = asciiCasemap): Matching {
  const chosen = call.chosen('match type')
  const type = scope.all('matchTypes').find(({ name }) => name === (chosen?.tag.name ?? 'is')) as MatchType
  const comparator = compileComparator(call, scope, usual)
  if (type.substring && !comparator.substring)
    scope.problems.error(
      chosen?.at ?? call.at,
      `the comparator "${comparator.name}" cannot look for parts of strings, as :${type.name} does`,
    )
  const relation = chosen?.texts?.constant?.[0] ?? ''
  const match = type.compile({ comparator, relation, keys, scope })
  return { type, comparator, match: traced(match) }
}

function traced(match: Match): Match {
  return (run, values) => {
    run.look(values)
    return match(run, values)
  }
}

function compileComparator(call: Call, scope: Scope, usual: Comparator): Comparator {
  const name = call.tagTexts('comparator')?.constant?.[0]
  if (name === undefined) return usual
  const comparator = scope.all('comparators').find(each => each.name === name)
  if (comparator) return comparator
  const known = scope.registry.find(`comparator-${name}`, scope.settings)
  scope.problems.error(
    call.given.get('comparator')?.at ?? call.at,
    known
      ? `the comparator "${name}" needs require "comparator-${name}"`
      : `there is no comparator "${name}"`,
  )
  return usual
}

/** Values folded, once in a run for all tests that look at the same ones. */
function foldValues(run: Run, comparator: Comparator, values: readonly string[]): readonly string[] {
  let known = run.folded.get(comparator)
  if (!known) {
    known = new Map()
    run.folded.set(comparator, known)
  }
  let found = known.get(values)
  if (!found) {
    found = values.map(comparator.fold)
    known.set(values, found)
  }
  return found
}

export const is: MatchType = {
  name: 'is',
  compile: ({ comparator, keys }) => {
    const wanted = foldKeys(comparator, keys)
    return (run, values) => {
      if (values.length === 0) return false
      const all = wanted(run)
      for (const text of foldValues(run, comparator, values)) {
        run.spend(text.length + all.length)
        if (all.includes(text)) return true
      }
      return false
    }
  },
}

export const contains: MatchType = {
  name: 'contains',
  substring: true,
  compile: ({ comparator, keys }) => {
    const wanted = foldKeys(comparator, keys)
    return (run, values) => {
      if (values.length === 0) return false
      const all = wanted(run)
      for (const text of foldValues(run, comparator, values))
        for (const key of all) {
          run.spend(text.length + key.length)
          if (text.includes(key)) return true
        }
      return false
    }
  },
}

export const matches: MatchType = {
  name: 'matches',
  substring: true,
  compile: ({ comparator, keys, scope }) => {
    const prepare = (key: string) => foldPattern(parseWildcard(key), comparator)
    let constant: readonly Wildcard[] | undefined
    const capture = scope.enabled('variables')
    return (run, values) => {
      if (values.length === 0) return false
      // Made when it is needed: most tests of a script see nothing of most messages.
      if (keys.constant) constant ??= keys.constant.map(prepare)
      const patterns = constant ?? keys.values(run).map(prepare)
      return values.some(value => {
        const folded = characters(value, comparator)
        return patterns.some(pattern => matchOne(run, value, folded, pattern, capture))
      })
    }
  },
}

/** RFC 5229 §3.2: ${0} is the value, ${1} and on what each wildcard stood for. */
function matchOne(
  run: Run,
  value: string,
  folded: readonly string[],
  pattern: Wildcard,
  capture: boolean,
): boolean {
  run.spend(folded.length + 1)
  const spans = matchWildcard(pattern, folded, work => run.spend(work))
  if (!spans) return false
  if (capture) {
    const original = [...value]
    run.setMatches([value, ...spans.map(([start, end]) => original.slice(start, end).join(''))])
  }
  return true
}

/** A value one character an item: folding must not move the places that wildcards matched at. */
function characters(value: string, comparator: Comparator): readonly string[] {
  return comparator === unicodeCasemap ? [...value].map(comparator.fold) : [...comparator.fold(value)]
}

function foldPattern({ segments }: Wildcard, comparator: Comparator): Wildcard {
  return {
    segments: segments.map(segment =>
      segment.map(character => (character === undefined ? undefined : comparator.fold(character))),
    ),
  }
}

/** Folds the keys once where they are constant, at each use where they are not. */
function foldKeys(comparator: Comparator, keys: Texts): (run: Run) => readonly string[] {
  if (!keys.constant) return run => keys.values(run).map(key => comparator.fold(key))
  let folded: readonly string[] | undefined
  return () => {
    folded ??= keys.constant?.map(key => comparator.fold(key)) ?? []
    return folded
  }
}
