/** The patterns of `:matches` (RFC 5228 §2.7.1): `*` is any text, `?` one character, a backslash takes meaning away. */

/** A pattern taken apart: segments of fixed length, each but the first preceded by a `*`. */
export interface Wildcard {
  readonly segments: readonly Segment[]
}

/** Characters to be found one after the other; undefined stands for any one (`?`). */
type Segment = readonly (string | undefined)[]

/** Reads a pattern. Every string is one: a lone backslash at the end stands for itself. */
export function parseWildcard(pattern: string): Wildcard {
  const segments: (string | undefined)[][] = [[]]
  const characters = [...pattern]
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string
    const segment = segments.at(-1) as (string | undefined)[]
    if (character === '*') segments.push([])
    else if (character === '?') segment.push(undefined)
    else if (character === '\\' && i + 1 < characters.length) segment.push(characters[++i])
    else segment.push(character)
  }
  return { segments }
}

/** A match: where in the value each wildcard's text lies, in characters, in the order of the wildcards. */
export type Spans = readonly (readonly [start: number, end: number])[]

/**
 * Matches the whole of a value, every wildcard as short as can be, from the left (RFC 5229 §3.2). A segment that was
 * found at its first place never needs a later one, so the time is at most length times length.
 *
 * @param value one character (code point) an item, folded as the pattern was
 * @param spend told how much was done, in characters looked at; may throw to end it
 */
export function matchWildcard(
  { segments }: Wildcard,
  value: readonly string[],
  spend: (characters: number) => void,
): Spans | undefined {
  const spans: [number, number][] = []
  const [first = [], ...rest] = segments
  const last = rest.at(-1)
  if (!last) return first.length === value.length && fits(first, value, 0) ? note(first, 0, spans) : undefined
  if (value.length < first.length || !fits(first, value, 0)) return undefined
  note(first, 0, spans)
  let at = first.length
  for (const segment of rest) {
    const found = segment === last ? atEnd(segment, value, at, spend) : find(segment, value, at, spend)
    if (found < 0) return undefined
    spans.push([at, found])
    note(segment, found, spans)
    at = found + segment.length
  }
  return spans
}

function note(segment: Segment, at: number, spans: [number, number][]): [number, number][] {
  for (const [i, character] of segment.entries())
    if (character === undefined) spans.push([at + i, at + i + 1])
  return spans
}

function fits(segment: Segment, value: readonly string[], at: number): boolean {
  return segment.every((character, i) => character === undefined || character === value[at + i])
}

function find(segment: Segment, value: readonly string[], from: number, spend: (n: number) => void): number {
  for (let at = from; at + segment.length <= value.length; at++) {
    spend(segment.length + 1)
    if (fits(segment, value, at)) return at
  }
  return -1
}

function atEnd(segment: Segment, value: readonly string[], from: number, spend: (n: number) => void): number {
  spend(segment.length)
  const at = value.length - segment.length
  return at >= from && fits(segment, value, at) ? at : -1
}
