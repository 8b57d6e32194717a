/** What the server writes: strings in the form that fits their octets, and a buffer that answers grow in. */
import { encodeMutf7 } from '../message/mutf7.js'
import { allOf, astringChar } from './chars.js'

/** Longer strings go as literals, for parsers with small buffers. */
const longestQuoted = 1_000

/**
 * A string as it goes on the wire, for answers that are written as text: quoted where it can be, else a literal.
 * The result is to be sent as UTF-8.
 */
export function quote(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && text.length <= longestQuoted)
    return `"${text.replace(/["\\]/g, '\\$&')}"`
  return `{${Buffer.byteLength(text)}}\r\n${text}`
}

/** An astring: bare where it may be, since old clients read names so. */
export function astring(text: string): string {
  return allOf(text, astringChar) && text.toUpperCase() !== 'NIL' ? text : quote(text)
}

export function nstring(text: string | undefined): string {
  return text === undefined ? 'NIL' : quote(text)
}

/** A mailbox name, in modified UTF-7, or as it is for a client that has enabled UTF8=ACCEPT (RFC 6855 §3). */
export function mailboxText(name: string, utf8 = false): string {
  if (!utf8) return astring(encodeMutf7(name))
  return /^[^\x00-\x1f\x7f"\\]*$/.test(name) ? `"${name}"` : quote(name)
}

/** Octets that grow at the end: answers are rendered into one of these and handed to the connection. */
export class OctetWriter {
  #buffer: Buffer
  #length = 0

  constructor(size = 64 * 1024) {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  get length(): number {
    return this.#length
  }

  /** Makes room for `count` octets. */
  #reserve(count: number): void {
    const wanted = this.#length + count
    if (wanted <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }

  /** Appends ASCII. */
  text(text: string): this {
    const { length } = text
    this.#reserve(length)
    if (length > 24) this.#buffer.write(text, this.#length, length, 'latin1')
    else for (let at = 0; at < length; at++) this.#buffer[this.#length + at] = text.charCodeAt(at)
    this.#length += length
    return this
  }

  octets(octets: Uint8Array): this {
    this.#reserve(octets.length)
    this.#buffer.set(octets, this.#length)
    this.#length += octets.length
    return this
  }

  /** Appends a whole number from 0 up. */
  number(number: number): this {
    if (number > 0xffff_ffff) return this.text(String(number))
    this.#reserve(10)
    let digits = 1
    for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++
    for (let at = this.#length + digits - 1, rest = number; at >= this.#length; at--) {
      this.#buffer[at] = 0x30 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
    this.#length += digits
    return this
  }

  /** Appends a literal (RFC 3501 §4.3) of octets that hold no NUL. */
  literal(octets: Uint8Array): this {
    return this.text(`{${octets.length}}\r\n`).octets(octets)
  }

  /**
   * Appends a string whose octets come from anywhere, one character an octet: quoted when it is all printable ASCII,
   * a literal when it holds 8-bit octets, line ends or much else; NUL, which neither can hold, is left out.
   */
  binary(text: string): this {
    const { length } = text
    this.#reserve(2 * length + 2)
    const buffer = this.#buffer
    let end = this.#length
    buffer[end++] = 0x22
    for (let at = 0; at < length; at++) {
      const octet = text.charCodeAt(at)
      if (octet >= 0x80 || octet === 10 || octet === 13 || octet === 0 || at > longestQuoted)
        return this.literal(Buffer.from(text.replaceAll('\0', ''), 'latin1'))
      if (octet === 0x22 || octet === 0x5c) buffer[end++] = 0x5c
      buffer[end++] = octet
    }
    buffer[end++] = 0x22
    this.#length = end
    return this
  }

  /** Leaves room that the caller fills. */
  skip(count: number): this {
    this.#reserve(count)
    this.#length += count
    return this
  }

  /** What was written from a position on, good until more is written. */
  view(start = 0): Buffer {
    return this.#buffer.subarray(start, this.#length)
  }

  /** What was written, as a copy that nothing will change; the writer begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#length))
    this.#length = 0
    return taken
  }

  /** What was written from a position on, as a copy. */
  copyFrom(start: number): Buffer {
    return Buffer.from(this.#buffer.subarray(start, this.#length))
  }

  /** Forgets what was written from a position on. */
  truncate(length: number): void {
    this.#length = length
  }
}
