/** The octets of a message's sections as they go on the wire: CRLF at every line's end, no NUL (RFC 3501 §4.3.1). */
import { findBody, type HeaderBlock, readHeader } from '../message/header.js'
import { findPart, findSection } from '../message/section.js'
import { type Part, scanMessage } from '../message/structure.js'
import { decodeTransfer } from '../message/transfer.js'
import { toCrlf, wireSize } from '../message/wire.js'
import type { FieldChoice, SectionItem } from './fetch-item.js'

const CRLF = Buffer.from('\r\n')
const encodings: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary', 'base64', 'quoted-printable'])

/** One stored message, looked into as far as is asked. */
export class MessageContent {
  /** As stored. */
  readonly octets: Buffer
  #part: Part | undefined
  #header: HeaderBlock | undefined

  /** @param octets as stored; must not change while this is in use */
  constructor(octets: Buffer) {
    this.octets = octets
  }

  /** Finds the tree of parts now, since it will be asked for. */
  scan(): void {
    this.#part ??= scanMessage(this.octets)
  }

  /** The tree of parts. */
  get part(): Part {
    this.#part ??= scanMessage(this.octets)
    return this.#part
  }

  /** Octets on the wire. */
  get wireSize(): number {
    const part = this.#part
    // The tree knows how many line ends there are.
    return part ? this.octets.length + part.headerBareLf + part.bodyBareLf : wireSize(this.octets)
  }

  get header(): HeaderBlock {
    const header = this.#header ?? this.#part?.header ?? readHeader(this.octets)
    this.#header = header
    return header
  }

  /**
   * A section as wire octets, before `partial` is cut from it.
   *
   * @returns undefined when the message has no such section; possibly the very octets this was made of
   */
  section({ numbers, section, fields }: SectionItem): Buffer | undefined {
    if (fields && numbers.length === 0) return chosenFields(this.header, fields)
    const octets = numbers.length === 0 ? this.#own(section) : this.#inner(numbers, section)
    if (!octets) return undefined
    return fields ? chosenFields(readHeader(octets), fields) : wireOctets(octets)
  }

  /**
   * A part's octets without its transfer encoding, its text with CRLF; undefined when there is no such part, `unknown`
   * when nobody can undo the encoding.
   */
  binary(numbers: readonly number[]): Buffer | undefined | 'unknown' {
    if (numbers.length === 0) return toCrlf(this.octets)
    const part = findPart(this.part, numbers)
    if (!part) return undefined
    if (!encodings.has(part.encoding)) return 'unknown'
    const octets = this.octets.subarray(part.bodyStart, part.bodyEnd)
    // Lines of quoted-printable are lines of the text; those of base64 mean nothing.
    return part.encoding === 'base64'
      ? decodeTransfer(octets, 'base64')
      : decodeTransfer(toCrlf(octets), part.encoding)
  }

  /** Sections of the message itself need no more than the end of its header. */
  #own(section: SectionItem['section']): Buffer {
    if (section === 'body') return this.octets
    const end = this.#part?.bodyStart ?? this.#header?.bodyStart ?? findBody(this.octets)
    return section === 'header' ? this.octets.subarray(0, end) : this.octets.subarray(end)
  }

  #inner(numbers: readonly number[], section: SectionItem['section']): Buffer | undefined {
    const found = findSection(this.part, numbers, section)
    return found && this.octets.subarray(found.start, found.end)
  }
}

/** Octets with CRLF; NUL, which no literal may hold, becomes an octet that is no text either, and keeps its place. */
export function wireOctets(octets: Buffer): Buffer {
  const wire = toCrlf(octets)
  if (!wire.includes(0)) return wire
  const clean = Buffer.from(wire)
  for (let at = clean.indexOf(0); at >= 0; at = clean.indexOf(0, at + 1)) clean[at] = 0x80
  return clean
}

/** HEADER.FIELDS and HEADER.FIELDS.NOT: whole fields in their order, and the empty line. */
function chosenFields(header: HeaderBlock, { names, not }: FieldChoice): Buffer {
  const pieces: Buffer[] = []
  for (const field of header.fields)
    if (names.has(field.key) !== not) pieces.push(header.octets.subarray(field.start, field.end))
  const chosen = wireOctets(Buffer.concat(pieces))
  const ended = chosen.length === 0 || chosen[chosen.length - 1] === 10
  return Buffer.concat(ended ? [chosen, CRLF] : [chosen, CRLF, CRLF])
}
