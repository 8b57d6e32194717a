/** Inputs made of other inputs: octets flipped, cut out, doubled, put together, and words of the grammar put in. */
import { randomFrom } from '../support/generator.js'

const longest = 65_536
/** Numbers that are often where limits are. */
const numbers = [
  '0',
  '1',
  '-1',
  '255',
  '65535',
  '65536',
  '2147483647',
  '4294967295',
  '4294967296',
  '9'.repeat(20),
]

export class Mutator {
  readonly #next: () => number
  readonly #words: readonly Buffer[]

  constructor(seed: number, words: readonly string[] = []) {
    this.#next = randomFrom(seed)
    this.#words = [...words, ...numbers].map(word => Buffer.from(word, 'latin1'))
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** One of the corpus, changed a few times. */
  make(corpus: readonly Buffer[]): Buffer {
    let octets: Buffer = Buffer.from(this.pick(corpus))
    for (let i = 1 + this.below(this.below(4) === 0 ? 16 : 4); i > 0; i--)
      octets = this.#change(octets, corpus)
    return octets.length > longest ? octets.subarray(0, longest) : octets
  }

  #change(octets: Buffer, corpus: readonly Buffer[]): Buffer {
    const at = this.below(octets.length + 1)
    const end = Math.min(octets.length, at + 1 + this.below(this.below(3) === 0 ? 200 : 8))
    const cut = (middle: Buffer, from = at, to = at) =>
      Buffer.concat([octets.subarray(0, from), middle, octets.subarray(to)])
    switch (this.below(10)) {
      case 0: {
        const copy = Buffer.from(octets)
        if (at < copy.length) copy[at] = (copy[at] as number) ^ (1 << this.below(8))
        return copy
      }
      case 1:
        return cut(Buffer.from([this.below(256)]))
      case 2:
        return cut(Buffer.alloc(0), at, end)
      case 3:
        return cut(this.pick(this.#words))
      case 4:
        return cut(this.pick(this.#words), at, end)
      case 5:
        return cut(octets.subarray(at, end))
      case 6: {
        const piece = octets.subarray(at, end)
        const times = 1 + this.below(this.below(6) === 0 ? 3_000 : 20)
        return cut(Buffer.concat(Array(Math.min(times, Math.ceil(longest / (piece.length + 1)))).fill(piece)))
      }
      case 7: {
        const other = this.pick(corpus)
        const from = this.below(other.length + 1)
        return cut(other.subarray(from, from + 1 + this.below(400)))
      }
      case 8:
        return cut(
          Buffer.from([this.pick([0, 9, 10, 13, 32, 34, 40, 41, 46, 60, 62, 92, 123, 125, 127, 128, 255])]),
        )
      default:
        return octets.subarray(0, at)
    }
  }
}
