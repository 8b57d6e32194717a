/** Turns CRLF into LF in passing, however the octets are cut, and counts both sizes. */
export class LineEnds {
  #pendingCr = false
  #previous = 0
  /** Octets given out: what `S=` says. */
  storedSize = 0
  /** Octets given out with every bare LF counted as CRLF: what `W=` says. */
  size = 0

  /** @returns the octets to store; a view of memory of its own, never of the chunk */
  convert(chunk: Uint8Array): Buffer {
    return this.#pendingCr || this.#previous === 13 || chunk.includes(13)
      ? this.#convertEach(chunk)
      : this.#copy(chunk)
  }

  /** What most chunks need, and many times quicker: no CR is there. */
  #copy(chunk: Uint8Array): Buffer {
    let bareLf = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) bareLf++
    if (chunk.length > 0) this.#previous = chunk[chunk.length - 1]!
    this.#count(chunk.length, bareLf)
    return Buffer.from(chunk)
  }

  #convertEach(chunk: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(chunk.length + 1)
    let at = 0
    let bareLf = 0
    let previous = this.#previous
    let pending = this.#pendingCr
    for (let i = 0; i < chunk.length; i++) {
      const octet = chunk[i]!
      if (pending && octet !== 10) {
        out[at++] = 13
        previous = 13
      }
      pending = octet === 13
      if (pending) continue
      if (octet === 10 && previous !== 13) bareLf++
      out[at++] = octet
      previous = octet
    }
    this.#pendingCr = pending
    this.#previous = previous
    this.#count(at, bareLf)
    return out.subarray(0, at)
  }

  /** @returns what was held back: a CR at the very end, or nothing */
  end(): Buffer {
    if (!this.#pendingCr) return Buffer.alloc(0)
    this.#pendingCr = false
    this.#count(1, 0)
    return Buffer.from('\r')
  }

  #count(octets: number, bareLf: number): void {
    this.storedSize += octets
    this.size += octets + bareLf
  }
}
