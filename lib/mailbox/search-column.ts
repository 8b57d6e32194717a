/** Keys of SEARCH that a mailbox's columns tell, and stat where these do not know yet. */
import type { NumberSet, SearchKey } from '../message/query.js'
import { type Candidate, known } from './candidate.js'
import { dateOf, savedDateOf, sizeOf } from './message.js'
import type { State } from './state.js'

const dayMs = 86_400_000

/** How dear a question is: columns, stat, digest, header, message. */
type Cost = 0 | 1 | 2 | 3 | 4

/** Undefined while it depends on texts that were not looked through yet. */
export type Verdict = boolean | undefined

/** One question of a query. */
export interface Test {
  readonly cost: Cost
  /** @throws Vanished when the message is gone */
  readonly fits: (message: Candidate) => Verdict
}

/** Keys that the columns and stat can tell. */
export function compileColumn(key: SearchKey, state: State, now: number): Test {
  switch (key.kind) {
    case 'seq':
      return setTest(key.set, message => message.seq)
    case 'uid':
      return setTest(key.set, message => message.uid)
    case 'flag':
      return { cost: 0, fits: ({ row }) => (state.table.masks[row]! & key.flag) !== 0 }
    case 'keyword':
      return keywordTest(state, key.keyword)
    case 'recent':
      return { cost: 0, fits: ({ view, uid }) => view.isRecent(uid) }
    case 'modseq':
      return { cost: 0, fits: ({ row }) => state.table.modseqs[row]! >= key.modseq }
    case 'larger':
      return { cost: 1, fits: ({ uid }) => known(sizeOf(state, uid)) > key.size }
    case 'smaller':
      return { cost: 1, fits: ({ uid }) => known(sizeOf(state, uid)) < key.size }
    case 'older':
      return dateTest(dateOf, date => date <= now - key.seconds * 1000)
    case 'younger':
      return dateTest(dateOf, date => date >= now - key.seconds * 1000)
    case 'since':
    case 'savedsince':
      return dateTest(key.kind === 'since' ? dateOf : savedDateOf, date => date >= key.day * dayMs)
    case 'before':
    case 'savedbefore':
      return dateTest(key.kind === 'before' ? dateOf : savedDateOf, date => date < key.day * dayMs)
    case 'on':
    case 'savedon':
      return dateTest(
        key.kind === 'on' ? dateOf : savedDateOf,
        date => date >= key.day * dayMs && date < (key.day + 1) * dayMs,
      )
    default:
      return { cost: 0, fits: () => false }
  }

  function dateTest(
    date: (state: State, uid: number) => number | undefined,
    fits: (ms: number) => boolean,
  ): Test {
    return { cost: 1, fits: ({ uid }) => fits(known(date(state, uid))) }
  }
}

function setTest(set: NumberSet, number: (message: Candidate) => number): Test {
  const ranges = [...set].sort((a, b) => a[0] - b[0])
  // Ranges may overlap: of those that begin at or below a number, the one that ends last decides.
  const ends: number[] = []
  for (const [, last] of ranges) ends.push(Math.max(last, ends.at(-1) ?? 0))
  return {
    cost: 0,
    fits: message => {
      const wanted = number(message)
      let low = 0
      let high = ranges.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if (ranges[middle]![0] <= wanted) low = middle + 1
        else high = middle
      }
      return low > 0 && ends[low - 1]! >= wanted
    },
  }
}

function keywordTest(state: State, keyword: string): Test {
  const wanted = keyword.toLowerCase()
  return {
    cost: 0,
    fits: ({ row, uid }) => {
      const bit = state.flags.bitOf(wanted)
      if (bit !== undefined) return (state.table.masks[row]! & bit) !== 0
      return (state.table.extras.get(uid) ?? []).some(name => name.toLowerCase() === wanted)
    },
  }
}
