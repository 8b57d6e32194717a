/** How many octets may still be fetched today: providers cut off who takes more. */
import type { Listed } from './source.js'
import type { Memory } from './state.js'

/** The day of a time in milliseconds since 1970, in UTC. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

export class Budget {
  readonly perDay: number
  readonly #memory: Memory
  readonly #clock: () => number
  #unnoted = 0

  /** @param perDay octets; a day ends at midnight UTC */
  constructor(memory: Memory, perDay: number, clock: () => number) {
    this.#memory = memory
    this.perDay = perDay
    this.#clock = clock
  }

  /** `2026-03-15` */
  get today(): string {
    return dayOf(this.#clock())
  }

  /** Octets left for today. */
  get left(): number {
    return Math.max(0, this.perDay - this.#memory.spent(this.today) - this.#unnoted)
  }

  /** What fits into today, in order; a message larger than a day's budget has a day of its own. */
  share(listed: readonly Listed[]): { now: Listed[]; later: Listed[] } {
    let left = this.left
    const isFresh = left === this.perDay
    let end = 0
    for (; end < listed.length; end++) {
      const { size } = listed[end] as Listed
      if (size > left && !(isFresh && end === 0)) break
      left -= size
    }
    return { now: listed.slice(0, end), later: listed.slice(end) }
  }

  /** Octets came. */
  spend(octets: number): void {
    this.#unnoted += octets
  }

  /** Brings what was spent into the memory. */
  note(): void {
    if (this.#unnoted > 0) this.#memory.spend(this.today, this.#unnoted)
    this.#unnoted = 0
  }
}
