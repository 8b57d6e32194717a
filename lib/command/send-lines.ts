/** A message as programs pipe it into sendmail: line ends of any kind, perhaps a line with a dot at its end. */
import { toLf } from '../message/wire.js'

const LF = 10
const CR = 13
const dot = 46

/** The octets with LF ends, in chunks; they end where the input does, or at the dot. */
export class MessageLines implements AsyncIterable<Buffer> {
  readonly #source: AsyncIterator<Buffer>
  readonly #endsAtDot: boolean
  #ended = false
  /** What cannot be passed on before more is seen: a CR, or the beginning of a line with a dot. */
  #kept: Buffer = Buffer.alloc(0)
  #atLineStart = true

  /** @param endsAtDot whether a line with a single dot is the end (sendmail without -i) */
  constructor(source: AsyncIterable<Buffer>, endsAtDot: boolean) {
    this.#source = source[Symbol.asyncIterator]()
    this.#endsAtDot = endsAtDot
  }

  /** @returns undefined at the end */
  async next(): Promise<Buffer | undefined> {
    while (!this.#ended) {
      const { value, done } = await this.#source.next()
      const octets = done ? this.#take() : this.#process(Buffer.concat([this.#kept, value]))
      if (done) this.#ended = true
      if (octets.length > 0) return octets
    }
    return undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let octets = await this.next(); octets; octets = await this.next()) yield octets
  }

  #take(): Buffer {
    const kept = this.#kept
    this.#kept = Buffer.alloc(0)
    const isDot = this.#endsAtDot && this.#atLineStart && /^\.\r?$/.test(kept.toString('latin1'))
    return isDot ? Buffer.alloc(0) : kept
  }

  #process(raw: Buffer): Buffer {
    const hold = this.#held(raw)
    this.#kept = raw.subarray(raw.length - hold)
    let octets = toLf(raw.subarray(0, raw.length - hold))
    const end = this.#endsAtDot ? this.#dotLine(octets) : -1
    if (end >= 0) {
      this.#ended = true
      octets = octets.subarray(0, end)
    }
    if (octets.length > 0) this.#atLineStart = octets[octets.length - 1] === LF
    return octets
  }

  /** How many octets at the end cannot be judged yet. */
  #held(raw: Buffer): number {
    let hold = raw[raw.length - 1] === CR ? 1 : 0
    if (!this.#endsAtDot) return hold
    const at = raw.length - hold - 1
    const startsLine = at === 0 ? this.#atLineStart : raw[at - 1] === LF
    if (raw[at] === dot && startsLine) hold++
    return hold
  }

  /** Where a line with a single dot begins; -1 when there is none. */
  #dotLine(octets: Buffer): number {
    if (this.#atLineStart && octets[0] === dot && octets[1] === LF) return 0
    const at = octets.indexOf('\n.\n', 0, 'latin1')
    return at < 0 ? -1 : at + 1
  }
}
