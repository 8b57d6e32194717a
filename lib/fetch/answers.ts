/** A server's octets as whole answers, literals and all. A literal that stands in one chunk is a view of it. */
import type { Parts } from './row.js'

/** Longest text between two literals, and longest literal, in octets. */
const longestText = 1024 * 1024
const longestLiteral = 512 * 1024 * 1024

const literalAtEnd = /\{(\d{1,10})\+?\}$/

export class Answers {
  readonly #take: (parts: Parts) => boolean
  #parts: (string | Buffer)[] = []
  /** The line so far. */
  #text = ''
  #pieces: Buffer[] = []
  /** Octets of a literal still to come. */
  #missing = 0

  /** @param take gets each answer, without its last CRLF. @returns whether to go on */
  constructor(take: (parts: Parts) => boolean) {
    this.#take = take
  }

  /**
   * Takes the next octets.
   *
   * @returns what follows the last answer that was wanted
   * @throws Error for answers without an end
   */
  push(chunk: Buffer): Buffer {
    let at = 0
    while (at < chunk.length) {
      if (this.#missing > 0) {
        at = this.#literal(chunk, at)
        continue
      }
      const lf = chunk.indexOf(10, at)
      this.#text += chunk.toString('latin1', at, lf < 0 ? chunk.length : lf)
      if (this.#text.length > longestText) throw new Error('an answer without an end')
      at = lf < 0 ? chunk.length : lf + 1
      if (lf < 0) break
      if (!this.#line()) break
    }
    return chunk.subarray(at)
  }

  #literal(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#missing)
    this.#pieces.push(chunk.subarray(at, end))
    this.#missing -= end - at
    if (this.#missing === 0) this.#endLiteral()
    return end
  }

  #endLiteral(): void {
    const [first, ...more] = this.#pieces
    this.#parts.push(first && more.length === 0 ? first : Buffer.concat(this.#pieces))
    this.#pieces = []
  }

  /** @returns whether more is wanted */
  #line(): boolean {
    const text = this.#text.endsWith('\r') ? this.#text.slice(0, -1) : this.#text
    this.#text = ''
    this.#parts.push(text)
    const size = text.endsWith('}') ? literalAtEnd.exec(text)?.[1] : undefined
    if (size !== undefined) {
      this.#missing = Number(size)
      if (this.#missing > longestLiteral) throw new Error('an answer that is too large')
      if (this.#missing === 0) this.#endLiteral()
      return true
    }
    const parts = this.#parts
    this.#parts = []
    return this.#take(parts)
  }
}

/** The octets of an answer again. */
export function octetsOfAnswer(parts: Parts): Buffer {
  return Buffer.concat(
    parts.map(part => (typeof part === 'string' ? Buffer.from(`${part}\r\n`, 'latin1') : part)),
  )
}
