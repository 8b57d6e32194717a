/**
 * Text of counted length (BDAT), a chunk at a time, in its stored form: LF is its only line end. A bare CR becomes a
 * space, as {@link DotDecoder} has it, so that no later server can take it for a line end.
 */

const CR = 13
const LF = 10
const SPACE = 32

export class LineDecoder {
  /** Whether the chunk before ended in a CR, which was not given out yet. */
  #held = false
  #last = LF

  /** @returns the stored form of what is certain by now; valid for as long as the caller keeps it */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk
    let text = chunk.toString('latin1')
    if (this.#held) text = `\r${text}`
    this.#held = text.endsWith('\r')
    if (this.#held) text = text.slice(0, -1)
    const octets = Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1')
    for (let at = octets.indexOf(CR); at >= 0; at = octets.indexOf(CR, at + 1)) octets[at] = SPACE
    if (octets.length > 0) this.#last = octets[octets.length - 1] as number
    return octets
  }

  /** The end of the last line, where it has none. */
  end(): Buffer {
    return Buffer.from(this.#held || this.#last !== LF ? '\n' : '')
  }
}
