/** Texts that many messages share, kept once each under a number, and the order they are in. */
import { compareCasemapped } from '../message/casemap.js'
import type { Pacer } from '../sys/pacer.js'

/** So many are sorted without a pause: a millisecond or two. */
const run = 2_048

/** Texts as casemap() gives them; 0 is the empty one. */
export class Texts {
  readonly #numbers = new Map<string, number>([['', 0]])
  readonly #texts: string[] = ['']
  /** Whether comparing strings as they are in memory orders them as their code points. */
  #isPlain = true
  /** Numbers in the order of their texts, as far as they were ranked. */
  #order = Uint32Array.of(0)
  #ranks = Uint32Array.of(0)

  /** The number of a text. */
  add(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const number = this.#texts.length
    this.#numbers.set(text, number)
    this.#texts.push(text)
    this.#isPlain &&= !/[\ud800-\udfff]/.test(text)
    return number
  }

  /** The place of each text among all of them, by its number: to be read before the next await. */
  async ranks(pacer: Pacer): Promise<Uint32Array> {
    // While others run, there may be more.
    while (this.#order.length < this.#texts.length) await this.#rank(pacer)
    return this.#ranks
  }

  /** Only texts that are new are sorted; they are merged with those that were. */
  async #rank(pacer: Pacer): Promise<void> {
    const known = this.#order
    const added = Uint32Array.from({ length: this.#texts.length - known.length }, (_, i) => known.length + i)
    const order = await this.#merge(known, await this.#sort(added, pacer), pacer)
    if (order.length <= this.#order.length) return
    const ranks = new Uint32Array(order.length)
    for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank
    this.#order = order
    this.#ranks = ranks
  }

  readonly #compare = (a: number, b: number): number => {
    const [one, other] = [this.#texts[a]!, this.#texts[b]!]
    if (!this.#isPlain) return compareCasemapped(one, other)
    return one < other ? -1 : one > other ? 1 : 0
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
}
