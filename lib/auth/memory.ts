/**
 * Logins that succeeded in the last minutes, so that a webmail, which logs in for every page, does not cost a slow
 * hash each time. Kept are keyed digests only, of a key that dies with the process; they hold the user, the password
 * and the hash it was checked against, so a changed password is not remembered.
 */
import { createHmac, randomBytes } from 'node:crypto'

/** How long, counted from the check that found the password right, in milliseconds. */
const lifetime = 10 * 60_000
const most = 1_000

export class Memory {
  readonly #key = randomBytes(32)
  readonly #clock: () => number
  /** Digest to the time it ends, oldest first. */
  readonly #good = new Map<string, number>()

  constructor(clock: () => number = Date.now) {
    this.#clock = clock
  }

  /** What stands for a user's password and the hash that it fits. */
  digest(user: string, password: string, stored: string): string {
    const hmac = createHmac('sha256', this.#key)
    for (const part of [user, password, stored]) hmac.update(`${Buffer.byteLength(part)}:${part}`)
    return hmac.digest('base64')
  }

  has(digest: string): boolean {
    return (this.#good.get(digest) ?? 0) > this.#clock()
  }

  add(digest: string): void {
    this.#good.delete(digest)
    this.#good.set(digest, this.#clock() + lifetime)
    for (const [oldest, end] of this.#good) {
      if (this.#good.size <= most && end > this.#clock()) break
      this.#good.delete(oldest)
    }
  }

  clear(): void {
    this.#good.clear()
  }
}
