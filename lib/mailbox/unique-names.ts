/**
 * A map of unique names, latin1, to UIDs above 0. A mailbox has hundreds of thousands, which all are looked up when a
 * directory is read: their octets stand in one place, and a file's name is looked up without being cut at its ":".
 */

const colon = 0x3a

/** Open addressing; entries stand in the order they were made, those that are gone too until there is need for room. */
export class UniqueNames {
  /** How many names there are. */
  size = 0
  /** One more than an entry's number; 0 where none is. */
  #slots = new Uint32Array(64)
  #hashes = new Uint32Array(32)
  /** 0 for an entry that is gone. */
  #uids = new Uint32Array(32)
  /** Where an entry's name begins; it ends where the next one's begins. */
  #starts = new Uint32Array(33)
  #count = 0
  #octets = Buffer.allocUnsafe(1_024)

  /** The UID of a unique name. */
  get(unique: string): number | undefined {
    return this.#uidOf(unique, unique.length)
  }

  /** The UID of the message whose file has this name. */
  ofFile(name: string): number | undefined {
    return this.#uidOf(name, uniqueEnd(name, 0, name.length))
  }

  #uidOf(name: string, end: number): number | undefined {
    const entry = this.#find(name, 0, end, hashOf(name, 0, end))
    return entry < 0 ? undefined : this.#uids[entry]
  }

  set(unique: string, uid: number): void {
    this.#set(unique, 0, unique.length, uid)
  }

  /** The same for the unique part of a file's name, which may stand within a text. */
  setFile(name: string, uid: number, start = 0, end = name.length): void {
    this.#set(name, start, uniqueEnd(name, start, end), uid)
  }

  #set(text: string, from: number, to: number, uid: number): void {
    const hash = hashOf(text, from, to)
    const known = this.#find(text, from, to, hash)
    if (known >= 0) {
      this.#uids[known] = uid
      return
    }
    this.#reserve(to - from)
    const entry = this.#count++
    let at = this.#starts[entry]!
    for (let i = from; i < to; i++) this.#octets[at++] = text.charCodeAt(i)
    this.#starts[entry + 1] = at
    this.#hashes[entry] = hash
    this.#uids[entry] = uid
    this.#place(entry)
    this.size++
  }

  delete(unique: string): void {
    const entry = this.#find(unique, 0, unique.length, hashOf(unique, 0, unique.length))
    if (entry < 0) return
    this.#uids[entry] = 0
    this.size--
  }

  clear(): void {
    this.size = 0
    this.#count = 0
    this.#slots.fill(0)
  }

  /** All UIDs. */
  *values(): Generator<number> {
    for (let entry = 0; entry < this.#count; entry++) if (this.#uids[entry]) yield this.#uids[entry]!
  }

  *[Symbol.iterator](): Generator<[unique: string, uid: number]> {
    for (let entry = 0; entry < this.#count; entry++)
      if (this.#uids[entry]) yield [this.#name(entry), this.#uids[entry]!]
  }

  #name(entry: number): string {
    return this.#octets.toString('latin1', this.#starts[entry], this.#starts[entry + 1])
  }

  /** The entry of a name, or -1. */
  #find(text: string, from: number, to: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1
      if (entry < 0) return -1
      if (this.#hashes[entry] !== hash || this.#uids[entry] === 0) continue
      const start = this.#starts[entry]!
      if (this.#starts[entry + 1]! - start !== to - from) continue
      let i = from
      while (i < to && this.#octets[start + i - from] === text.charCodeAt(i)) i++
      if (i === to) return entry
    }
  }

  #place(entry: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#hashes[entry]! & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry + 1
  }

  /** Makes room for one entry more. */
  #reserve(octets: number): void {
    if (this.#count === this.#uids.length) this.#rebuild()
    const wanted = this.#starts[this.#count]! + octets
    if (wanted <= this.#octets.length) return
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#octets.length * 2))
    this.#octets.copy(larger)
    this.#octets = larger
  }

  /** Without the entries that are gone, and with room for as many more as there are. */
  #rebuild(): void {
    const [hashes, uids, starts, count] = [this.#hashes, this.#uids, this.#starts, this.#count]
    const length = Math.max(32, this.size * 2)
    this.#hashes = new Uint32Array(length)
    this.#uids = new Uint32Array(length)
    this.#starts = new Uint32Array(length + 1)
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(length * 2)))
    this.#count = 0
    for (let old = 0; old < count; old++) {
      if (uids[old] === 0) continue
      const entry = this.#count++
      const start = this.#starts[entry]!
      this.#octets.copyWithin(start, starts[old]!, starts[old + 1]!)
      this.#starts[entry + 1] = start + starts[old + 1]! - starts[old]!
      this.#hashes[entry] = hashes[old]!
      this.#uids[entry] = uids[old]!
      this.#place(entry)
    }
  }
}

/** FNV-1a, its upper half mixed into the lower. */
function hashOf(text: string, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** Where the part of a file's name before its ":" ends. */
function uniqueEnd(text: string, start: number, end: number): number {
  for (let i = start; i < end; i++) if (text.charCodeAt(i) === colon) return i
  return end
}
