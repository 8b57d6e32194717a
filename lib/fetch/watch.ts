/** An account that is watched: IDLE on some folders, all others asked now and then; trouble is waited out. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { FetchResult } from './fetch.js'
import { isMeant, type Pairing } from './names.js'
import type { Session } from './session.js'
import { LoginRefused, Throttled } from './trouble.js'

export interface WatchOptions {
  /** Names or patterns of folders whose news is wanted at once. */
  readonly watch: readonly string[]
  /** How often all folders are asked, in milliseconds. */
  readonly every: number
  /** Connections at a time: one goes through the folders, and waits in one while it has nothing to do. */
  readonly maxConnections: number
  readonly signal: AbortSignal
  readonly log: Log
  /** Called after each pass. */
  readonly passed: (result: FetchResult) => void
}

/** First and longest pause after trouble, in milliseconds; longer where the provider asked for it. */
const firstPause = 5_000
const longestPause = 900_000
const throttledPause = 300_000

/**
 * Watches until the signal aborts.
 *
 * @throws LoginRefused, and what no waiting mends
 */
export async function watchAccount(session: Session, options: WatchOptions): Promise<void> {
  const { signal, log } = options
  let pause = firstPause
  while (!signal.aborted) {
    const began = performance.now()
    try {
      await new Watcher(session, options).run()
      return
    } catch (error) {
      await session.close()
      if (signal.aborted) return
      if (error instanceof LoginRefused || !(error instanceof MailError && error.temporary)) throw error
      // What went well for a while is a new trouble.
      if (performance.now() - began > longestPause) pause = firstPause
      if (error instanceof Throttled) pause = Math.max(pause, error.wait)
      log.warning('fetch-paused', {
        account: session.account.name,
        error: describe(error),
        seconds: Math.round(pause / 1000),
      })
      await delay(pause * (1 + Math.random() / 4), undefined, { signal }).catch(() => {})
      pause = Math.min(2 * pause, longestPause)
    }
  }
}

/** One stretch without trouble. */
class Watcher {
  readonly #session: Session
  readonly #options: WatchOptions
  /** Folders with news, by path. */
  readonly #news = new Set<string>()
  #wake = new AbortController()
  #hears = true

  constructor(session: Session, options: WatchOptions) {
    this.#session = session
    this.#options = options
  }

  async run(): Promise<void> {
    const { signal, every } = this.#options
    const end = new AbortController()
    const stop = () => {
      end.abort()
      this.#wake.abort()
    }
    signal.addEventListener('abort', stop, { once: true })
    let others: Promise<void>[] = []
    try {
      let pairings = await this.#passAll()
      const [first, ...rest] = this.#hears ? this.#watched(pairings) : []
      others = rest.map(pairing => this.#waitBeside(pairing, end.signal))
      while (!signal.aborted) {
        const until = performance.now() + every
        while (!signal.aborted && performance.now() < until) await this.#waitFor(first, until, pairings)
        if (!signal.aborted) pairings = await this.#passAll()
      }
    } finally {
      signal.removeEventListener('abort', stop)
      stop()
      await Promise.all(others)
    }
  }

  #watched(pairings: readonly Pairing[]): Pairing[] {
    const { watch, maxConnections } = this.#options
    const wanted = pairings.filter(({ remote }) => watch.some(pattern => isMeant(remote, pattern)))
    return wanted.slice(0, Math.max(1, maxConnections))
  }

  async #passAll(): Promise<Pairing[]> {
    const pairings = await this.#session.pairings()
    this.#options.passed(await this.#session.passAll(pairings))
    this.#hears = (await this.#session.source()).hears
    // A session that hears of nothing only keeps others out.
    if (!this.#hears) await this.#session.close()
    return pairings
  }

  async #pass(some: readonly Pairing[]): Promise<void> {
    // What their status was is no news any more.
    const asked = some.map(({ remote, local }) => ({ remote: { ...remote, status: undefined }, local }))
    const result = await this.#session.pass(asked)
    if (result.folders.some(({ fetched, flagged, gone }) => fetched + flagged + gone > 0))
      this.#options.passed(result)
  }

  /** Waits in one folder, or for another connection's news, and looks at what there is. */
  async #waitFor(first: Pairing | undefined, until: number, pairings: readonly Pairing[]): Promise<void> {
    this.#wake = new AbortController()
    const { signal } = this.#options
    const timer = setTimeout(() => this.#wake.abort(), Math.max(0, until - performance.now()))
    try {
      const told = pairings.filter(({ remote }) => this.#news.delete(remote.path))
      // The folder that is waited in is looked at last: it stays open.
      await this.#pass([...told.filter(each => each !== first), ...(first ? [first] : [])])
      // The end wakes it too, see run(). A signal made of both would be remembered by the one that lasts, each time.
      const wake = this.#wake.signal
      if (this.#news.size > 0 || wake.aborted || signal.aborted) return
      if (first) await (await this.#session.source()).wait(wake)
      else await new Promise(resolve => wake.addEventListener('abort', resolve, { once: true }))
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits in a folder on a connection of its own, made again when it is lost; the folder is asked like others until then. */
  async #waitBeside(pairing: Pairing, signal: AbortSignal): Promise<void> {
    for (let pause = firstPause; !signal.aborted; pause = Math.min(2 * pause, longestPause)) {
      const began = performance.now()
      try {
        await this.#waitOnce(pairing, signal)
      } catch (error) {
        if (signal.aborted) return
        this.#options.log.warning('fetch-watch', {
          account: this.#session.account.name,
          folder: pairing.remote.path,
          error: describe(error),
        })
        // The connection that goes through the folders comes to know that too, and ends.
        if (error instanceof LoginRefused) return
        if (performance.now() - began > longestPause) pause = firstPause
        if (error instanceof Throttled) pause = Math.max(pause, error.wait, throttledPause)
      }
      await delay(pause, undefined, { signal }).catch(() => {})
    }
  }

  async #waitOnce({ remote }: Pairing, signal: AbortSignal): Promise<void> {
    const source = await this.#session.another()
    try {
      await source.examine(remote.path)
      while (!signal.aborted) {
        // Something may have come while nobody waited.
        this.#news.add(remote.path)
        this.#wake.abort()
        await source.wait(signal)
      }
    } finally {
      await source.close()
    }
  }
}
