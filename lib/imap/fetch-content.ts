/**
 * Writes what FETCH asks of one message. What was rendered once (ENVELOPE, BODYSTRUCTURE, chosen header fields) is
 * kept as the octets of the answer.
 */
import { formatInternalDate } from '../message/date.js'
import { previewOf } from '../message/preview.js'
import type { ImapMailbox } from './backend.js'
import { MessageContent } from './content.js'
import { type OctetWriter, quote } from './encode.js'
import { type BinaryItem, type FetchItem, isChoice, type SectionItem } from './fetch-item.js'
import { flagText } from './flag-text.js'
import { render } from './render.js'
import { no } from './reply.js'
import type { Session } from './session.js'

/** So much is gathered before it is handed to the connection, in octets. */
export const chunk = 64 * 1024
/** Larger sections are not gathered but sent in pieces, as fast as the client reads. */
const large = 256 * 1024
const nothing = Buffer.alloc(0)

/** Thrown when the message is not there any more. */
export const gone = Symbol('gone')

export class ItemWriter {
  readonly #session: Session
  readonly #mailbox: ImapMailbox
  readonly #out: OctetWriter
  readonly #hand: () => void
  /** Whether a message is no longer looked at once its items are written: nothing is sent of its octets later. */
  readonly #isBrief: boolean
  #uid = 0
  #content: MessageContent | undefined

  /** @param items that will be asked for @param hand sends what has been written to `out` */
  constructor(
    session: Session,
    mailbox: ImapMailbox,
    items: readonly FetchItem[],
    out: OctetWriter,
    hand: () => void,
  ) {
    this.#isBrief = items.every(item => item.kind !== 'binary' && (item.kind !== 'section' || isChoice(item)))
    this.#session = session
    this.#mailbox = mailbox
    this.#out = out
    this.#hand = hand
  }

  /** From now on it is about this message. */
  begin(uid: number): void {
    this.#uid = uid
    this.#content = undefined
  }

  /**
   * Writes one item with its name.
   *
   * @returns what to wait for when it is sent in pieces
   * @throws gone
   */
  write(item: FetchItem): Promise<void> | undefined {
    switch (item.kind) {
      case 'section':
        return isChoice(item) ? this.#fields(item) : this.#section(item)
      case 'binary':
        return this.#binary(item)
      case 'envelope':
      case 'body':
      case 'structure':
        this.#rendered(item.kind)
        return undefined
      case 'preview':
        this.#preview(item.lazy)
        return undefined
      default:
        this.#simple(item.kind)
        return undefined
    }
  }

  #simple(
    kind: Exclude<FetchItem['kind'], 'section' | 'binary' | 'envelope' | 'body' | 'structure' | 'preview'>,
  ): void {
    const out = this.#out
    const mailbox = this.#mailbox
    const uid = this.#uid
    switch (kind) {
      case 'uid':
        out.text('UID ').number(uid)
        break
      case 'flags':
        out
          .text('FLAGS (')
          .text(present(flagText(this.#session, mailbox, uid)))
          .text(')')
        break
      case 'modseq':
        out
          .text('MODSEQ (')
          .number(present(mailbox.modseq(uid)))
          .text(')')
        break
      case 'date':
        out.text(`INTERNALDATE "${formatInternalDate(present(mailbox.date(uid)))}"`)
        break
      case 'savedate':
        out.text(`SAVEDATE "${formatInternalDate(present(mailbox.savedDate(uid)))}"`)
        break
      case 'emailid':
        out.text(`EMAILID (${present(mailbox.emailId(uid))})`)
        break
      case 'threadid': {
        const id = present(mailbox.threadId(uid))
        out.text(id === '' ? 'THREADID NIL' : `THREADID (${id})`)
        break
      }
      case 'size':
        out.text('RFC822.SIZE ').number(present(mailbox.size(uid)))
    }
  }

  #rendered(kind: 'envelope' | 'body' | 'structure'): void {
    const out = this.#out
    out.text(kind === 'envelope' ? 'ENVELOPE ' : kind === 'body' ? 'BODY ' : 'BODYSTRUCTURE ')
    const kept = this.#mailbox.cached(this.#uid, kind)
    if (kept) {
      out.octets(kept)
      return
    }
    const start = out.length
    render(out, this.#message, { kind })
    this.#mailbox.keep(this.#uid, kind, out.copyFrom(start))
  }

  /** RFC 8970. A client that cannot wait asks for what is known. */
  #preview(lazy: boolean): void {
    const out = this.#out.text('PREVIEW ')
    let preview = this.#mailbox.cached(this.#uid, 'preview')
    if (!preview && lazy) {
      out.text('NIL')
      return
    }
    if (!preview) {
      const { octets, part } = this.#message
      preview = Buffer.from(previewOf(octets, part))
      this.#mailbox.keep(this.#uid, 'preview', preview)
    }
    out.octets(Buffer.from(quote(preview.toString())))
  }

  /** HEADER.FIELDS of the message itself: what a client asks of one message, it asks of all of them, and again. */
  #fields(item: SectionItem): undefined {
    const kind = item.fields?.key ?? ''
    let octets = this.#mailbox.cached(this.#uid, kind)
    if (!octets) {
      octets = this.#message.section(item) ?? nothing
      this.#mailbox.keep(this.#uid, kind, octets)
    }
    this.#out.text(item.label).text(' ').literal(octets)
  }

  #section(item: SectionItem): Promise<void> | undefined {
    const key = `${item.numbers.join('.')} ${item.section} ${item.fields?.key ?? ''}`
    return this.#send(
      item,
      this.#whole(item, key, () => this.#message.section(item)),
    )
  }

  /** RFC 3516 §4.2: a part without its transfer encoding. */
  #binary(item: BinaryItem): Promise<void> | undefined {
    const octets = this.#whole(item, `${item.numbers.join('.')} binary`, () => {
      const decoded = this.#message.binary(item.numbers)
      if (decoded === 'unknown') throw no('UNKNOWN-CTE', 'Nobody here knows that transfer encoding.')
      return decoded
    })
    if (!item.size) return this.#send(item, octets)
    this.#out
      .text(item.label)
      .text(' ')
      .number(octets?.length ?? 0)
    return undefined
  }

  /** What a piece is cut from. A client that fetches something large in pieces does not cost a scan for each. */
  #whole(item: SectionItem | BinaryItem, key: string, make: () => Buffer | undefined): Buffer | undefined {
    if (!item.partial) return make()
    const whole = `${this.#uid} ${key}`
    const { lastSection } = this.#session
    if (lastSection?.key === whole && lastSection.mailbox === this.#mailbox) return lastSection.octets
    const octets = make()
    if (octets && octets.length > large)
      this.#session.lastSection = { mailbox: this.#mailbox, key: whole, octets }
    return octets
  }

  #send({ label, partial }: SectionItem | BinaryItem, octets: Buffer | undefined): Promise<void> | undefined {
    this.#out.text(label).text(' ')
    if (!octets) {
      this.#out.text('NIL')
      return undefined
    }
    const asked = partial ? octets.subarray(partial.offset, partial.offset + partial.length) : octets
    if (asked.includes(0)) this.#out.text('~')
    if (asked.length > large) return this.#stream(asked)
    this.#out.literal(asked)
    return undefined
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

  get #message(): MessageContent {
    if (this.#content) return this.#content
    const octets = this.#isBrief ? this.#mailbox.glance(this.#uid) : this.#mailbox.read(this.#uid)
    if (!octets) throw gone
    this.#content = new MessageContent(octets)
    return this.#content
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw gone
  return value
}
