/**
 * THREAD (RFC 5256 §3): ORDEREDSUBJECT and REFERENCES, and REFS, which is REFERENCES without looking at subjects, the
 * threads ordered by their newest message (draft-ietf-morg-inthread).
 *
 * Messages are positions among those that were searched, in the order of the mailbox; dummies, which stand for
 * messages that are not there, are the numbers above. All siblings are ordered by sent date, and so it is enough to
 * sort all messages by it once and to hand them to their parents in that order.
 */
import type { SearchKey, ThreadAlgorithm } from '../message/query.js'
import { Pacer } from '../sys/pacer.js'
import type { Columns, Progress } from './columns.js'
import { columnsOf, settle } from './kept.js'
import { linkReferences } from './references.js'
import { search } from './search.js'
import { ordered, sentDates } from './sort.js'
import type { State } from './state.js'
import { mergeSubjects } from './subjects.js'
import type { View } from './view.js'

/** Threads, a message after its parent and before what answers it. */
export interface Threads {
  /** UIDs; 0 where several messages answer one that is not there. */
  readonly uids: Uint32Array
  /** Where the parent of each stands in `uids`; -1 for the first of a thread. */
  readonly parents: Int32Array
}

/** The messages under question, and what threading asks of them, by position. */
export interface Threaded {
  readonly columns: Columns
  readonly rows: Uint32Array
  /** All positions, by sent date. */
  readonly byDate: Uint32Array
}

/** Which message or dummy each message is below. */
export interface Parents {
  /** By position: another position, or a dummy from the number of messages up; -1 at the top. */
  readonly above: Int32Array
  /** How many dummies there are. Those that nothing is below are none. */
  readonly dummies: number
}

/**
 * The messages of a session that a query fits, as threads.
 *
 * @param now milliseconds since 1970, for OLDER and YOUNGER
 */
export async function thread(
  state: State,
  algorithm: ThreadAlgorithm,
  key: SearchKey,
  view: View,
  now: number,
  progress?: Progress,
): Promise<Threads> {
  const uids = key.kind === 'all' ? view.uids : await search(state, key, view, now, progress)
  const columns = await columnsOf(state, view.uids)
  const pacer = new Pacer()
  const filled = await columns.fill(state, columns.rowsOf(uids), pacer, progress)
  settle(state, columns)
  const rows = columns.present(filled, state.table.uids, state.table.count)
  const dates = await sentDates(state, columns, rows, pacer)
  const positions = new Uint32Array(rows.length)
  for (let i = 0; i < rows.length; i++) positions[i] = i
  const byDate = await ordered(positions, dates, false, pacer)
  const messages: Threaded = { columns, rows, byDate }
  const parents = await parentsOf(messages, algorithm, pacer)
  const roots = await rootsOf(messages, parents, algorithm === 'refs' ? dates : undefined, pacer)
  return inOrder(messages, parents, roots, pacer)
}

async function parentsOf(messages: Threaded, algorithm: ThreadAlgorithm, pacer: Pacer): Promise<Parents> {
  if (algorithm === 'orderedsubject') return bySubject(messages, pacer)
  const parents = await linkReferences(messages, pacer)
  return algorithm === 'refs' ? parents : mergeSubjects(messages, parents, pacer)
}

/** The first message of each subject, and all others below it. */
async function bySubject({ columns, rows, byDate }: Threaded, pacer: Pacer): Promise<Parents> {
  const above = new Int32Array(rows.length).fill(-1)
  const firsts = new Map<number, number>()
  for (const position of byDate) {
    const subject = columns.rows.texts.subject[rows[position]!]!
    const first = firsts.get(subject)
    if (first === undefined) firsts.set(subject, position)
    else above[position] = first
    if (pacer.isDue) await pacer.rest()
  }
  return { above, dummies: 0 }
}

/** What stands at the top, in order: by the date of the first message, or with `dates`, of the newest of the thread. */
async function rootsOf(
  { rows, byDate }: Threaded,
  { above, dummies }: Parents,
  dates: Float64Array | undefined,
  pacer: Pacer,
): Promise<Uint32Array> {
  const all = new Uint32Array(rows.length + dummies)
  const isSeen = new Uint8Array(rows.length + dummies)
  let count = 0
  for (const position of byDate) {
    const parent = above[position]!
    const root = parent < 0 ? position : parent
    if ((parent >= 0 && parent < rows.length) || isSeen[root]) continue
    isSeen[root] = 1
    all[count++] = root
  }
  const roots = all.slice(0, count)
  if (!dates) return roots
  // The newest message is the last in the order of dates: of its thread, the last one that is met counts.
  const newest = new Float64Array(rows.length + dummies)
  const tops = topsOf(above, rows.length)
  for (const position of byDate) newest[tops[position]!] = dates[position]!
  return ordered(roots, newest, false, pacer)
}

/** The top of the thread of each message: a position, or a dummy. */
function topsOf(above: Int32Array, count: number): Int32Array {
  const tops = new Int32Array(count).fill(-1)
  const path: number[] = []
  for (let position = 0; position < count; position++) {
    let at = position
    while (at < count && tops[at] === -1 && above[at]! >= 0) {
      path.push(at)
      at = above[at]!
    }
    const top = at < count && tops[at] !== -1 ? tops[at]! : at
    if (at < count) tops[at] = top
    while (path.length > 0) tops[path.pop()!] = top
  }
  return tops
}

/** Lays threads out, each message before those below it. */
async function inOrder(
  { columns, rows, byDate }: Threaded,
  { above, dummies }: Parents,
  roots: Uint32Array,
  pacer: Pacer,
): Promise<Threads> {
  const size = rows.length + dummies
  const unset = () => new Int32Array(size).fill(-1)
  const [firsts, lasts, nexts, places] = [unset(), unset(), unset(), unset()]
  for (const position of byDate) {
    const parent = above[position]!
    if (parent < 0) continue
    if (firsts[parent] === -1) firsts[parent] = position
    else nexts[lasts[parent]!] = position
    lasts[parent] = position
  }
  const result = { uids: new Uint32Array(size), parents: new Int32Array(size) }
  let count = 0
  for (const root of roots)
    for (let at = root; at !== -1; ) {
      const parent = at < rows.length ? above[at]! : -1
      places[at] = count
      result.uids[count] = at < rows.length ? columns.rows.uids[rows[at]!]! : 0
      result.parents[count++] = parent < 0 ? -1 : places[parent]!
      at = after(at, root)
      if (pacer.isDue) await pacer.rest()
    }
  return { uids: result.uids.slice(0, count), parents: result.parents.slice(0, count) }

  /** What comes after a message in its thread; -1 at the end. */
  function after(at: number, root: number): number {
    if (firsts[at] !== -1) return firsts[at]!
    let up = at
    while (up !== root && nexts[up] === -1) up = above[up]!
    return up === root ? -1 : nexts[up]!
  }
}
