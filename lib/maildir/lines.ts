/** Turns CRLF into LF in passing, however the octets are cut, and counts both sizes. */
export class LineEnds {
  #pendingCr = false
  /** The last octet given out. */
  #previous = 0
  /** Octets given out: what `S=` says. */
  storedSize = 0
  /** Octets given out with every bare LF counted as CRLF: what `W=` says. */
  size = 0

  /**
   * @param memory to write to, of one octet more than the chunk; its own when left out
   * @returns the octets to store; a view of that memory, never of the chunk
   */
  convert(chunk: Uint8Array, memory = Buffer.allocUnsafe(chunk.length + 1)): Buffer {
    const held = this.#pendingCr ? 1 : 0
    const out = memory.subarray(0, held + chunk.length)
    if (held > 0) out[0] = 13
    out.set(chunk, held)
    this.#pendingCr = out.length > 0 && out[out.length - 1] === 13
    return this.#convert(out, out.length - (this.#pendingCr ? 1 : 0))
  }

  /** Moves each line to where it belongs: quicker by far than to look at each octet. */
  #convert(octets: Buffer, length: number): Buffer {
    let end = 0
    let at = 0
    let bareLf = 0
    for (let lf = octets.indexOf(10); lf >= 0; lf = octets.indexOf(10, at)) {
      const lineEnd = lf > at && octets[lf - 1] === 13 ? lf - 1 : lf
      if (end < at) octets.copyWithin(end, at, lineEnd)
      end += lineEnd - at
      if ((end > 0 ? octets[end - 1] : this.#previous) !== 13) bareLf++
      octets[end++] = 10
      at = lf + 1
    }
    if (end < at) octets.copyWithin(end, at, length)
    end += length - at
    if (end > 0) this.#previous = octets[end - 1] as number
    this.#count(end, bareLf)
    return octets.subarray(0, end)
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
