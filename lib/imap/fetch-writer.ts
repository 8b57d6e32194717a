/**
 * Writes the answers of FETCH. Other sessions run every few milliseconds, a client that reads slowly is waited for,
 * and what was rendered once (ENVELOPE, BODYSTRUCTURE, chosen header fields) is kept as the octets of the answer.
 */
import { setImmediate as yielding } from 'node:timers/promises'
import { formatInternalDate } from '../message/date.js'
import { describe } from '../sys/error.js'
import { PeerGone } from '../wire/line.js'
import type { ImapMailbox } from './backend.js'
import { writeStructure } from './bodystructure.js'
import { MessageContent } from './content.js'
import { OctetWriter } from './encode.js'
import { writeEnvelope } from './envelope.js'
import type { FetchItem, SectionItem } from './fetch-item.js'
import type { Session } from './session.js'
import type { Ranges } from './set.js'
import { flagText } from './updates.js'

/** Longest piece of work before others run, in milliseconds. */
const slice = 8
/** So much is gathered before it is handed to the connection, in octets. */
const chunk = 64 * 1024
/** Larger sections are not gathered but sent in pieces, as fast as the client reads. */
const large = 256 * 1024
/** How many messages are marked \Seen at a time. */
const seenAtOnce = 100

/** Writers that nobody uses now: a session that fetches little does not pay for the room of one that fetches much. */
const spare: OctetWriter[] = []
const maxSpare = 4

/** The message is not there any more. */
const gone = Symbol('gone')

export class FetchWriter {
  readonly #session: Session
  readonly #mailbox: ImapMailbox
  readonly #items: readonly FetchItem[]
  readonly #marks: boolean
  readonly #out = spare.pop() ?? new OctetWriter(2 * chunk)
  #content: MessageContent | undefined
  #markedTo = 0
  /** UIDs that were marked \Seen for this FETCH; their flags are told. */
  readonly #marked = new Set<number>()

  constructor(session: Session, mailbox: ImapMailbox, items: readonly FetchItem[]) {
    this.#session = session
    this.#mailbox = mailbox
    this.#items = items
    this.#marks = !mailbox.readOnly && items.some(item => item.kind === 'section' && !item.peek)
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
    let until = performance.now() + slice
    for (const [from, to] of spans)
      for (let at = from; at < to; at++) {
        if (this.#marks && at >= this.#markedTo) await this.#markSeen(at, Math.min(to, at + seenAtOnce))
        const start = this.#out.length
        const sent = this.#message(at + 1, uids[at] as number)
        if (!(typeof sent === 'boolean' ? sent : await sent)) {
          this.#out.truncate(start)
          missing++
        }
        if (this.#out.length >= chunk) this.#hand()
        if (performance.now() > until) {
          await this.#pause()
          until = performance.now() + slice
        }
      }
    this.#hand()
    return missing
  }

  #hand(): void {
    if (this.#out.length > 0) this.#session.connection.write(this.#out.take())
  }

  /** Lets others run, and a slow client catch up. */
  async #pause(): Promise<void> {
    const { connection, reader } = this.#session
    this.#hand()
    await connection.drain(reader.timeout)
    await yielding()
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
      const { expunged } = await this.#mailbox.store(fresh, { mode: 'add', flags: ['\\Seen'] })
      for (const uid of fresh) if (!expunged.includes(uid)) this.#marked.add(uid)
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
    this.#content = undefined
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
      const sent = this.#item(items[at] as FetchItem, uid)
      if (sent) return sent.then(() => this.#from(at + 1, uid)).catch(lost)
    }
    if (this.#marked.has(uid) && !items.some(item => item.kind === 'flags'))
      this.#out.text(` FLAGS (${flagText(this.#mailbox, uid) ?? '\\Seen'})`)
    this.#out.text(')\r\n')
    return true
  }

  #item(item: FetchItem, uid: number): Promise<void> | undefined {
    const out = this.#out
    const mailbox = this.#mailbox
    switch (item.kind) {
      case 'uid':
        out.text('UID ').number(uid)
        return undefined
      case 'flags':
        out
          .text('FLAGS (')
          .text(present(flagText(mailbox, uid)))
          .text(')')
        return undefined
      case 'date':
        out.text(`INTERNALDATE "${formatInternalDate(present(mailbox.date(uid)))}"`)
        return undefined
      case 'size':
        out.text('RFC822.SIZE ').number(present(mailbox.size(uid)))
        return undefined
      case 'section':
        return item.fields && item.numbers.length === 0 && !item.partial
          ? this.#fields(item, uid)
          : this.#section(item, uid)
      default:
        this.#rendered(item.kind, uid)
        return undefined
    }
  }

  #rendered(kind: 'envelope' | 'body' | 'structure', uid: number): void {
    const out = this.#out
    out.text(kind === 'envelope' ? 'ENVELOPE ' : kind === 'body' ? 'BODY ' : 'BODYSTRUCTURE ')
    const kept = this.#mailbox.cached(uid, kind)
    if (kept) {
      out.octets(kept)
      return
    }
    const start = out.length
    if (kind === 'envelope') writeEnvelope(out, this.#read(uid).header)
    else writeStructure(out, this.#read(uid).part, kind === 'structure')
    this.#mailbox.keep(uid, kind, out.copyFrom(start))
  }

  /** HEADER.FIELDS of the message itself: what a client asks of one message, it asks of all of them, and again. */
  #fields(item: SectionItem, uid: number): undefined {
    const kind = item.fields?.key ?? ''
    let octets = this.#mailbox.cached(uid, kind)
    if (!octets) {
      octets = this.#read(uid).section(item) ?? Buffer.alloc(0)
      this.#mailbox.keep(uid, kind, octets)
    }
    this.#out.text(item.label).text(' ').literal(octets)
  }

  #section(item: SectionItem, uid: number): Promise<void> | undefined {
    const out = this.#out
    out.text(item.label).text(' ')
    const octets = this.#wire(item, uid)
    if (!octets) {
      out.text('NIL')
      return undefined
    }
    const { partial } = item
    const asked = partial ? octets.subarray(partial.offset, partial.offset + partial.length) : octets
    if (asked.length > large) return this.#stream(asked)
    out.literal(asked)
    return undefined
  }

  /** A section's octets. A client that fetches a large one in pieces does not cost a scan for each. */
  #wire(item: SectionItem, uid: number): Buffer | undefined {
    if (!item.partial) return this.#read(uid).section(item)
    const key = `${uid} ${item.numbers.join('.')} ${item.section} ${item.fields?.key ?? ''}`
    const { lastSection } = this.#session
    if (lastSection?.key === key && lastSection.mailbox === this.#mailbox) return lastSection.octets
    const octets = this.#read(uid).section(item)
    if (octets && octets.length > large) this.#session.lastSection = { mailbox: this.#mailbox, key, octets }
    return octets
  }

  async #stream(octets: Buffer): Promise<void> {
    const { connection, reader } = this.#session
    this.#out.text(`{${octets.length}}\r\n`)
    this.#hand()
    for (let at = 0; at < octets.length; at += chunk) {
      connection.write(octets.subarray(at, at + chunk))
      await connection.drain(reader.timeout)
    }
  }

  #read(uid: number): MessageContent {
    if (this.#content) return this.#content
    const octets = this.#mailbox.read(uid)
    if (!octets) throw gone
    this.#content = new MessageContent(octets)
    return this.#content
  }
}

/** Half an answer has been sent: there is no way to go on. */
function lost(error: unknown): never {
  throw error === gone ? new PeerGone('a message vanished while it was sent') : error
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw gone
  return value
}
