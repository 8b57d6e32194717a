/** Where the texts of messages stand in postern.text: columns in the order of the file, found by UID. */
import { Offsets } from './offsets.js'
import { type Place, recordHead, recordSize } from './text-record.js'

/** Every record that was found; `at` is a position among them. */
export class TextPlaces {
  count = 0
  /** Octets of records whose message has no later one. */
  live = 0
  #uids = new Uint32Array(64)
  #offsets = new Float64Array(64)
  #headers = new Uint32Array(64)
  #bodies = new Uint32Array(64)
  #sums = new Uint32Array(64)
  /** 1 for a record whose text is known to be what was written. */
  #checked = new Uint8Array(64)
  #byUid = new Offsets()

  /** Notes a record that stands behind all others. @param offset of its head */
  push(place: Place, offset: number): void {
    if (this.count === this.#uids.length) this.#grow()
    const at = this.count++
    this.#uids[at] = place.uid
    this.#offsets[at] = offset + recordHead
    this.#headers[at] = place.header
    this.#bodies[at] = place.body
    this.#sums[at] = place.sum
    this.#checked[at] = 0
    const before = this.find(place.uid)
    if (before !== undefined) this.live -= this.size(before)
    this.live += recordSize(place)
    this.#byUid.set(place.uid, at + 1)
  }

  #grow(): void {
    const grown = <T extends Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    const length = this.#uids.length * 2
    this.#uids = grown(this.#uids, new Uint32Array(length))
    this.#offsets = grown(this.#offsets, new Float64Array(length))
    this.#headers = grown(this.#headers, new Uint32Array(length))
    this.#bodies = grown(this.#bodies, new Uint32Array(length))
    this.#sums = grown(this.#sums, new Uint32Array(length))
    this.#checked = grown(this.#checked, new Uint8Array(length))
  }

  /** The last record of a message. */
  find(uid: number): number | undefined {
    const found = this.#byUid.get(uid)
    return found ? found - 1 : undefined
  }

  /** A record turned out to be wrong: its message has none. */
  drop(at: number): void {
    const uid = this.#uids[at]!
    if (this.find(uid) !== at) return
    this.live -= this.size(at)
    this.#byUid.set(uid, 0)
  }

  uid(at: number): number {
    return this.#uids[at]!
  }

  /** Octets of a whole record. */
  size(at: number): number {
    return recordHead + this.textSize(at)
  }

  /** Octets of a record's text. */
  textSize(at: number): number {
    return this.#headers[at]! + 1 + this.#bodies[at]!
  }

  /** Where a record's text begins in the file: the header's, or the body's. */
  start(at: number, part: 'header' | 'body' = 'header'): number {
    return this.#offsets[at]! + (part === 'header' ? 0 : this.#headers[at]! + 1)
  }

  /** Where a record's text ends in the file. */
  end(at: number): number {
    return this.#offsets[at]! + this.textSize(at)
  }

  sum(at: number): number {
    return this.#sums[at]!
  }

  isChecked(at: number): boolean {
    return this.#checked[at] === 1
  }

  check(at: number): void {
    this.#checked[at] = 1
  }

  /** What was right may have been changed by somebody. */
  doubt(): void {
    this.#checked.fill(0)
  }
}
