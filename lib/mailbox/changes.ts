/** What changed in a mailbox lately, so that a session need not compare 100,000 messages to hear of one flag. */

interface Change {
  readonly tick: number
  readonly uids: readonly number[]
  /** The mark of the session that made the change and need not be told; undefined for anybody else. */
  readonly by: object | undefined
}

/**
 * How much the log remembers: a message counts one, a change so much besides, as it takes memory also when it is of one
 * message. Who asks for more looks through the column of ticks.
 */
const longest = 20_000
const perChange = 20

/** Flag changes in order. A tick counts them; it means nothing outside this process. */
export class ChangeLog {
  /** The tick of the last change. */
  tick = 0
  #changes: Change[] = []
  #size = 0
  /** Changes up to this tick are forgotten. */
  #floor = 0

  /** Notes that the flags of messages changed. @param by a session's mark, not the session: it is kept @returns the tick */
  add(uids: readonly number[], by?: object): number {
    this.tick++
    this.#changes.push({ tick: this.tick, uids, by })
    this.#size += uids.length + perChange
    while (this.#size > longest && this.#changes.length > 1) {
      const gone = this.#changes.shift()!
      this.#size -= gone.uids.length + perChange
      this.#floor = gone.tick
    }
    return this.tick
  }

  /**
   * UIDs whose flags changed after a tick, by anybody but `self`; ascending.
   *
   * @returns undefined when that is too long ago to say
   */
  since(tick: number, self: object): number[] | undefined {
    if (tick < this.#floor) return undefined
    const uids = new Set<number>()
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[i]!
      if (change.tick <= tick) break
      if (change.by !== self) for (const uid of change.uids) uids.add(uid)
    }
    return [...uids].sort((a, b) => a - b)
  }
}
