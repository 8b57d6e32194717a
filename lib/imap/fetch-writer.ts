/** Answers FETCH: other sessions run every few milliseconds, and a client that reads slowly is waited for. */
import { describe } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { PeerGone } from '../wire/line.js'
import { Ahead } from './ahead.js'
import type { ImapMailbox } from './backend.js'
import { OctetWriter } from './encode.js'
import { chunk, gone, ItemWriter } from './fetch-content.js'
import { type FetchItem, marksSeen } from './fetch-item.js'
import { flagText } from './flag-text.js'
import type { Session } from './session.js'
import type { Ranges } from './set.js'

/** How many messages are marked \Seen at a time. */
const seenAtOnce = 100

/** Writers that nobody uses now: a session that fetches little does not pay for the room of one that fetches much. */
const spare: OctetWriter[] = []
const maxSpare = 4

export class FetchWriter {
  readonly #session: Session
  readonly #mailbox: ImapMailbox
  readonly #items: readonly FetchItem[]
  readonly #out = spare.pop() ?? new OctetWriter(2 * chunk)
  readonly #content: ItemWriter
  /** Whether the flags of a message that is marked \Seen must be told besides what was asked for. */
  readonly #tellsFlags: boolean
  readonly #marks: boolean
  #markedTo = 0
  /** UIDs that were marked \Seen for this FETCH. */
  readonly #marked = new Set<number>()

  constructor(session: Session, mailbox: ImapMailbox, items: readonly FetchItem[]) {
    this.#session = session
    this.#mailbox = mailbox
    this.#items = items
    this.#content = new ItemWriter(session, mailbox, items, this.#out, () => this.#hand())
    const may = !mailbox.readOnly && (mailbox.mayChange?.('\\Seen') ?? true)
    this.#marks = may && items.some(marksSeen)
    this.#tellsFlags = !items.some(item => item.kind === 'flags')
  }

  /** Answers for the messages at these positions. To be called once. @returns how many of them are gone */
  async run(spans: Ranges): Promise<number> {
    try {
      return await this.#run(spans)
    } finally {
      this.#out.truncate(0)
      if (spare.length < maxSpare) spare.push(this.#out)
    }
  }

  async #run(spans: Ranges): Promise<number> {
    const { uids } = this.#mailbox
    let missing = 0
    const pacer = new Pacer()
    const ahead = new Ahead(this.#mailbox, this.#items, spans)
    const unknown = ahead.isRendered ? this.#mailbox.prepareCache() : undefined
    if (unknown) await unknown
    for (const [from, to] of spans)
      for (let at = from; at < to; at++) {
        const waiting = ahead.next()
        if (waiting) await waiting
        if (this.#marks && at >= this.#markedTo) await this.#markSeen(at, Math.min(to, at + seenAtOnce))
        const start = this.#out.length
        const sent = this.#message(at + 1, uids[at] as number)
        if (!(typeof sent === 'boolean' ? sent : await sent)) {
          this.#out.truncate(start)
          missing++
        }
        if (this.#out.length >= chunk) this.#hand()
        if (pacer.isOver) await this.#pause(pacer)
      }
    this.#hand()
    return missing
  }

  #hand(): void {
    if (this.#out.length > 0) this.#session.connection.write(this.#out.take())
  }

  /** Lets others run, and a slow client catch up. */
  async #pause(pacer: Pacer): Promise<void> {
    const { connection, reader } = this.#session
    this.#hand()
    await connection.drain(reader.timeout)
    await pacer.rest()
  }

  /** Marking fails where the disk is full; the client may read all the same. */
  async #markSeen(from: number, to: number): Promise<void> {
    this.#markedTo = to
    const fresh: number[] = []
    for (let at = from; at < to; at++) {
      const uid = this.#mailbox.uids[at] as number
      if (this.#mailbox.flags(uid)?.includes('\\Seen') === false) fresh.push(uid)
    }
    if (fresh.length === 0) return
    try {
      const { changed } = await this.#mailbox.store(fresh, { mode: 'add', flags: ['\\Seen'] })
      for (const uid of changed) this.#marked.add(uid)
    } catch (error) {
      this.#session.log.warning('seen-not-marked', { reason: describe(error) })
    }
  }

  /**
   * Writes one FETCH response; at once, unless it holds something too large to be gathered.
   *
   * @returns false when the message is gone; what was written of it must not be sent
   */
  #message(seq: number, uid: number): boolean | Promise<boolean> {
    this.#content.begin(uid)
    this.#out.text('* ').number(seq).text(' FETCH (')
    try {
      return this.#from(0, uid)
    } catch (error) {
      if (error === gone) return false
      throw error
    }
  }

  /** Writes the items from one of them on, and the end. */
  #from(first: number, uid: number): boolean | Promise<boolean> {
    const items = this.#items
    for (let at = first; at < items.length; at++) {
      if (at > 0) this.#out.text(' ')
      const sent = this.#content.write(items[at] as FetchItem)
      if (sent) return sent.then(() => this.#from(at + 1, uid)).catch(lost)
    }
    if (this.#marked.has(uid)) this.#tellMarked(uid)
    this.#out.text(')\r\n')
    return true
  }

  #tellMarked(uid: number): void {
    if (this.#tellsFlags)
      this.#out.text(` FLAGS (${flagText(this.#session, this.#mailbox, uid) ?? '\\Seen'})`)
    if (this.#session.condstore && !this.#items.some(item => item.kind === 'modseq'))
      this.#out.text(` MODSEQ (${this.#mailbox.modseq(uid)})`)
  }
}

/** Half an answer has been sent: there is no way to go on. */
function lost(error: unknown): never {
  throw error === gone ? new PeerGone('a message vanished while it was sent') : error
}
