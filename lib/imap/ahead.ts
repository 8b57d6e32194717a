/**
 * A long FETCH of what was not rendered yet: while one part of the messages is rendered and sent here, the backend may
 * render the next on a thread.
 */
import type { ImapMailbox } from './backend.js'
import type { FetchItem } from './fetch-item.js'
import { type Rendered, renderedOf } from './render.js'
import type { Ranges } from './set.js'

/** How many messages are rendered here, then as many there. */
const part = 100
/** So many parts are asked for before the first is needed, so that the thread never waits. */
const lead = 2

export class Ahead {
  readonly #mailbox: ImapMailbox
  readonly #rendered: readonly Rendered[]
  readonly #uids: number[] = []
  readonly #asked: Promise<void>[] = []
  #done = 0

  constructor(mailbox: ImapMailbox, items: readonly FetchItem[], spans: Ranges) {
    this.#mailbox = mailbox
    this.#rendered = renderedOf(items)
    const count = spans.reduce((sum, [from, to]) => sum + to - from, 0)
    if (this.#rendered.length === 0 || count < 2 * part) return
    for (const [from, to] of spans)
      for (let at = from; at < to; at++) this.#uids.push(mailbox.uids[at] as number)
  }

  /** To be called before each message. @returns what to wait for */
  next(): Promise<void> | undefined {
    const at = this.#done++
    if (this.#uids.length === 0 || at % part !== 0) return undefined
    const now = at / part
    // Parts with even numbers are for this thread.
    while (this.#asked.length * 2 + 1 < now + 2 * lead)
      this.#asked.push(this.#ask(this.#asked.length * 2 + 1))
    return now % 2 === 1 ? this.#asked[(now - 1) / 2] : undefined
  }

  async #ask(number: number): Promise<void> {
    const uids = this.#uids.slice(number * part, (number + 1) * part)
    const isKept = (uid: number) =>
      this.#rendered.every(({ kind }) => this.#mailbox.cached(uid, kind) !== undefined)
    if (uids.length === 0 || (isKept(uids[0]!) && isKept(uids.at(-1)!))) return
    await this.#mailbox.renderAhead(uids, this.#rendered)
  }
}
