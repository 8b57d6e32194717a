/** Checks of passwords: the fast ones at once, the slow ones on threads, and never more of them than can be borne. */
import { availableParallelism } from 'node:os'
import { TemporaryError } from '../sys/error.js'
import { Threads } from '../sys/threads.js'
import { isSlow, verifyPassword } from './password.js'
import type { Work } from './worker.js'

/** Checks that may wait for a thread; each takes about 0.1 s. */
const mostWaiting = 100

export class Checker {
  readonly #threads = new Threads<Work, boolean>('auth', Math.min(4, Math.max(1, availableParallelism() - 1)))
  /** By caller's key: who asks the same again while it is computed gets the same answer. */
  readonly #running = new Map<string, Promise<boolean>>()

  /**
   * Whether a password is the stored one.
   *
   * @param key says which check this is, without giving the password away
   * @throws UnusablePassword @throws TemporaryError when too many are waiting
   */
  check(stored: string, password: string, key: string): Promise<boolean> {
    if (!isSlow(stored)) return verifyPassword(stored, password)
    const running = this.#running.get(key)
    if (running) return running
    if (this.#running.size >= mostWaiting)
      return Promise.reject(new TemporaryError('too many logins at once; try again later'))
    const result = this.#threads.run({ stored, password }).finally(() => this.#running.delete(key))
    this.#running.set(key, result)
    return result
  }

  async close(): Promise<void> {
    await this.#threads.close()
  }
}
