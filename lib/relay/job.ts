/** Entries under way in this process: claimed once, shared by the destinations that work on one at the same time. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Claimed } from '../queue/claimed.js'
import type { Attempt } from '../queue/dialogue.js'
import { type Envelope, isFinished } from '../queue/entry.js'
import type { Queue } from '../queue/queue.js'
import { Mutex } from '../sys/mutex.js'

/** How long to wait before a write that failed is tried again, in milliseconds. */
const retryWrite = 1_000

export class Workbench {
  readonly #queue: Queue
  readonly #jobs = new Map<string, Promise<Job | 'taken' | undefined>>()
  /** Called when nobody here works on an entry any more; `left` tells whether it is still in the queue. */
  readonly #closed: (id: string, left: boolean) => void
  readonly #givenUp = new AbortController()

  constructor(queue: Queue, closed: (id: string, left: boolean) => void) {
    this.#queue = queue
    this.#closed = closed
  }

  has(id: string): boolean {
    return this.#jobs.has(id)
  }

  get size(): number {
    return this.#jobs.size
  }

  /** @returns undefined when the entry is gone; 'taken' while another process works on it */
  async open(id: string): Promise<Job | 'taken' | undefined> {
    const known = this.#jobs.get(id)
    if (known) {
      const job = await known
      if (job instanceof Job) {
        if (job.join()) return job
        await job.ended
      }
      return this.open(id)
    }
    const opening = this.#open(id)
    this.#jobs.set(id, opening)
    try {
      const job = await opening
      if (!(job instanceof Job)) this.#jobs.delete(id)
      return job
    } catch (error) {
      this.#jobs.delete(id)
      throw error
    }
  }

  /** Waits no longer for a disk that takes nothing. */
  giveUp(): void {
    this.#givenUp.abort()
  }

  async #open(id: string): Promise<Job | 'taken' | undefined> {
    const claimed = await this.#queue.claim(id)
    if (!claimed || claimed === 'taken') return claimed
    return new Job(claimed, this.#givenUp.signal, left => {
      this.#jobs.delete(id)
      this.#closed(id, left)
    })
  }
}

export class Job {
  readonly #claimed: Claimed
  readonly #givenUp: AbortSignal
  readonly #onEnd: (left: boolean) => void
  readonly #mutex = new Mutex()
  #users = 1
  #end: () => void = () => {}
  /** Resolves when the last one has left, and the entry is somebody else's to open. */
  readonly ended = new Promise<void>(resolve => {
    this.#end = resolve
  })
  #envelope: Envelope
  /** Whether #envelope is what stands on disk. */
  #saved = true

  constructor(claimed: Claimed, givenUp: AbortSignal, onEnd: (left: boolean) => void) {
    this.#claimed = claimed
    this.#givenUp = givenUp
    this.#envelope = claimed.envelope
    this.#onEnd = onEnd
  }

  get id(): string {
    return this.#claimed.id
  }

  get envelope(): Envelope {
    return this.#envelope
  }

  get messagePath(): string {
    return this.#claimed.paths.message
  }

  /** Joins in; false when the last one is just leaving. */
  join(): boolean {
    if (this.#users === 0) return false
    this.#users++
    return true
  }

  /**
   * Changes the envelope; on disk when this resolves, unless the entry is finished and about to be removed anyway.
   */
  update(change: (envelope: Envelope) => Envelope): Promise<void> {
    return this.#mutex.run(async () => {
      this.#envelope = change(this.#envelope)
      this.#saved = false
      if (!isFinished(this.#envelope) || this.#users > 1) await this.#save()
    })
  }

  record(attempt: Attempt): void {
    this.#claimed.record(attempt)
  }

  /**
   * Leaves; the last one to leave removes a finished entry and lets another go. What a full disk keeps from being
   * written is known only here: the entry is kept until it can be, for else a message that was delivered would be
   * sent once more.
   */
  async close(): Promise<void> {
    if (--this.#users > 0) return
    const finished = isFinished(this.#envelope)
    try {
      await this.#mutex.run(() =>
        this.#persist(() => (finished ? this.#claimed.remove() : this.#saveIfNeeded())),
      )
    } finally {
      // A claim that stays would keep this entry from everybody as long as this process lives.
      await this.#persist(() => this.#claimed.release()).catch(() => {})
      this.#onEnd(!finished)
      this.#end()
    }
  }

  async #persist(write: () => Promise<void>): Promise<void> {
    for (;;)
      try {
        return await write()
      } catch (error) {
        if (this.#givenUp.aborted) throw error
        await delay(retryWrite, undefined, { signal: this.#givenUp }).catch(() => {})
      }
  }

  async #saveIfNeeded(): Promise<void> {
    if (!this.#saved) await this.#save()
  }

  async #save(): Promise<void> {
    await this.#claimed.save(this.#envelope)
    this.#saved = true
  }
}
