/** Sequence sets (RFC 3501 §9): message numbers or UIDs, as ranges, so that `1:4294967295` costs what `1` costs. */

/** First and last, both included. */
export type Range = readonly [first: number, last: number]
/** Ascending, apart from each other by at least one, each range with first <= last. */
export type Ranges = readonly Range[]

/** As a client wrote it: any order, overlaps, and {@link star} on either side. */
export type SequenceSet = readonly Range[]

/** `$`, the saved result of a search (RFC 5182): whoever resolves a set must look for it first. */
export const savedResult: SequenceSet = []

/** `*`, the largest number in use. */
export const star = Number.POSITIVE_INFINITY
/** The largest number a set may hold (nz-number). */
export const largest = 0xffff_ffff

/** Reads `1,3:5,7:*` or `$`; undefined when it is no set. */
export function parseSet(text: string): SequenceSet | undefined {
  if (text === '$') return savedResult
  const ranges: Range[] = []
  for (const part of text.split(',')) {
    const colon = part.indexOf(':')
    const first = parseNumber(colon < 0 ? part : part.slice(0, colon))
    const last = colon < 0 ? first : parseNumber(part.slice(colon + 1))
    if (first === undefined || last === undefined) return undefined
    ranges.push([first, last])
  }
  return ranges
}

function parseNumber(text: string): number | undefined {
  if (text === '*') return star
  if (!/^[1-9]\d{0,9}$/.test(text)) return undefined
  const number = Number(text)
  return number <= largest ? number : undefined
}

/** The largest number written out in a set; `*` does not count. 0 when there is none. */
export function largestNamed(set: SequenceSet): number {
  let found = 0
  for (const [first, last] of set) {
    if (first !== star && first > found) found = first
    if (last !== star && last > found) found = last
  }
  return found
}

/** Whether a set says `*`. */
export function hasStar(set: SequenceSet): boolean {
  return set.some(([first, last]) => first === star || last === star)
}

/**
 * Puts the largest number in use for `*` (`5:*` with 3 messages is 3:5, RFC 3501 §6.4.8), sorts and merges.
 *
 * @param max what `*` stands for; 0 when nothing is there, and then `*` alone stands for nothing
 */
export function resolveSet(set: SequenceSet, max: number): Ranges {
  const ranges: [number, number][] = []
  for (const [a, b] of set) {
    const first = a === star ? max : a
    const last = b === star ? max : b
    if (Math.max(first, last) > 0) ranges.push([Math.max(1, Math.min(first, last)), Math.max(first, last)])
  }
  return merge(ranges)
}

/** Sorts and joins what overlaps or touches. */
export function merge(ranges: [number, number][]): Ranges {
  ranges.sort((a, b) => a[0] - b[0])
  const merged: [number, number][] = []
  for (const range of ranges) {
    const previous = merged[merged.length - 1]
    if (previous && range[0] <= previous[1] + 1) previous[1] = Math.max(previous[1], range[1])
    else merged.push([range[0], range[1]])
  }
  return merged
}

/** Whether a number is in the set, by bisection. */
export function inRanges(ranges: Ranges, number: number): boolean {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle] as Range)[1] < number) low = middle + 1
    else high = middle
  }
  const range = ranges[low]
  return range !== undefined && range[0] <= number
}

/** How many numbers a set holds. */
export function countOf(ranges: Ranges): number {
  let count = 0
  for (const [first, last] of ranges) count += last - first + 1
  return count
}

/** The ranges that hold exactly these numbers, in their order: only what goes up one by one is put together. */
export function rangesOf(numbers: Iterable<number>): Ranges {
  const ranges: [number, number][] = []
  let current: [number, number] | undefined
  for (const number of numbers) {
    if (current && number === current[1] + 1) current[1] = number
    else {
      current = [number, number]
      ranges.push(current)
    }
  }
  return ranges
}

/** Writes a set the short way: `1:3,7`. */
export function formatRanges(ranges: Ranges): string {
  let text = ''
  for (const [first, last] of ranges)
    text += `${text === '' ? '' : ','}${first === last ? first : `${first}:${last}`}`
  return text
}

/** Writes numbers as a set that keeps their order (RFC 5267 §3.2): `5,1:3`. */
export function formatSet(numbers: Iterable<number>): string {
  return formatRanges(rangesOf(numbers))
}

/** First position in an ascending list whose value is at least `number`; the list's length when there is none. */
export function lowerBound(list: ArrayLike<number>, number: number, length = list.length): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle] as number) < number) low = middle + 1
    else high = middle
  }
  return low
}

/** The numbers of an ascending list that a set holds, as spans [from, to) of positions in the list. */
export function* spansOf(ranges: Ranges, list: ArrayLike<number>): Generator<Range> {
  for (const [first, last] of ranges) {
    const from = lowerBound(list, first)
    const to = lowerBound(list, last + 1)
    if (from < to) yield [from, to]
    if (to === list.length) return
  }
}

/** What is left of a set without the numbers of an ascending list. */
export function without(ranges: Ranges, list: ArrayLike<number>): Ranges {
  const left: [number, number][] = []
  for (const [first, last] of ranges) {
    let from = first
    for (let at = lowerBound(list, first); at < list.length && (list[at] as number) <= last; at++) {
      const number = list[at] as number
      if (from < number) left.push([from, number - 1])
      from = number + 1
    }
    if (from <= last) left.push([from, last])
  }
  return left
}

/** What two sets have in common. */
export function intersection(a: Ranges, b: Ranges): Ranges {
  const both: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i] as Range, b[j] as Range]
    const first = Math.max(one[0], other[0])
    const last = Math.min(one[1], other[1])
    if (first <= last) both.push([first, last])
    if (one[1] < other[1]) i++
    else j++
  }
  return both
}
