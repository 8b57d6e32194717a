/** What the relay does by the clock, and on notice from the file system and the network. */
import { networkInterfaces } from 'node:os'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'

/** How often the network is looked at, in milliseconds. */
const networkEvery = 10_000

export class Chores {
  readonly #log: Log
  readonly #timers: NodeJS.Timeout[] = []
  readonly #watches: { close(): void }[] = []

  constructor(log: Log) {
    this.#log = log
  }

  /** Does something now and then; what goes wrong is logged, and it is done again all the same. */
  every(milliseconds: number, chore: () => Promise<void>): void {
    this.#timers.push(setInterval(() => void this.run(chore), milliseconds).unref())
  }

  async run(chore: () => Promise<void>): Promise<void> {
    try {
      await chore()
    } catch (error) {
      this.#log.error('chore-failed', { reason: describe(error) })
    }
  }

  watch(watch: { close(): void }): void {
    this.#watches.push(watch)
  }

  /**
   * Tells when this machine is on a network again, or on another one.
   *
   * @param addresses the addresses it has on networks, in one text
   */
  watchNetwork(changed: () => void, addresses: () => string = networks, every = networkEvery): void {
    let before = addresses()
    const look = () => {
      const now = addresses()
      if (now === before) return
      before = now
      if (now === '') return
      this.#log.info('network-changed')
      changed()
    }
    this.#timers.push(setInterval(look, every).unref())
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    for (const watch of this.#watches) watch.close()
  }
}

/** The addresses this machine has on networks; empty without any, and where asking is not allowed. */
function networks(): string {
  try {
    return Object.values(networkInterfaces())
      .flatMap(addresses => addresses ?? [])
      .filter(({ internal }) => !internal)
      .map(({ address }) => address)
      .sort()
      .join(' ')
  } catch {
    return ''
  }
}
