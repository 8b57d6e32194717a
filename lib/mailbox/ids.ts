/** Message-IDs under numbers, counted from 1: who refers to one need not keep its text. */
import { randomInt } from 'node:crypto'
import type { IdHash } from './headline.js'

/** Nobody outside shall know which Message-IDs share a slot. */
const seed = randomInt(2 ** 32)

/** Open addressing over the hashes. */
export class Ids {
  /** The largest number given. */
  count = 0
  /** The halves of the hashes, by number. */
  #lows = new Uint32Array(64)
  #highs = new Uint32Array(64)
  /** The number in each slot; 0 where it is free. Empty: see index(). */
  #slots = new Uint32Array(64)

  /** The number of a Message-ID; 0 for none. */
  add([low, high]: IdHash): number {
    if (low === 0 && high === 0) return 0
    this.index()
    if (this.count * 2 + 2 >= this.#slots.length) this.#grow()
    const slot = this.#slotOf(low, high)
    if (this.#slots[slot] === 0) {
      this.#slots[slot] = ++this.count
      this.#lows[this.count] = low
      this.#highs[this.count] = high
    }
    return this.#slots[slot]!
  }

  /** Makes the table that they are found by, where that was put off: who only threads what is known needs none. */
  index(): void {
    if (this.#slots.length === 0) this.#rehash(this.#lows.length)
  }

  #slotOf(low: number, high: number): number {
    const mask = this.#slots.length - 1
    const mixed = Math.imul(low ^ seed, 0x9e3779b1)
    let slot = (mixed ^ (mixed >>> 15)) & mask
    for (;;) {
      const number = this.#slots[slot]!
      if (number === 0 || (this.#lows[number] === low && this.#highs[number] === high)) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    const length = this.#slots.length * 2
    const [lows, highs] = [this.#lows, this.#highs]
    this.#lows = new Uint32Array(length)
    this.#lows.set(lows)
    this.#highs = new Uint32Array(length)
    this.#highs.set(highs)
    this.#rehash(length)
  }

  #rehash(length: number): void {
    this.#slots = new Uint32Array(length)
    for (let number = 1; number <= this.count; number++)
      this.#slots[this.#slotOf(this.#lows[number]!, this.#highs[number]!)] = number
  }

  /** The halves of all hashes, in the order of their numbers; good until more are added. */
  get data(): { readonly lows: Uint32Array; readonly highs: Uint32Array } {
    return { lows: this.#lows.subarray(1, this.count + 1), highs: this.#highs.subarray(1, this.count + 1) }
  }

  /** Message-IDs that were written down. */
  static from(lows: Uint32Array, highs: Uint32Array): Ids {
    const ids = new Ids()
    const length = 2 ** Math.ceil(Math.log2(Math.max(30, lows.length) * 2 + 4))
    ids.count = lows.length
    ids.#lows = new Uint32Array(length)
    ids.#lows.set(lows, 1)
    ids.#highs = new Uint32Array(length)
    ids.#highs.set(highs, 1)
    ids.#slots = new Uint32Array(0)
    return ids
  }
}
