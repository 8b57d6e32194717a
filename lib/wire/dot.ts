/**
 * Message text between DATA (or RETR) and the lone dot, both ways, a chunk at a time and never whole.
 *
 * What the decoder does with line ends, so that no two servers can disagree about where a message ends ("SMTP
 * smuggling"); it is what Postfix does since 3.9 (smtpd_forbid_bare_newline = normalize, cleanup_replace_stray_cr_lf
 * = yes), which refuses no device that sends sloppy lines and lets nothing through that a later server may misread:
 *
 * - Only CR LF "." CR LF ends the text, or "." CR LF as its first line. A dot between any other line ends does not.
 * - A bare LF is a line end of the message, and not one that can stand before or after the final dot.
 * - A bare CR becomes a space. CR CR LF is a bare CR and a line end.
 * - NUL is an octet like any other; it neither ends nor hides a line.
 * - The first dot of every line is taken away (RFC 5321 §4.5.2).
 *
 * What comes out has LF as its only line end, as it is stored. The encoder turns LF and CR LF into CR LF; a bare CR
 * that some other program stored becomes a space unless the caller wants the text as it is.
 */

const empty = Buffer.alloc(0)
const CR = 13
const LF = 10
const SPACE = 32
const DOT = 46
const endOfData = '\r\n.\r\n'

/** Takes dot-stuffed text in, chunk by chunk, and gives out its stored form. */
export class DotDecoder {
  /** The last octets of the chunk before: what may be part of an end of data. They were not given out yet. */
  #held: Buffer = empty
  /** Whether what comes next stands at the start of a line; the first line is as good as one after CR LF. */
  #lineStart: 'no' | 'after LF' | 'after CR LF' = 'after CR LF'
  #ended = false
  #rest: Buffer = empty
  #received = 0

  /** Whether the end of the text has come. */
  get ended(): boolean {
    return this.#ended
  }

  /** What came after the end: the next commands of a peer that does not wait. */
  get rest(): Buffer {
    return this.#rest
  }

  /** Octets of text so far as the peer sent them, without the final dot: what SIZE limits. */
  get received(): number {
    return this.#received
  }

