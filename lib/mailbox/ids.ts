/** Message-IDs under numbers, counted from 1: who refers to one need not keep its text. */
import type { IdHash } from './headline.js'

/** Open addressing over the hashes. */
export class Ids {
  /** The largest number given. */
  count = 0
  #lows = new Uint32Array(64)
  #highs = new Uint32Array(64)
  /** 0 where a slot is free. */
  #numbers = new Uint32Array(64)

  /** The number of a Message-ID; 0 for none. */
  add([low, high]: IdHash): number {
    if (low === 0 && high === 0) return 0
    if (this.count * 2 >= this.#numbers.length) this.#grow()
    const at = this.#slot(low, high)
    if (this.#numbers[at] === 0) {
      this.#lows[at] = low
      this.#highs[at] = high
      this.#numbers[at] = ++this.count
    }
    return this.#numbers[at]!
  }

  #slot(low: number, high: number): number {
    const mask = this.#numbers.length - 1
    let at = low & mask
    while (this.#numbers[at] !== 0 && (this.#lows[at] !== low || this.#highs[at] !== high))
      at = (at + 1) & mask
    return at
  }

  #grow(): void {
    const [lows, highs, numbers] = [this.#lows, this.#highs, this.#numbers]
    this.#lows = new Uint32Array(numbers.length * 2)
    this.#highs = new Uint32Array(numbers.length * 2)
    this.#numbers = new Uint32Array(numbers.length * 2)
    for (let i = 0; i < numbers.length; i++) {
      if (numbers[i] === 0) continue
      const at = this.#slot(lows[i]!, highs[i]!)
      this.#lows[at] = lows[i]!
      this.#highs[at] = highs[i]!
      this.#numbers[at] = numbers[i]!
    }
  }
}
