/**
 * How many messages a smarthost got in the last 24 hours, counted by the hour, in `budgets.json` of the queue's
 * directory: {"HOST:PORT as USER": {"HOUR": COUNT}}, HOUR being hours since 1970. Several processes may count.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withDotlock } from '../sys/dotlock.js'
import { isMissing } from '../sys/error.js'

const hour = 60 * 60 * 1000
const window = 24

type Counts = Record<string, Record<string, number>>

/**
 * When the next message may be sent: 0 for now, else the hour in which enough others are a day old.
 *
 * @param counts messages by hour since 1970
 */
export function nextFree(counts: Readonly<Record<string, number>>, limit: number, now: number): number {
  const current = Math.floor(now / hour)
  const hours = Object.keys(counts)
    .map(Number)
    .filter(each => each > current - window && each <= current)
    .sort((a, b) => a - b)
  let sum = hours.reduce((total, each) => total + (counts[each] ?? 0), 0)
  for (const each of hours) {
    if (sum < limit) break
    sum -= counts[each] ?? 0
    if (sum < limit) return (each + window) * hour
  }
  return 0
}

export class Budgets {
  readonly #path: string

  /** @param directory the queue's */
  constructor(directory: string) {
    this.#path = join(directory, 'budgets.json')
  }

  /** Counts one message. @returns 0 when it may go, else when the next may, and nothing is counted */
  take(name: string, limit: number, now: number): Promise<number> {
    return this.#change(all => {
      const counts = prune(all[name] ?? {}, now)
      const free = nextFree(counts, limit, now)
      if (free === 0) {
        const current = Math.floor(now / hour)
        counts[current] = (counts[current] ?? 0) + 1
      }
      all[name] = counts
      return free
    })
  }

  /** Takes back what was counted for a message that never got that far. */
  async giveBack(name: string, now: number): Promise<void> {
    await this.#change(all => {
      const counts = all[name] ?? {}
      const current = Math.floor(now / hour)
      if (counts[current]) counts[current]--
    })
  }

  /** How many messages went out in the last 24 hours, by name. */
  used(now: number): Map<string, number> {
    const sums = Object.entries(this.#read()).map(([name, counts]): [string, number] => [
      name,
      Object.values(prune(counts, now)).reduce((a, b) => a + b, 0),
    ])
    return new Map(sums)
  }

  #change<T>(change: (all: Counts) => T): Promise<T> {
    return withDotlock(`${this.#path}.lock`, () => {
      const all = this.#read()
      const result = change(all)
      writeFileSync(`${this.#path}.new`, `${JSON.stringify(all)}\n`, { mode: 0o644 })
      renameSync(`${this.#path}.new`, this.#path)
      return result
    })
  }

  #read(): Counts {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as Counts
    } catch (error) {
      // A file cut short by a crash costs a count, no mail.
      if (isMissing(error) || error instanceof SyntaxError) return {}
      throw error
    }
  }
}

function prune(counts: Readonly<Record<string, number>>, now: number): Record<string, number> {
  const oldest = Math.floor(now / hour) - window
  return Object.fromEntries(Object.entries(counts).filter(([each]) => Number(each) > oldest))
}