  /** @returns the stored form of what is certain by now; often empty, and valid for as long as the caller keeps it */
  push(chunk: Buffer): Buffer {
    if (this.#ended) throw new RangeError('the text has ended')
    const octets = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const end = this.#findEnd(octets)
    if (end) {
      this.#ended = true
      this.#held = empty
      this.#rest = octets.subarray(end.rest)
      return this.#decode(octets.subarray(0, end.text))
    }
    const certain = octets.length - heldBack(octets, this.#lineStart === 'after CR LF')
    this.#held = octets.subarray(certain)
    return this.#decode(octets.subarray(0, certain))
  }

  /** Where the text ends and where what follows begins. */
  #findEnd(octets: Buffer): { text: number; rest: number } | undefined {
    if (this.#lineStart === 'after CR LF' && startsWith(octets, DOT, CR, LF)) return { text: 0, rest: 3 }
    const at = octets.indexOf(endOfData, 0, 'latin1')
    return at < 0 ? undefined : { text: at + 2, rest: at + 5 }
  }

  #decode(octets: Buffer): Buffer {
    if (octets.length === 0) return empty
    this.#received += octets.length
    // A string's replaceAll is the fastest way Node has to drop the CRs: 1.4 GB/s, where a loop makes 0.7.
    const text = Buffer.from(octets.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    for (let at = text.indexOf(CR); at >= 0; at = text.indexOf(CR, at + 1)) text[at] = SPACE
    const unstuffed = withoutDots(text, this.#lineStart !== 'no')
    if (octets[octets.length - 1] !== LF) this.#lineStart = 'no'
    else this.#lineStart = octets.at(-2) === CR ? 'after CR LF' : 'after LF'
    return unstuffed
  }
}

/**
 * How many of the last octets may yet turn out to begin an end of data: CR, CR LF "." or CR LF "." CR, where the
 * first CR LF may belong to what was decoded already. CR LF alone needs no holding: the next octet stands at a
 * line's start, and that is remembered.
 */
function heldBack(octets: Buffer, atStart: boolean): number {
  const { length } = octets
  const tail = octets.toString('latin1', Math.max(0, length - 4))
  if (tail.endsWith('\r\n.\r')) return 2
  if (tail.endsWith('\r\n.')) return 1
  if (atStart && (tail === '.' || tail === '.\r')) return length
  return tail.endsWith('\r') ? 1 : 0
}

function startsWith(octets: Buffer, ...expected: readonly number[]): boolean {
  return expected.every((octet, index) => octets[index] === octet)
}

/** Takes the first dot of each line away, in place. */
function withoutDots(text: Buffer, atStart: boolean): Buffer {
  let from = atStart && text[0] === DOT ? 0 : nextDot(text, 0)
  if (from < 0) return text
  let to = from
  while (from < text.length) {
    const next = nextDot(text, from + 1)
    const end = next < 0 ? text.length : next
    text.copyWithin(to, from + 1, end)
    to += end - from - 1
    from = end
  }
  return text.subarray(0, to)
}

/** The next dot that stands at a line's start, the line's LF at `from` or after it. */
function nextDot(text: Buffer, from: number): number {
  const at = text.indexOf('\n.', from, 'latin1')
  return at < 0 ? -1 : at + 1
}

export interface DotEncoderOptions {
  /** What becomes of a CR that ends no line: a space (for another server), or left as it is (for the owner's eyes). */
  readonly strayCr?: 'space' | 'keep'
}

/** Takes stored text in, chunk by chunk, and gives out what stands on the wire between DATA and the final dot. */
export class DotEncoder {
  readonly #keepCr: boolean
  /** The last octet so far: LF at the start of a line, CR where a CR waits for its LF. */
  #last = LF

  constructor(options: DotEncoderOptions = {}) {
    this.#keepCr = options.strayCr === 'keep'
  }

  push(chunk: Uint8Array): Buffer {
    if (chunk.length === 0) return empty
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let text = octets.toString('latin1')
    if (this.#last === CR) text = `\r${text}`
    if (text.endsWith('\r')) text = text.slice(0, -1)
    if (text.includes('\r')) text = this.#settleCr(text)
    if (text.includes('\n.')) text = text.replaceAll('\n.', '\n..')
    if (text.startsWith('.') && this.#last === LF) text = `.${text}`
    this.#last = octets[octets.length - 1] as number
    return Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')
  }

  /** What ends the text: the last line's end where it has none, and the dot. */
  end(): Buffer {
    const pending = this.#last === CR ? (this.#keepCr ? '\r' : ' ') : ''
    return Buffer.from(this.#last === LF ? '.\r\n' : `${pending}\r\n.\r\n`, 'latin1')
  }

  /** Leaves LF as the only line end. */
  #settleCr(text: string): string {
    const settled = text.replaceAll('\r\n', '\n')
    return this.#keepCr ? settled : settled.replaceAll('\r', ' ')
  }
}

/** Fewer octets than this are moved faster one by one than by a call. */
const shortLine = 24

/**
 * Does what {@link DotEncoder} does, leaving stray CRs as they are, to a whole text that stands in the memory where its
 * wire form is to be: with a gap before it, which the added octets use up. Several times as fast, since nothing is made.
 *
 * @param to where the wire form is to begin
 * @param from where the text begins, and `end` where it ends; there are 5 more octets of room behind it
 * @returns where the wire form ends, its final dot included; -1 when the gap was too small, and the text is lost
 */
export function encodeInPlace(room: Buffer, to: number, from: number, end: number): number {
  // So that the search for a line's end has an end.
  room[end] = LF
  let filled = to
  for (let line = from; ; ) {
    const isDotted = room[line] === DOT && line < end
    const next = room.indexOf(LF, line)
    const isBare = next < end && (next === line || room[next - 1] !== CR)
    if (filled + Number(isDotted) + Number(isBare) > line) return -1
    if (isDotted) room[filled++] = DOT
    if (next - line < shortLine) while (line < next) room[filled++] = room[line++] as number
    else {
      room.copyWithin(filled, line, next)
      filled += next - line
    }
    if (next === end) break
    if (isBare) room[filled++] = CR
    room[filled++] = LF
    line = next + 1
  }
  const final = filled === to || room[filled - 1] === LF ? '.\r\n' : '\r\n.\r\n'
  return filled + room.write(final, filled, 'latin1')
}
