/** Which messages are gone since when: what VANISHED (EARLIER) tells (RFC 7162 §3.2.10). */

/** How many UIDs are remembered. */
const longest = 50_000

/** Expunged messages in the order of their MODSEQs. */
export class Gone {
  #uids: number[] = []
  #modseqs: number[] = []
  /** What went at this MODSEQ or before is not remembered. */
  floor = 0

  get uids(): readonly number[] {
    return this.#uids
  }

  get modseqs(): readonly number[] {
    return this.#modseqs
  }

  add(uids: ArrayLike<number>, modseq: number): void {
    for (let i = 0; i < uids.length; i++) {
      this.#uids.push(uids[i]!)
      this.#modseqs.push(modseq)
    }
    if (this.#uids.length <= longest) return
    // All of one MODSEQ are remembered, or none.
    let cut = this.#uids.length - longest / 2
    while (cut < this.#uids.length && this.#modseqs[cut] === this.#modseqs[cut - 1]) cut++
    this.floor = this.#modseqs[cut - 1]!
    this.#uids = this.#uids.slice(cut)
    this.#modseqs = this.#modseqs.slice(cut)
  }

  /** Begins anew: whatever went before `floor` is forgotten. */
  reset(floor: number, uids: ArrayLike<number> = [], modseqs: ArrayLike<number> = []): void {
    this.floor = floor
    this.#uids = Array.from(uids)
    this.#modseqs = Array.from(modseqs)
  }

  /** UIDs that went after a MODSEQ, ascending; undefined when that is longer ago than we remember. */
  since(modseq: number): number[] | undefined {
    if (modseq < this.floor) return undefined
    const uids: number[] = []
    for (let i = this.#uids.length - 1; i >= 0 && this.#modseqs[i]! > modseq; i--) uids.push(this.#uids[i]!)
    return uids.sort((a, b) => a - b)
  }
}
