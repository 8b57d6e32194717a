/** A POP3 server's text, its dots taken away and its line ends left as they are (RFC 1939 §3). */

const empty = Buffer.alloc(0)
const dotted = '\r\n.'

export class PopText {
  /** What may be the beginning of the end; at first the line end that stands before the text. */
  #held: Buffer = Buffer.from('\r\n')
  /** How much of what is given out next is not of the text. */
  #skip = 2
  #rest: Buffer | undefined

  /** Whether the text has ended. */
  get ended(): boolean {
    return this.#rest !== undefined
  }

  /** What came behind its end. */
  get rest(): Buffer {
    return this.#rest ?? empty
  }

  /** @returns the text that is certain by now */
  push(chunk: Buffer): Buffer {
    const octets = Buffer.concat([this.#held, chunk])
    const parts: Buffer[] = []
    let from = 0
    for (;;) {
      const at = octets.indexOf(dotted, from, 'latin1')
      const next = octets.toString('latin1', at + 3, at + 5)
      if (at < 0) return this.#hold(octets, from, octets.length - heldBack(octets, from), parts)
      if (next === '\r\n') {
        this.#rest = octets.subarray(at + 5)
        return this.#hold(octets, from, at + 2, parts)
      }
      if (next === '' || next === '\r') return this.#hold(octets, from, at, parts)
      parts.push(octets.subarray(from, at + 2))
      from = at + 3
    }
  }

  #hold(octets: Buffer, from: number, to: number, parts: Buffer[]): Buffer {
    parts.push(octets.subarray(from, to))
    this.#held = octets.subarray(to)
    const text = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    const skipped = Math.min(this.#skip, text.length)
    this.#skip -= skipped
    return text.subarray(skipped)
  }
}

/** How many of the last octets may begin a line end with a dot behind it. */
function heldBack(octets: Buffer, from: number): number {
  const tail = octets.toString('latin1', Math.max(from, octets.length - 2))
  return tail === '\r\n' ? 2 : tail.endsWith('\r') ? 1 : 0
}
