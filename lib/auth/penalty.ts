/**
 * What failed logins cost, by (address, user): a webmail brings all its users from one address, so an address alone
 * is never held to account.
 */

/** Failures after which nobody is let in for a while. */
const patience = 8
/** Longest that an answer is held back: as many times the first penalty. Clients wait half a minute, seldom more. */
const longestHold = 8
/** How long the first refusal lasts, and the longest: as many times the first penalty. */
const firstRefusal = 30
const longestRefusal = 450
/** After how much quiet all is forgotten, likewise. */
const forgotten = 900
/** Refused attempts after which even a remembered login is refused: it might be guessed at no cost. */
const memoryPatience = 20
const mostRecords = 10_000

interface Failures {
  count: number
  last: number
  refused: number
}

export class Penalties {
  readonly #base: number
  readonly #clock: () => number
  /** Least recent failure first. */
  readonly #records = new Map<string, Failures>()

  /** @param base the first penalty, in milliseconds; 0 turns all of it off @param clock in milliseconds */
  constructor(base: number, clock: () => number = Date.now) {
    this.#base = base
    this.#clock = clock
  }

  /** Whether attempts are refused unseen now. */
  isRefused(key: string): boolean {
    const record = this.#record(key)
    if (!record || record.count < patience) return false
    const lasts = Math.min(firstRefusal * 2 ** (record.count - patience), longestRefusal) * this.#base
    return this.#clock() < record.last + lasts
  }

  /** Whether a login that succeeded lately may come in by memory in spite of failures beside it. */
  trustsMemory(key: string): boolean {
    return (this.#record(key)?.refused ?? 0) <= memoryPatience
  }

  /** Counts a failure. @returns how many there are, and for how long to hold the answer back, in milliseconds */
  fail(key: string): { failures: number; hold: number } {
    if (this.#base === 0) return { failures: 1, hold: 0 }
    const count = (this.#record(key)?.count ?? 0) + 1
    this.#records.delete(key)
    this.#records.set(key, { count, last: this.#clock(), refused: 0 })
    if (this.#records.size > mostRecords) this.#records.delete(this.#records.keys().next().value as string)
    return { failures: count, hold: this.#base * Math.min(2 ** (count - 1), longestHold) }
  }

  /** Counts an attempt that was refused unseen. @returns for how long to hold the answer back, in milliseconds */
  refuse(key: string): number {
    const record = this.#record(key)
    if (record) record.refused++
    return this.#base
  }

  /** A password was right: what failed before was a slip. */
  forgive(key: string): void {
    this.#records.delete(key)
  }

  #record(key: string): Failures | undefined {
    const record = this.#records.get(key)
    if (!record || this.#clock() < record.last + forgotten * this.#base) return record
    this.#records.delete(key)
    return undefined
  }
}

/** One peer: an address, or the /64 network that an IPv6 host chooses its addresses from. */
export function penaltyKey(address: string, user: string): string {
  return `${address.includes(':') ? network(address) : address} ${user.slice(0, 320)}`
}

function network(address: string): string {
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail === undefined) return groups.slice(0, 4).join(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - groups.length - after.length)).fill('0')
  return [...groups, ...zeros, ...after].slice(0, 4).join(':')
}
