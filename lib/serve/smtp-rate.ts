/** How many messages a login may send: a full minute's worth at once, and then as many as grow back. */

const minute = 60_000
/** Logins remembered before those that have all their messages back are forgotten. */
const forgetAt = 1_000

interface Account {
  /** Messages left, as of `at`. */
  left: number
  /** In milliseconds since 1970. */
  at: number
}

export class MessageRate {
  readonly #perMinute: () => number
  readonly #accounts = new Map<string, Account>()

  /** @param perMinute asked each time, since a reload may change it */
  constructor(perMinute: () => number) {
    this.#perMinute = perMinute
  }

  /** Whether `name` may send now. */
  allows(name: string, now: number): boolean {
    const account = this.#accounts.get(name)
    return !account || this.#leftAt(account, now) >= 1
  }

  /** Counts a message. */
  count(name: string, now: number): void {
    const account = this.#accounts.get(name)
    const left = (account ? this.#leftAt(account, now) : this.#perMinute()) - 1
    this.#accounts.set(name, { left: Math.max(0, left), at: now })
    if (this.#accounts.size > forgetAt) this.#forget(now)
  }

  #leftAt({ left, at }: Account, now: number): number {
    const most = this.#perMinute()
    return Math.min(most, left + (Math.max(0, now - at) / minute) * most)
  }

  #forget(now: number): void {
    for (const [name, account] of this.#accounts)
      if (this.#leftAt(account, now) >= this.#perMinute()) this.#accounts.delete(name)
  }
}
