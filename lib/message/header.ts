/** The header of a message or of a MIME part: its fields in order, with their places (RFC 5322 §2.2, §3.6). */
import { isUtf8 } from 'node:buffer'

const CR = 13
const LF = 10
const SP = 32
const HT = 9
const COLON = 58

/** More fields than this are not listed; they stay part of the header's octets. */
const maxFields = 10_000
/** A colon later in its line than this ends no name (RFC 5322 §2.1.1). */
const longestName = 998

export interface HeaderField {
  /** As written, without the space that old mail puts before the colon; empty for a line without a colon. */
  readonly name: string
  /** The name in lower case. */
  readonly key: string
  /** Offset of the name's first octet. */
  readonly start: number
  /** Offset just after the colon; for a line without a colon, its start. */
  readonly valueStart: number
  /** Offset after the line end of the field's last line. */
  readonly end: number
}

/** Fields with their offsets in the buffer they were read from, which is kept and must not change. */
export class HeaderBlock {
  readonly octets: Buffer
  readonly start: number
  /** Offset after the empty line that ends the header; the end of the octets when there is none. */
  readonly bodyStart: number
  readonly fields: readonly HeaderField[]

  constructor(octets: Buffer, start: number, bodyStart: number, fields: readonly HeaderField[]) {
    this.octets = octets
    this.start = start
    this.bodyStart = bodyStart
    this.fields = fields
  }

  /** The value of the first field of that name, as {@link value} gives it; undefined when there is none. */
  first(name: string): string | undefined {
    const field = this.find(name)
    return field && this.value(field)
  }

  /** The values of all fields of that name, in order. */
  all(name: string): string[] {
    const key = name.toLowerCase()
    return this.fields.filter(field => field.key === key).map(field => this.value(field))
  }

  /** The first field of that name, compared without case. */
  find(name: string): HeaderField | undefined {
    const key = name.toLowerCase()
    return this.fields.find(field => field.key === key)
  }

  /** A field's value, unfolded and without space around it, encoded words as they are; read as UTF-8 if it is valid UTF-8, else as Latin-1. */
  value(field: HeaderField): string {
    const binary = this.binary(field)
    if (!/[\x80-\xff]/.test(binary)) return binary
    const octets = Buffer.from(binary, 'latin1')
    return isUtf8(octets) ? octets.toString('utf8') : binary
  }

  /** A field's value, unfolded and without space around it, one character an octet. */
  binary(field: HeaderField): string {
    const { octets } = this
    let { valueStart: start, end } = field
    while (start < end && isSpace(octets[start]!)) start++
    while (end > start && isSpace(octets[end - 1]!)) end--
    return withoutLineEnds(octets.toString('latin1', start, end))
  }
}

/** Takes the line ends out of a field's value and the space from around it (RFC 5322 §2.2.3). */
export function unfold(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isSpace(value.charCodeAt(start))) start++
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--
  return withoutLineEnds(value.slice(start, end))
}

/** Space at both ends must be gone: what stands behind a line end is no end then. */
function withoutLineEnds(value: string): string {
  return value.includes('\n') ? value.replace(/\r?\n/g, '') : value
}

/**
 * Reads the header that starts at `start`; lines may end in LF or CRLF. Never throws: a line that is no field is
 * kept as a field without a name, and only an empty line, or `end`, ends the header.
 */
export function readHeader(octets: Buffer, start = 0, end = octets.length): HeaderBlock {
  return readFields(octets, start, findBody(octets, start, end))
}

/** Reads a header whose end is known already, the empty line included if it has one. */
export function readFields(octets: Buffer, start: number, bodyStart: number): HeaderBlock {
  const fields: HeaderField[] = []
  const text = octets.toString('latin1', start, bodyStart)
  for (let at = 0; at < text.length && fields.length < maxFields; ) {
    if (text[at] === '\n' || text.startsWith('\r\n', at)) break
    const lineEnd = endOfLine(text, at)
    let end = lineEnd
    while (text[end] === ' ' || text[end] === '\t') end = endOfLine(text, end)
    fields.push(readField(text, at, lineEnd, end, start))
    at = end
  }
  return new HeaderBlock(octets, start, bodyStart, fields)
}

/** Where the body starts of a message whose header, or some whole lines of it, starts at `at`. */
export function findBody(octets: Buffer, at = 0, end = octets.length): number {
  for (let line = at; line < end; ) {
    const empty = emptyLine(octets, line, end)
    if (empty > 0) return line + empty
    const lf = octets.indexOf(LF, line)
    if (lf < 0) return end
    line = lf + 1
  }
  return end
}

/** The length of the empty line that stands at `at`; 0 when another line does. */
function emptyLine(octets: Buffer, at: number, end: number): number {
  if (octets[at] === LF) return 1
  return octets[at] === CR && octets[at + 1] === LF && at + 1 < end ? 2 : 0
}

function endOfLine(text: string, at: number): number {
  const lf = text.indexOf('\n', at)
  return lf < 0 ? text.length : lf + 1
}

/** Reads the field at `at` of a header that starts at `offset` in its buffer. */
function readField(text: string, at: number, lineEnd: number, end: number, offset: number): HeaderField {
  const start = offset + at
  const limit = Math.min(lineEnd, at + longestName)
  let place = at
  while (place < limit && text.charCodeAt(place) !== COLON) place++
  const colon = place - at
  if (place === limit) return { name: '', key: '', start, valueStart: start, end: offset + end }
  let length = colon
  while (length > 0 && isSpace(text.charCodeAt(at + length - 1))) length--
  const name = text.slice(at, at + length)
  return { name, key: name.toLowerCase(), start, valueStart: start + colon + 1, end: offset + end }
}

function isSpace(code: number): boolean {
  return code === SP || code === HT || code === CR || code === LF
}
