/** What IMAP's part numbers and sections mean in a message (RFC 3501 §6.4.5), as octets of its stored form. */
import type { Part } from './structure.js'

/** `[start, end)` of the stored octets; on the wire it has `bareLf` octets more. */
export interface Section {
  readonly start: number
  readonly end: number
  readonly bareLf: number
}

/**
 * What of a part is asked for: its `body` (`BODY[1.2]`, or the whole message without a number), or of a message its
 * `header` or `text`, or of a part its `mime` header. HEADER.FIELDS is made of `header`.
 */
export type SectionKind = 'body' | 'header' | 'text' | 'mime'

/**
 * The part with that number, such as [1, 2] for `1.2`. Without numbers it is the message itself. A message that is
 * no multipart has one part, its body: `BODY[1]`, and `BODY[2.1]` when part 2 is such a message.
 */
export function findPart(message: Part, numbers: readonly number[]): Part | undefined {
  let part = message
  // The message or multipart that the next number counts in; any other part has none.
  let scope: Part | undefined = message
  for (const number of numbers) {
    if (!scope) return undefined
    const next: Part | undefined = scope.type === 'multipart' ? scope.parts[number - 1] : [scope][number - 1]
    if (!next) return undefined
    part = next
    scope = next.message ?? (next.type === 'multipart' ? next : undefined)
  }
  return part
}

/**
 * Where a section stands in the message; undefined when the message has no such section.
 *
 * @param numbers the part's number; empty for the message itself, which has no `mime`
 */
export function findSection(
  message: Part,
  numbers: readonly number[],
  kind: SectionKind,
): Section | undefined {
  if (numbers.length === 0) {
    if (kind === 'mime') return undefined
    return kind === 'body' ? wholeOf(message) : sectionOf(message, kind)
  }
  const part = findPart(message, numbers)
  if (!part) return undefined
  if (kind === 'body') return sectionOf(part, 'text')
  if (kind === 'mime') return sectionOf(part, 'header')
  return part.message && sectionOf(part.message, kind)
}

function sectionOf(part: Part, kind: 'header' | 'text'): Section {
  return kind === 'header'
    ? { start: part.start, end: part.bodyStart, bareLf: part.headerBareLf }
    : { start: part.bodyStart, end: part.bodyEnd, bareLf: part.bodyBareLf }
}

function wholeOf({ start, bodyEnd, headerBareLf, bodyBareLf }: Part): Section {
  return { start, end: bodyEnd, bareLf: headerBareLf + bodyBareLf }
}
