/**
 * What was promised: for each message the states that it may be in. A client writes down what may come of a command
 * before it sends it, and what came of it when it is answered; what was cut off stays open until the next survey
 * finds out, and may then be no other than one of those.
 */
import { randomFrom } from '../support/generator.js'

/** Where a message is, and with which flags: `alice/INBOX \Flagged \Seen`, each place once; sorted. */
export type Places = readonly string[]

export class Chance {
  readonly next: () => number

  constructor(seed: number) {
    this.next = randomFrom(seed)
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

export interface Entry {
  readonly id: string
  /** As it was handed over, with LF line ends. */
  readonly text: string
  may: readonly Places[]
  /** A client is about to change it. */
  busy: boolean
}

export function place(folder: string, flags: readonly string[] = []): string {
  return [folder, ...[...flags].sort()].join(' ')
}

export function placesKey(places: Places): string {
  return [...places].sort().join('; ')
}

export class Ledger {
  readonly entries = new Map<string, Entry>()
  readonly chance: Chance
  /** Answered commands, by name. */
  readonly done = new Map<string, number>()
  /** Commands that were under way when something was killed. */
  readonly cut = new Map<string, number>()
  /** What should not have been. */
  readonly faults: string[] = []
  #made = 0

  constructor(seed: number) {
    this.chance = new Chance(seed)
  }

  /** A new message that is nowhere yet. Most are small; one in twenty is not. */
  make(kind: string): Entry {
    const id = `${kind}-${++this.#made}`
    const { chance } = this
    const lines = chance.below(20) === 0 ? 3_000 + chance.below(3_000) : chance.below(40)
    const body = Array.from({ length: lines }, (_, i) => `${id} line ${i} ${'x'.repeat(chance.below(60))}\n`)
    const text = `X-Trust: ${id}\nFrom: <sender@example.org>\nSubject: ${id}\n\n${body.join('')}end of ${id}\n`
    const entry = { id, text, may: [[]], busy: true }
    this.entries.set(id, entry)
    return entry
  }

  /** Messages that stand in a folder and nowhere else is doubt about them, for one client to change. */
  free(ids: Iterable<string>): Entry[] {
    const found: Entry[] = []
    for (const id of ids) {
      const entry = this.entries.get(id)
      if (entry && !entry.busy && entry.may.length === 1) found.push(entry)
    }
    return found
  }

  /**
   * Does something with messages.
   *
   * @param what its name in the report
   * @param after the states that each may come to, the last of them that which success means
   * @param deed whether it was done (true), refused (false), or nobody knows (throws)
   */
  async doing(
    what: string,
    entries: readonly Entry[],
    after: (entry: Entry) => readonly Places[],
    deed: () => Promise<boolean>,
  ): Promise<boolean> {
    const before = new Map(entries.map(entry => [entry, entry.may]))
    for (const entry of entries) {
      entry.busy = true
      entry.may = [...entry.may, ...after(entry)]
    }
    try {
      const isDone = await deed()
      for (const entry of entries) {
        entry.may = isDone ? [entry.may.at(-1) as Places] : (before.get(entry) as Places[])
        entry.busy = false
      }
      this.done.set(what, (this.done.get(what) ?? 0) + 1)
      return isDone
    } catch (error) {
      // Stays open, and in nobody's hands, until the survey.
      this.cut.set(what, (this.cut.get(what) ?? 0) + 1)
      throw error
    }
  }

  /** Settles what is open by what was found. */
  settle(found: ReadonlyMap<string, Places>): void {
    for (const [id, entry] of this.entries) {
      const there = found.get(id) ?? []
      const key = placesKey(there)
      if (!entry.may.some(places => placesKey(places) === key))
        this.faults.push(
          `${id} is at [${key}] and may be at ${entry.may.map(each => `[${placesKey(each)}]`).join(' or ')}`,
        )
      entry.may = [there]
      entry.busy = false
      if (there.length === 0) this.entries.delete(id)
    }
    for (const id of found.keys())
      if (!this.entries.has(id) && !this.faults.some(fault => fault.startsWith(`${id} `)))
        this.faults.push(`${id} is there again, or was never sent: [${placesKey(found.get(id) ?? [])}]`)
  }
}
