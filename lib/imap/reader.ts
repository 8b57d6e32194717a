/**
 * Gathers a command from its lines and literals (RFC 3501 §4.3, RFC 7888), or hands a literal out in chunks to who
 * wants to write it to disk. Every refusal leaves the connection at the beginning of the next command.
 */
import { type Connection, PeerGone } from '../wire/line.js'
import { Decoder, type Piece } from './decode.js'
import { bad, bye, no } from './reply.js'

/** A literal that a line has announced: `{310}`, `{310+}`, `~{310}`. */
export interface Announcement {
  /** In octets; Infinity for what no number can hold. */
  readonly size: number
  /** The client waits for a `+` before it sends. */
  readonly synchronising: boolean
  /** literal8 (RFC 3516): NUL is allowed. */
  readonly binary: boolean
}

/** How much is taken into memory, in octets. */
export interface Limits {
  readonly line: number
  /** All literals of one command together, unless they are streamed. */
  readonly literals: number
  /** A refused literal that the client sends without being asked is read past, up to this size. */
  readonly dropped: number
}

/** How large a chunk of a streamed literal is at most. */
const chunkSize = 64 * 1024
const announced = /(~?)\{(\d+)(\+?)\}$/

export class CommandReader {
  readonly #connection: Connection
  /** Longest silence in milliseconds. */
  timeout: number
  limits: Limits
  /** The literal that was announced last and not read yet. */
  #pending: Announcement | undefined

  constructor(connection: Connection, limits: Limits, timeout: number) {
    this.#connection = connection
    this.limits = limits
    this.timeout = timeout
  }

  get pending(): Announcement | undefined {
    return this.#pending
  }

  /**
   * Reads the first line of a command; its literals are still to come.
   *
   * @returns undefined when the peer closed
   * @throws LineTooLong @throws PeerTimeout
   */
  async begin(): Promise<Decoder | undefined> {
    const piece = await this.#line()
    return piece && new Decoder([piece])
  }

  async #line(): Promise<Piece | undefined> {
    this.#pending = undefined
    const line = await this.#connection.readLine(this.limits.line, this.timeout)
    if (line === undefined) return undefined
    const match =
      line[line.length - 1] === 0x7d
        ? announced.exec(line.toString('latin1', Math.max(0, line.length - 64)))
        : null
    if (!match) return { text: line, literal: undefined }
    const size = Number(match[2])
    this.#pending = {
      size: Number.isSafeInteger(size) ? size : Number.POSITIVE_INFINITY,
      synchronising: match[3] === '',
      binary: match[1] === '~',
    }
    return { text: line.subarray(0, line.length - match[0].length), literal: undefined }
  }

  /** Reads all literals of a command and what stands between them. @throws ImapError when they are too large */
  async finish(decoder: Decoder): Promise<void> {
    for (let total = 0; this.#pending; ) {
      total += this.#pending.size
      if (total > this.limits.literals) throw no('LIMIT', 'That literal is too large.')
      await this.takeLiteral(decoder)
    }
  }

  /** Reads one announced literal into memory, and the line behind it. */
  async takeLiteral(decoder: Decoder): Promise<void> {
    const { size, binary } = this.#accept()
    const literal = await this.#connection.readExactly(size, this.timeout)
    decoder.addLiteral(literal)
    decoder.add(await this.#goOn())
    if (!binary && literal.includes(0)) throw bad('A literal holds NUL.')
  }

  /** The announced literal in chunks. Afterwards, {@link followOn} reads the line behind it. */
  async *stream(): AsyncGenerator<Buffer> {
    const { size } = this.#accept()
    for (let left = size; left > 0; ) {
      const chunk = await this.#connection.readSome(Math.min(left, chunkSize), this.timeout)
      if (!chunk) throw new PeerGone('the connection closed in the middle of a literal')
      left -= chunk.length
      yield chunk
    }
  }

  /** After a streamed literal: gives the decoder an empty literal in its place and the line behind it. */
  async followOn(decoder: Decoder): Promise<void> {
    decoder.addLiteral(Buffer.alloc(0))
    decoder.add(await this.#goOn())
  }

  #accept(): Announcement {
    const announcement = this.#pending
    if (!announcement) throw bad('A literal is missing.')
    this.#pending = undefined
    if (announcement.synchronising) this.#connection.write('+ OK\r\n')
    return announcement
  }

  async #goOn(): Promise<Piece> {
    const piece = await this.#line()
    if (!piece) throw new PeerGone('the connection closed in the middle of a command')
    return piece
  }

  /**
   * Ends a command whose literals were not all read. A client that waits for `+` sends nothing more; of one that does
   * not wait, the rest of the command is read and dropped.
   *
   * @throws ImapError BYE where that would be very much
   */
  async abandon(): Promise<void> {
    while (this.#pending && !this.#pending.synchronising) {
      const { size } = this.#pending
      if (size > this.limits.dropped) throw bye('TOOBIG', 'That literal is too large.')
      for (let left = size; left > 0; ) {
        const some = await this.#connection.readSome(Math.min(left, chunkSize), this.timeout)
        if (!some) throw new PeerGone('the connection closed in the middle of a literal')
        left -= some.length
      }
      await this.#goOn()
    }
    this.#pending = undefined
  }
}
