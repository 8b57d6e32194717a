/** A map of UIDs to places in a file, in a few octets each: a mailbox has hundreds of thousands of them. */

const none = 0

/** Open addressing over two typed arrays. UIDs are above 0. */
export class Offsets {
  size = 0
  #uids = new Uint32Array(64)
  #offsets = new Uint32Array(64)
  /** 1 where what stands in the file was found right. */
  #checked = new Uint8Array(64)

  get(uid: number): number | undefined {
    const at = this.#slot(uid)
    return this.#uids[at] === uid ? this.#offsets[at] : undefined
  }

  /** Whether what stands at the UID's place was found right before: see {@link setChecked}. */
  isChecked(uid: number): boolean {
    const at = this.#slot(uid)
    return this.#uids[at] === uid && this.#checked[at] === 1
  }

  /** What stands at the UID's place was found right, until it has another place. */
  setChecked(uid: number): void {
    const at = this.#slot(uid)
    if (this.#uids[at] === uid) this.#checked[at] = 1
  }

  /** @param offset below 4 GiB */
  set(uid: number, offset: number): void {
    if (this.size * 2 >= this.#uids.length) this.#grow()
    const at = this.#slot(uid)
    if (this.#uids[at] === none) this.size++
    this.#uids[at] = uid
    this.#offsets[at] = offset
    this.#checked[at] = 0
  }

  *entries(): Generator<[uid: number, offset: number]> {
    for (let at = 0; at < this.#uids.length; at++)
      if (this.#uids[at] !== none) yield [this.#uids[at]!, this.#offsets[at]!]
  }

  /**
   * Where a UID stands, or the free slot where it would. Sixteen in a row stand side by side, so that asking for one
   * after the other finds most of them in the processor's cache.
   */
  #slot(uid: number): number {
    const mask = this.#uids.length - 1
    let at = ((Math.imul(uid >>> 4, 0x9e3779b1) << 4) ^ (uid & 15)) & mask
    while (this.#uids[at] !== none && this.#uids[at] !== uid) at = (at + 1) & mask
    return at
  }

  #grow(): void {
    const [uids, offsets, checked] = [this.#uids, this.#offsets, this.#checked]
    this.#uids = new Uint32Array(uids.length * 2)
    this.#offsets = new Uint32Array(uids.length * 2)
    this.#checked = new Uint8Array(uids.length * 2)
    for (let old = 0; old < uids.length; old++) {
      if (uids[old] === none) continue
      const at = this.#slot(uids[old]!)
      this.#uids[at] = uids[old]!
      this.#offsets[at] = offsets[old]!
      this.#checked[at] = checked[old]!
    }
  }
}
