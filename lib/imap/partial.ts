/** Pages of a result (RFC 9394 PARTIAL): `1:100` counts from the first, `-1:-100` from the last. */
import type { Decoder } from './decode.js'
import { bad } from './reply.js'
import type { Range, Ranges } from './set.js'

export interface PartialRange {
  /** As the client wrote it. */
  readonly text: string
  /** Counted from 1. */
  readonly first: number
  readonly last: number
  readonly fromEnd: boolean
}

/** ` 1:100` */
export function readPartialRange(args: Decoder): PartialRange {
  args.space()
  const text = args.atom('The part of the result')
  const [, minus, a, otherMinus, b] = /^(-?)([1-9]\d{0,9}):(-?)([1-9]\d{0,9})$/.exec(text) ?? []
  if (a === undefined || minus !== otherMinus) throw bad('Write the part of the result as 1:100 or -1:-100.')
  const [one, other] = [Number(a), Number(b)]
  return { text, first: Math.min(one, other), last: Math.max(one, other), fromEnd: minus === '-' }
}

/** Which of so many, as positions [from, to). */
export function partialOf(count: number, { first, last, fromEnd }: PartialRange): Range {
  const [from, to] = fromEnd ? [count - last, count - first + 1] : [first - 1, last]
  return [Math.min(count, Math.max(0, from)), Math.min(count, Math.max(0, to))]
}

/** Of the positions that spans [from, to) hold, those of the page. */
export function partialSpans(spans: Ranges, partial: PartialRange): Ranges {
  const [from, to] = partialOf(
    spans.reduce((sum, [first, last]) => sum + last - first, 0),
    partial,
  )
  const page: Range[] = []
  let before = 0
  for (const [first, last] of spans) {
    const start = Math.max(first, first + from - before)
    const end = Math.min(last, first + to - before)
    if (start < end) page.push([start, end])
    before += last - first
  }
  return page
}
