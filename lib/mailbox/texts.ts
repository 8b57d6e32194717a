/**
 * Texts that many messages share, kept once each under a number, and the order they are in. They stay octets, one
 * behind the other: strings would cost the double, and each collection of garbage a look at all of them.
 */
import { randomInt } from 'node:crypto'
import type { Pacer } from '../sys/pacer.js'

/** So many are sorted without a pause: a millisecond or two. */
const run = 2_048

/** Nobody outside shall know which texts share a slot. */
const seed = randomInt(2 ** 32)

/** What texts are made of, for writing them down. */
export interface TextsData {
  readonly octets: Uint8Array
  /** Where each text begins, and where the last ends. */
  readonly starts: Uint32Array
  /** Numbers in the order of their texts, as far as they were ranked. */
  readonly order: Uint32Array
}

/** Texts as casemap() gives them, in UTF-8: ordered by their octets (RFC 5051 §2). 0 is the empty one. */
export class Texts {
  count = 1
  #octets = new Uint8Array(256)
  #starts = new Uint32Array(64)
  /** One more than the number of the text in each slot of an open addressing table; 0 where it is free. Empty: see index(). */
  #slots = new Uint32Array(64)
  #order = Uint32Array.of(0)
  #ranks = Uint32Array.of(0)

  /** The number of the text in octets from `start` to `end`. */
  add(source: Uint8Array, start: number, end: number): number {
    if (start === end) return 0
    this.index()
    if (this.count * 2 >= this.#slots.length) this.#rehash(this.#slots.length * 2)
    const slot = this.#slotOf(source, start, end)
    const known = this.#slots[slot]!
    if (known !== 0) return known - 1
    this.#reserve(end - start)
    const at = this.#starts[this.count]!
    this.#octets.set(source.subarray(start, end), at)
    this.#slots[slot] = this.count + 1
    this.#starts[this.count + 1] = at + end - start
    return this.count++
  }

  /** Makes the table that texts are found by, where that was put off: who only sorts what is known needs none. */
  index(): void {
    if (this.#slots.length === 0) this.#rehash(2 ** Math.ceil(Math.log2(Math.max(32, this.count) * 2 + 2)))
  }

  #reserve(length: number): void {
    const wanted = this.#starts[this.count]! + length
    if (wanted > this.#octets.length) {
      const octets = new Uint8Array(Math.ceil(wanted * 1.5))
      octets.set(this.#octets)
      this.#octets = octets
    }
    if (this.count + 2 <= this.#starts.length) return
    const starts = new Uint32Array(this.#starts.length * 2)
    starts.set(this.#starts)
    this.#starts = starts
  }

  /** The slot of a text, or the free one where it would be. */
  #slotOf(source: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1
    let slot = hashOf(source, start, end) & mask
    for (;;) {
      const known = this.#slots[slot]!
      if (known === 0 || this.#isSame(known - 1, source, start, end)) return slot
      slot = (slot + 1) & mask
    }
  }

  #isSame(number: number, source: Uint8Array, start: number, end: number): boolean {
    const from = this.#starts[number]!
    if (this.#starts[number + 1]! - from !== end - start) return false
    for (let at = start; at < end; at++) if (this.#octets[from + at - start] !== source[at]) return false
    return true
  }

  #rehash(size: number): void {
    this.#slots = new Uint32Array(size)
    for (let number = 1; number < this.count; number++)
      this.#slots[this.#slotOf(this.#octets, this.#starts[number]!, this.#starts[number + 1]!)] = number + 1
  }

  /** The place of each text among all of them, by its number: to be read before the next await. */
  async ranks(pacer: Pacer): Promise<Uint32Array> {
    // While others run, there may be more.
    while (this.#order.length < this.count) await this.#rank(pacer)
    return this.#ranks
  }

  /** Only texts that are new are sorted; they are merged with those that were. */
  async #rank(pacer: Pacer): Promise<void> {
    const known = this.#order
    const added = new Uint32Array(this.count - known.length)
    for (let i = 0; i < added.length; i++) added[i] = known.length + i
    const order = await this.#merge(known, await this.#sort(added, pacer), pacer)
    if (order.length > this.#order.length) this.#setOrder(order)
  }

  #setOrder(order: Uint32Array<ArrayBuffer>): void {
    this.#order = order
    this.#ranks = new Uint32Array(order.length)
    for (let rank = 0; rank < order.length; rank++) this.#ranks[order[rank]!] = rank
  }

  readonly #compare = (a: number, b: number): number => {
    const octets = this.#octets
    let at = this.#starts[a]!
    let other = this.#starts[b]!
    const lengths = this.#starts[a + 1]! - at - (this.#starts[b + 1]! - other)
    const end = lengths < 0 ? this.#starts[a + 1]! : at + this.#starts[b + 1]! - other
    for (; at < end; at++, other++) if (octets[at] !== octets[other]) return octets[at]! - octets[other]!
    return lengths
  }

  async #sort(numbers: Uint32Array<ArrayBuffer>, pacer: Pacer): Promise<Uint32Array<ArrayBuffer>> {
    let runs: Uint32Array<ArrayBuffer>[] = []
    for (let at = 0; at < numbers.length; at += run) {
      runs.push(numbers.slice(at, at + run).sort(this.#compare))
      if (pacer.isOver) await pacer.rest()
    }
    while (runs.length > 1) {
      const merged: Uint32Array<ArrayBuffer>[] = []
      for (let i = 0; i < runs.length; i += 2)
        merged.push(i + 1 < runs.length ? await this.#merge(runs[i]!, runs[i + 1]!, pacer) : runs[i]!)
      runs = merged
    }
    return runs[0] ?? numbers
  }

  async #merge(
    a: Uint32Array<ArrayBuffer>,
    b: Uint32Array<ArrayBuffer>,
    pacer: Pacer,
  ): Promise<Uint32Array<ArrayBuffer>> {
    const merged = new Uint32Array(a.length + b.length)
    let [i, j] = [0, 0]
    for (let at = 0; at < merged.length; at++) {
      const takesA = j === b.length || (i < a.length && this.#compare(a[i]!, b[j]!) <= 0)
      merged[at] = takesA ? a[i++]! : b[j++]!
      if (pacer.isDue) await pacer.rest()
    }
    return merged
  }

  /** What there is now, as views that are good until more is added. */
  get data(): TextsData {
    const starts = this.#starts.subarray(0, this.count + 1)
    return { octets: this.#octets.subarray(0, starts[this.count]), starts, order: this.#order }
  }

  /** Texts that were written down; undefined when they cannot be. */
  static async from({ octets, starts, order }: TextsData, pacer: Pacer): Promise<Texts | undefined> {
    const count = starts.length - 1
    if (count < 1 || order.length < 1 || order.length > count || starts[1] !== 0) return undefined
    if (starts[0] !== 0 || starts[count] !== octets.length || !isRising(starts)) return undefined
    if (pacer.isOver) await pacer.rest()
    if (!isPermutation(order)) return undefined
    if (pacer.isOver) await pacer.rest()
    const texts = new Texts()
    texts.count = count
    texts.#octets = octets.slice()
    texts.#starts = new Uint32Array(Math.max(64, count * 2))
    texts.#starts.set(starts)
    texts.#setOrder(order.slice())
    texts.#slots = new Uint32Array(0)
    return texts
  }
}

/** Whether no number is below the one before it. A millisecond for a million, as long as nothing else is done. */
function isRising(numbers: Uint32Array): boolean {
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! < numbers[i - 1]!) return false
  return true
}

/** Whether they are all numbers below their count. */
function isPermutation(numbers: Uint32Array): boolean {
  const isSeen = new Uint8Array(numbers.length)
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!
    if (number >= isSeen.length || isSeen[number] === 1) return false
    isSeen[number] = 1
  }
  return true
}

function hashOf(source: Uint8Array, start: number, end: number): number {
  let hash = seed
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ source[at]!, 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
