/**
 * A long FETCH of what was not rendered yet: parts of the messages are rendered by a thread of the backend, and those
 * between by the one that serves, as many as keep both busy.
 */
import type { ImapMailbox } from './backend.js'
import type { FetchItem } from './fetch-item.js'
import { type Rendered, renderedOf } from './render.js'
import type { Ranges } from './set.js'

/** How many messages the thread renders at a time. */
const part = 100
/** So many parts are asked for before the first is needed, so that the thread never waits. */
const lead = 6
/** How many messages between two such parts are rendered here. */
const fewestHere = 10
const mostHere = 1_000
/** Rendering here ends after so many milliseconds, so that others run. */
const slice = 4

/** Messages from one place to another that the thread renders. */
interface Part {
  readonly start: number
  readonly end: number
  readonly done: Promise<() => void>
  keep: (() => void) | undefined
}

export class Ahead {
  readonly #mailbox: ImapMailbox
  readonly #rendered: readonly Rendered[]
  readonly #uids: number[] = []
  /** What the thread has been asked for and nobody needed yet. */
  readonly #asked: Part[] = []
  /** Up to which message all is asked for, or left to be rendered here. */
  #planned = 0
  /** Up to which message all is rendered, as far as it can be. */
  #ready = 0
  #here = part
  #at = 0

  constructor(mailbox: ImapMailbox, items: readonly FetchItem[], spans: Ranges) {
    this.#mailbox = mailbox
    this.#rendered = renderedOf(items)
    const count = spans.reduce((sum, [from, to]) => sum + to - from, 0)
    if (this.#rendered.length === 0 || count < 2 * part) return
    for (const [from, to] of spans)
      for (let at = from; at < to; at++) this.#uids.push(mailbox.uids[at] as number)
  }

  /** Whether anything is asked for that is kept once it was rendered. */
  get isRendered(): boolean {
    return this.#rendered.length > 0
  }

  /** To be called before each message. @returns what to wait for */
  next(): Promise<void> | undefined {
    const at = this.#at++
    if (at < this.#ready || at >= this.#uids.length) return undefined
    const next = this.#asked[0]
    if (next?.start !== at) {
      this.#plan()
      this.#renderHere(at, this.#asked[0]?.start ?? this.#uids.length)
      return undefined
    }
    this.#asked.shift()
    this.#ready = next.end
    if (next.keep) {
      this.#balance(0)
      this.#plan()
      this.#keep(next.keep, at)
      return undefined
    }
    this.#plan()
    const started = performance.now()
    return next.done.then(keep => {
      this.#balance(performance.now() - started)
      this.#keep(keep, at)
    })
  }

  /** Whoever waits for the other has too little to do. @param waited how long this thread did, in milliseconds */
  #balance(waited: number): void {
    if (waited > 1) this.#here = Math.min(mostHere, Math.ceil(this.#here * 1.2))
    else if (this.#asked.every(({ keep }) => keep)) this.#here = Math.max(fewestHere, this.#here * 0.8)
  }

  #keep(keep: () => void, at: number): void {
    keep()
    this.#requireKept(at, this.#ready)
  }

  #renderHere(start: number, end: number): void {
    const uids = this.#uids.slice(start, Math.min(end, start + part))
    this.#ready = start + this.#mailbox.renderHere(uids, this.#rendered, performance.now() + slice)
    this.#requireKept(start, this.#ready)
  }

  /** Where nothing can be kept, all of it would be for nothing. */
  #requireKept(start: number, end: number): void {
    for (let at = start; at < end; at++) if (this.#isKept(this.#uids[at] as number)) return
    this.#uids.length = 0
  }

  #isKept(uid: number): boolean {
    return this.#rendered.every(({ kind }) => this.#mailbox.isCached(uid, kind))
  }

  /** Asks the thread for more. */
  #plan(): void {
    const { length } = this.#uids
    this.#planned = Math.max(this.#planned, this.#ready)
    while (this.#asked.length < lead && this.#planned < length) {
      const start = this.#planned + Math.floor(this.#here)
      const end = Math.min(length, start + part)
      if (start >= length) return
      const uids = this.#uids.slice(start, end).filter(uid => !this.#isKept(uid))
      const done = uids.length > 0 ? this.#mailbox.renderThere(uids, this.#rendered) : nothing
      if (!done) return
      const asked: Part = { start, end, done, keep: undefined }
      void done.then(keep => {
        asked.keep = keep
      })
      this.#asked.push(asked)
      this.#planned = end
    }
  }
}

const nothing: Promise<() => void> = Promise.resolve(() => {})
