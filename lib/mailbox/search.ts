/**
 * SEARCH (RFC 3501 §6.4.4): which messages a query fits. What columns in memory can tell is asked first, then what
 * stat tells, then the digest of the header, then the header, and the whole message last.
 */
import type { NumberSet, SearchKey } from '../message/query.js'
import { foldText } from '../message/searchable.js'
import { decodeWords } from '../message/words.js'
import { Pacer } from '../sys/pacer.js'
import { Candidate, known, Vanished } from './candidate.js'
import { fieldText } from './digest.js'
import { emailIdOf, threadIdOf } from './identity.js'
import { dateOf, savedDateOf, sizeOf } from './message.js'
import type { State } from './state.js'
import type { View } from './view.js'

const dayMs = 86_400_000

/** How dear a question is: columns, stat, digest, header, message. */
type Cost = 0 | 1 | 2 | 3 | 4

interface Test {
  readonly cost: Cost
  /** @throws Vanished when the message is gone */
  readonly fits: (message: Candidate) => boolean
}

/**
 * Evaluates a query over the messages that a session counts.
 *
 * @param now milliseconds since 1970, for OLDER and YOUNGER
 * @returns UIDs, ascending
 */
export async function search(state: State, key: SearchKey, view: View, now: number): Promise<number[]> {
  const test = compile(key, { now, state })
  const uids = view.uids.slice()
  const found: number[] = []
  const candidate = new Candidate(state, view)
  const pacer = new Pacer()
  for (let i = 0; i < uids.length; i++) {
    if (candidate.begin(uids[i]!, i + 1) && holds(test, candidate)) found.push(uids[i]!)
    if (test.cost > 1 ? pacer.isOver : pacer.isDue) await pacer.rest()
  }
  return found
}

function holds(test: Test, candidate: Candidate): boolean {
  try {
    return test.fits(candidate)
  } catch (error) {
    if (error instanceof Vanished) return false
    throw error
  }
}

interface Context {
  readonly now: number
  readonly state: State
}

function compile(key: SearchKey, context: Context): Test {
  switch (key.kind) {
    case 'all':
      return { cost: 0, fits: () => true }
    case 'and':
    case 'or': {
      const tests = key.keys.map(inner => compile(inner, context)).sort((a, b) => a.cost - b.cost)
      const cost = tests.at(-1)?.cost ?? 0
      return key.kind === 'and'
        ? { cost, fits: message => tests.every(test => test.fits(message)) }
        : { cost, fits: message => tests.some(test => test.fits(message)) }
    }
    case 'not': {
      const inner = compile(key.key, context)
      return { cost: inner.cost, fits: message => !inner.fits(message) }
    }
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
    case 'subject':
    case 'sentsince':
    case 'sentbefore':
    case 'senton':
    case 'header':
    case 'body':
    case 'text':
      return compileText(key)
    case 'emailid':
      return { cost: 4, fits: ({ uid }) => known(emailIdOf(context.state, uid)) === key.id }
    case 'threadid':
      return { cost: 3, fits: ({ uid }) => known(threadIdOf(context.state, uid)) === key.id }
    default:
      return compileColumn(key, context)
  }
}

/** Keys that ask for what the message says. */
function compileText(key: SearchKey): Test {
  switch (key.kind) {
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
    case 'subject': {
      const value = foldText(key.value)
      return { cost: 2, fits: ({ digest }) => fieldText(digest, key.kind).includes(value) }
    }
    case 'sentsince':
      return sentTest(day => day >= key.day)
    case 'sentbefore':
      return sentTest(day => day < key.day)
    case 'senton':
      return sentTest(day => day === key.day)
    case 'header':
      return headerTest(key.name.toLowerCase(), foldText(key.value))
    case 'body': {
      const value = foldText(key.value)
      return { cost: 4, fits: message => message.texts.some(text => text.includes(value)) || value === '' }
    }
    case 'text': {
      const value = foldText(key.value)
      return {
        cost: 4,
        fits: message =>
          message.headerText.includes(value) || message.texts.some(text => text.includes(value)),
      }
    }
    default:
      throw new TypeError(`no key for texts: ${key.kind}`)
  }
}

function sentTest(fits: (day: number) => boolean): Test {
  return { cost: 2, fits: ({ digest }) => digest.sentDay !== undefined && fits(digest.sentDay) }
}

function headerTest(name: string, value: string): Test {
  return {
    cost: 3,
    fits: ({ header }) =>
      header.fields.some(
        field =>
          field.key === name &&
          (value === '' ||
            foldText(decodeWords(Buffer.from(header.binary(field), 'latin1'))).includes(value)),
      ),
  }
}

/** Keys that the columns and stat can tell. */
function compileColumn(key: SearchKey, { now, state }: Context): Test {
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
