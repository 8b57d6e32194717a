/**
 * One destination: the entries that wait for it, the connections that go to it, and whether it can be reached. While
 * it cannot, one connection at a time tries, at growing intervals, and everything else waits in line.
 */
import type { Said } from '../queue/entry.js'
import type { Connected, Endpoint } from './endpoint.js'

/** How long a connection without work is kept, in milliseconds, and how many messages go over one. */
const keep = 5_000
const mostMessages = 100

/** Why nothing is sent to a destination at present. */
export interface Pause {
  /** Since when it has been so; milliseconds since 1970. */
  readonly since: number
  /** When it is tried again. */
  readonly until: number
  readonly said: Said
}

/** A connection with what it has carried. */
export interface Line extends Connected {
  /** Messages sent over it before this one. */
  carried: number
}

export class Destination {
  readonly endpoint: Endpoint
  /** Identifiers of entries with mail for it, in order. */
  readonly waiting = new Set<string>()
  #active = 0
  #failures = 0
  #proven = false
  #pause: Pause | undefined
  #idle: { line: Line; timer: NodeJS.Timeout }[] = []

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }

  get pause(): Pause | undefined {
    return this.#pause
  }

  get active(): number {
    return this.#active
  }

  /** Whether another entry may be worked on now. Until a first connection came about, one is enough to find out. */
  mayStart(now: number): boolean {
    if (this.waiting.size === 0) return false
    if (this.#pause && now < this.#pause.until) return false
    const limit = this.#proven && !this.#pause ? this.endpoint.concurrency : 1
    return this.#active < limit
  }

  /** Takes the next entry in line. */
  start(): string | undefined {
    const [id] = this.waiting
    if (id === undefined) return undefined
    this.waiting.delete(id)
    this.#active++
    return id
  }

  end(): void {
    this.#active--
  }

  /** Gets a connection, one that is open already if there is one. @throws NoConnection, Undeliverable */
  async connect(fresh = false): Promise<Line> {
    for (let idle = fresh ? undefined : this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer)
      if (idle.line.client.usable) return idle.line
    }
    const connected = await this.endpoint.connect()
    this.#proven = true
    this.#failures = 0
    this.#pause = undefined
    return { ...connected, carried: 0 }
  }

  /** Gives a connection back. */
  giveBack(line: Line): void {
    line.carried++
    if (!line.client.usable) return
    if (line.carried >= mostMessages) return line.client.quit()
    const item = {
      line,
      timer: setTimeout(() => {
        this.#idle = this.#idle.filter(each => each !== item)
        line.client.quit()
      }, keep).unref(),
    }
    this.#idle.push(item)
  }

  /**
   * Notes that it cannot be used.
   *
   * @param first the wait after the first failure in milliseconds; it doubles up to `longest`
   */
  failed(said: Said, now: number, first: number, longest: number): void {
    const wait = Math.min(longest, first * 2 ** Math.min(this.#failures++, 20))
    this.#proven = false
    this.#pause = { since: this.#pause?.since ?? now, until: now + wait, said }
  }

  /** Stops until a time that is known, as when a budget is used up. */
  rest(said: Said, now: number, until: number): void {
    this.#pause = { since: now, until, said }
  }

  /** Tries again at once, whatever happened. */
  hurry(): void {
    if (this.#pause) this.#pause = { ...this.#pause, until: 0 }
    this.#failures = 0
  }

  /** Ends the connections without work. */
  close(): void {
    for (const { line, timer } of this.#idle) {
      clearTimeout(timer)
      line.client.quit()
    }
    this.#idle = []
  }
}
