/** What a server sends, as lines: literals are passed over unread, so that no message's text is taken for an answer. */

/** A logical line is kept up to here: a tag and a status are in its first octets. */
const kept = 1024
const literalAtEnd = /\{(\d{1,10})\}$/

/** Cuts a server's octets into logical lines, in whatever pieces they come. */
export class ServerLines {
  readonly #take: (line: string) => void
  /** The beginning of the logical line, before its first literal. */
  #head = ''
  /** The physical line so far. */
  #part = ''
  /** Octets of a literal still to come. */
  #literal = 0
  #continued = false

  /** @param take gets the beginning of each logical line when the whole of it has come, without CRLF */
  constructor(take: (line: string) => void) {
    this.#take = take
  }

  /** Takes the next octets. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#literal > 0) {
        const part = Math.min(this.#literal, chunk.length - at)
        this.#literal -= part
        at += part
        continue
      }
      const lf = chunk.indexOf(10, at)
      const end = lf < 0 ? chunk.length : lf
      this.#part = shorten(this.#part + chunk.toString('latin1', at, end))
      if (lf < 0) return
      at = lf + 1
      this.#line()
    }
  }

  #line(): void {
    const text = this.#part.endsWith('\r') ? this.#part.slice(0, -1) : this.#part
    this.#part = ''
    if (!this.#continued) this.#head = text
    const [, size] = literalAtEnd.exec(text) ?? []
    this.#continued = size !== undefined
    this.#literal = Number(size ?? 0)
    if (!this.#continued) this.#take(this.#head)
  }
}

/** The middle of a line that is too long says nothing here; its end may announce a literal. */
function shorten(text: string): string {
  return text.length <= 2 * kept ? text : text.slice(0, kept) + text.slice(-kept)
}
