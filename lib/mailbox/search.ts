/**
 * SEARCH (RFC 3501 §6.4.4): which messages a query fits. What columns in memory can tell is asked first, then what
 * stat tells, then the digest of the header, then the header. Whether a text is in a message is asked last, on a
 * thread, of all messages for which it matters.
 */
import type { SearchKey } from '../message/query.js'
import { foldText } from '../message/searchable.js'
import { decodeWords } from '../message/words.js'
import { Pacer } from '../sys/pacer.js'
import { Candidate, known, Vanished } from './candidate.js'
import type { Progress } from './columns.js'
import { emailIdOf, threadIdOf } from './identity.js'
import { compileColumn, type Test, type Verdict } from './search-column.js'
import type { State } from './state.js'
import type { TextQuestion } from './text-search.js'
import type { View } from './view.js'

/** A text that a query asks for, and where it was found. */
interface TextLeaf extends TextQuestion {
  answers?: { found: ReadonlySet<number>; missing: ReadonlySet<number> }
}

/**
 * Evaluates a query over the messages that a session counts.
 *
 * @param now milliseconds since 1970, for OLDER and YOUNGER
 * @param progress told while headers are looked through
 * @returns UIDs, ascending
 */
export async function search(
  state: State,
  key: SearchKey,
  view: View,
  now: number,
  progress?: Progress,
): Promise<number[]> {
  const texts: TextLeaf[] = []
  const test = compile(key, { now, state, texts })
  const uids = view.uids.slice()
  const { found, open } = await sift(test, new Candidate(state, view), uids, uids, progress)
  if (open.length === 0) return found
  const answers = await state.texts.find(texts, Uint32Array.from(open))
  for (const [i, leaf] of texts.entries())
    leaf.answers = { found: answers.found[i]!, missing: answers.missing }
  const late = await sift(test, new Candidate(state, view), open, uids)
  return [...found, ...late.found].sort((a, b) => a - b)
}

/** Those of some messages that fit, and those of which that is not known yet. @param uids what the session counts */
async function sift(
  test: Test,
  candidate: Candidate,
  some: ArrayLike<number>,
  uids: Uint32Array,
  progress?: Progress,
): Promise<{ found: number[]; open: number[] }> {
  const found: number[] = []
  const open: number[] = []
  const pacer = new Pacer()
  // A digest that is kept takes a microsecond, less than a look at the clock, and one that is not up to a millisecond.
  const seldom = test.cost === 2 ? 7 : 0
  for (let i = 0, seq = 1; i < some.length; i++, seq++) {
    while (uids[seq - 1] !== some[i]) seq++
    const verdict = candidate.begin(some[i]!, seq) && holds(test, candidate)
    if (verdict) found.push(some[i]!)
    else if (verdict === undefined) open.push(some[i]!)
    if ((i & seldom) !== 0 || !(test.cost > 1 ? pacer.isOver : pacer.isDue)) continue
    progress?.(i, some.length)
    await pacer.rest()
  }
  return { found, open }
}

function holds(test: Test, candidate: Candidate): Verdict {
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
  /** The texts that are asked for. */
  readonly texts: TextLeaf[]
}

function compile(key: SearchKey, context: Context): Test {
  switch (key.kind) {
    case 'all':
      return { cost: 0, fits: () => true }
    case 'and':
    case 'or': {
      const tests = key.keys.map(inner => compile(inner, context)).sort((a, b) => a.cost - b.cost)
      const cost = tests.at(-1)?.cost ?? 0
      return { cost, fits: joined(tests, key.kind === 'or') }
    }
    case 'not': {
      const inner = compile(key.key, context)
      return {
        cost: inner.cost,
        fits: message => {
          const verdict = inner.fits(message)
          return verdict === undefined ? undefined : !verdict
        },
      }
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
      return compileHeader(key)
    case 'body':
    case 'text':
      return compileText(foldText(key.value), key.kind === 'text', context)
    case 'emailid':
      return { cost: 4, fits: ({ uid }) => known(emailIdOf(context.state, uid)) === key.id }
    case 'threadid':
      return { cost: 3, fits: ({ uid }) => known(threadIdOf(context.state, uid)) === key.id }
    default:
      return compileColumn(key, context.state, context.now)
  }
}

/** Whether one of several verdicts is `decisive`, which then is the answer: true for OR, false for AND. */
function joined(tests: readonly Test[], decisive: boolean): Test['fits'] {
  return message => {
    let verdict: Verdict = !decisive
    for (const test of tests) {
      const one = test.fits(message)
      if (one === decisive) return decisive
      if (one === undefined) verdict = undefined
    }
    return verdict
  }
}

function compileText(value: string, header: boolean, { texts }: Context): Test {
  if (value === '') return { cost: 0, fits: () => true }
  const leaf: TextLeaf = { value, header }
  texts.push(leaf)
  return {
    cost: 4,
    fits: message => {
      if (!leaf.answers?.missing.has(message.uid)) return leaf.answers?.found.has(message.uid)
      // Its file was not where it had been.
      const inHeader = header && message.headerText.includes(value)
      return inHeader || message.texts.some(text => text.includes(value))
    },
  }
}

/** Keys that ask for what the header says. */
function compileHeader(key: SearchKey): Test {
  switch (key.kind) {
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
    case 'subject': {
      const value = foldText(key.value)
      const octets = Buffer.from(value)
      return { cost: 2, fits: ({ digest }) => digest.holds(key.kind, value, octets) }
    }
    case 'sentsince':
      return sentTest(day => day >= key.day)
    case 'sentbefore':
      return sentTest(day => day < key.day)
    case 'senton':
      return sentTest(day => day === key.day)
    case 'header':
      return headerTest(key.name.toLowerCase(), foldText(key.value))
    default:
      throw new TypeError(`no key for headers: ${key.kind}`)
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
