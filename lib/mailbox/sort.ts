/**
 * SORT (RFC 5256 §3, RFC 5957). What messages are ordered by are whole numbers: seconds, octets, the rank of a text
 * among all texts. So they are sorted digit by digit, the last criterion first, which keeps what is equal in its
 * order and takes time in proportion to the messages.
 */
import type { SearchKey, SortKey } from '../message/query.js'
import { Pacer } from '../sys/pacer.js'
import type { Columns, Progress } from './columns.js'
import { columnsOf, settle } from './kept.js'
import { dateOf, sizeOf } from './message.js'
import { search } from './search.js'
import type { State } from './state.js'
import type { View } from './view.js'

/** Bits of a digit: what is counted fits the nearest cache of a processor. */
const digitBits = 11
const digits = 1 << digitBits
/** One above the largest number of 32 bits. */
const wordSize = 2 ** 32

/**
 * The messages of a session that a query fits, in order; what is equal is ordered by sequence number.
 *
 * @param now milliseconds since 1970, for OLDER and YOUNGER
 * @returns UIDs
 */
export async function sort(
  state: State,
  key: SearchKey,
  order: readonly SortKey[],
  view: View,
  now: number,
  progress?: Progress,
): Promise<number[]> {
  const uids = key.kind === 'all' ? view.uids : await search(state, key, view, now, progress)
  return sortUids(state, uids, order, view, progress)
}

/** Orders messages of a session. @param uids ascending. @returns those of them that are there */
export async function sortUids(
  state: State,
  uids: ArrayLike<number>,
  order: readonly SortKey[],
  view: View,
  progress?: Progress,
): Promise<number[]> {
  const columns = await columnsOf(state, view.uids)
  const pacer = new Pacer()
  let rows = columns.rowsOf(uids)
  if (order.some(({ field }) => field !== 'arrival' && field !== 'size'))
    rows = await columns.fill(state, rows, pacer, progress)
  rows = columns.present(rows, state.table.uids, state.table.count)
  let positions = new Uint32Array(rows.length)
  for (let i = 0; i < rows.length; i++) positions[i] = i
  for (const { field, reverse } of order.toReversed()) {
    const values = await valuesOf(state, columns, rows, field, pacer)
    positions = await ordered(positions, values, reverse, pacer)
  }
  settle(state, columns)
  const sorted = new Array<number>(rows.length)
  for (let i = 0; i < positions.length; i++) sorted[i] = columns.rows.uids[rows[positions[i]!]!]!
  return sorted
}

/** What the rows are compared by, by their position in `rows`: whole numbers. */
async function valuesOf(
  state: State,
  columns: Columns,
  rows: Uint32Array,
  field: SortKey['field'],
  pacer: Pacer,
): Promise<Float64Array> {
  switch (field) {
    case 'arrival':
      return numbersOf(rows, row => arrivalOf(state, columns.rows.uids[row]!), pacer)
    case 'size':
      return numbersOf(rows, row => sizeOf(state, columns.rows.uids[row]!) ?? 0, pacer)
    case 'date':
      return sentDates(state, columns, rows, pacer)
    default: {
      const ranks = await columns.ranksOf(field, pacer)
      const texts = columns.rows.texts[field]
      const values = new Float64Array(rows.length)
      for (let i = 0; i < rows.length; i++) values[i] = ranks[texts[rows[i]!]!]!
      return values
    }
  }
}

/** Sent dates of rows, in seconds: the internal date where there is none (RFC 5256 §2.2). */
export function sentDates(
  state: State,
  columns: Columns,
  rows: Uint32Array,
  pacer: Pacer,
): Promise<Float64Array> {
  return numbersOf(
    rows,
    row => {
      const sent = columns.rows.sent[row]!
      return Number.isNaN(sent) ? arrivalOf(state, columns.rows.uids[row]!) : sent
    },
    pacer,
  )
}

function arrivalOf(state: State, uid: number): number {
  return Math.floor((dateOf(state, uid) ?? 0) / 1000)
}

async function numbersOf(
  rows: Uint32Array,
  number: (row: number) => number,
  pacer: Pacer,
): Promise<Float64Array> {
  const values = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) {
    values[i] = number(rows[i]!)
    // Some of them must be looked up on disk.
    if ((i & 15) === 0 && pacer.isOver) await pacer.rest()
  }
  return values
}

/**
 * Sorts positions by their values; equal ones stay in order.
 *
 * @param values whole numbers, less than 2^53 apart, by position
 * @param reverse the largest first
 */
export async function ordered(
  positions: Uint32Array<ArrayBuffer>,
  values: Float64Array,
  reverse: boolean,
  pacer: Pacer,
): Promise<Uint32Array<ArrayBuffer>> {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  let isOrdered = true
  let previous = reverse ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  for (const position of positions) {
    const value = values[position]!
    if (value < least) least = value
    if (value > most) most = value
    isOrdered &&= reverse ? value <= previous : value >= previous
    previous = value
  }
  if (isOrdered) return positions
  const range = most - least
  const lower = new Uint32Array(values.length)
  for (let i = 0; i < lower.length; i++) lower[i] = reverse ? most - values[i]! : values[i]! - least
  const from = await byDigits(positions, lower, Math.min(range, wordSize - 1), pacer)
  if (range < wordSize) return from
  const upper = new Uint32Array(values.length)
  for (let i = 0; i < upper.length; i++)
    upper[i] = (reverse ? most - values[i]! : values[i]! - least) / wordSize
  return byDigits(from, upper, Math.floor(range / wordSize), pacer)
}

/**
 * A radix sort of positions by their words; equal ones stay in order. Words, since a digit of a number that may have a
 * fraction takes many times as long to find.
 *
 * @param most no word is above it
 */
async function byDigits(
  positions: Uint32Array<ArrayBuffer>,
  words: Uint32Array,
  most: number,
  pacer: Pacer,
): Promise<Uint32Array<ArrayBuffer>> {
  let from = positions
  for (let shift = 0; shift < 32 && most >>> shift > 0; shift += digitBits) {
    from = byDigit(from, words, shift)
    if (pacer.isOver) await pacer.rest()
  }
  return from
}

/** One pass of a radix sort. */
function byDigit(
  positions: Uint32Array<ArrayBuffer>,
  words: Uint32Array,
  shift: number,
): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(digits + 1)
  for (let i = 0; i < positions.length; i++) starts[((words[positions[i]!]! >>> shift) & (digits - 1)) + 1]!++
  for (let digit = 0; digit < digits; digit++) starts[digit + 1]! += starts[digit]!
  const sorted = new Uint32Array(positions.length)
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i]!
    sorted[starts[(words[position]! >>> shift) & (digits - 1)]!++] = position
  }
  return sorted
}
