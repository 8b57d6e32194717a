/**
 * The headlines of a mailbox's messages as columns in memory, so that sorting and threading once more reads nothing.
 * They are filled when first asked, from the cache where it knows, and let go when nobody has asked for a while: a
 * hundred thousand messages cost some 20 MB.
 */
import { Mutex } from '../sys/mutex.js'
import type { Pacer } from '../sys/pacer.js'
import { readHead } from './digest.js'
import {
  decodeHeadline,
  encodeHeadline,
  type Headline,
  type HeadlineText,
  headlineTexts,
  makeHeadline,
} from './headline.js'
import { Ids } from './ids.js'
import type { State } from './state.js'
import { Texts } from './texts.js'

/** Under which kind headlines stand in the cache; another number when what they hold changes. */
const kind = 'headline1'
/** How long columns stay that nobody asks for, in milliseconds. */
const linger = 300_000
/** Rows of messages that are gone are let go of when they are so many, and most. */
const manyGone = 1_000

/** Called now and then with how much of a long work is done. */
export type Progress = (done: number, goal: number) => void

/** Columns by row; a row is one message, and rows are in the order of the UIDs. */
export class Columns {
  /** UIDVALIDITY that the UIDs belong to. */
  readonly validity: number
  count = 0
  uids = new Uint32Array(64)
  /** Sent date in seconds since 1970, or NaN. */
  sent = new Float64Array(64)
  /** 1 for a subject that says Re: or the like. */
  replies = new Uint8Array(64)
  /** The number of the Message-ID; 0 for none. */
  ids = new Uint32Array(64)
  /** Where a row's references begin in {@link references}, and how many they are. */
  referenceStarts = new Uint32Array(64)
  referenceCounts = new Uint8Array(64)
  /** Numbers of Message-IDs. */
  references = new Uint32Array(64)
  readonly numbers = new Ids()
  /** 1 where the rest of the row is filled. */
  #known = new Uint8Array(64)
  readonly #texts: Record<HeadlineText, Uint32Array<ArrayBuffer>>
  readonly #pools: Readonly<Record<HeadlineText, Texts>>
  readonly #filling = new Mutex()
  #referenceEnd = 0

  constructor(validity: number) {
    this.validity = validity
    const column = () => new Uint32Array(64)
    this.#texts = {
      subject: column(),
      from: column(),
      to: column(),
      cc: column(),
      displayfrom: column(),
      displayto: column(),
    }
    const [subjects, mailboxes, names] = [new Texts(), new Texts(), new Texts()]
    this.#pools = {
      subject: subjects,
      from: mailboxes,
      to: mailboxes,
      cc: mailboxes,
      displayfrom: names,
      displayto: names,
    }
  }

  /** The numbers of a text by row: equal ones for equal texts, 0 for none. */
  textsOf(name: HeadlineText): Uint32Array {
    return this.#texts[name]
  }

  /** The ranks of a text's numbers; to be read before the next await. */
  ranksOf(name: HeadlineText, pacer: Pacer): Promise<Uint32Array> {
    return this.#pools[name].ranks(pacer)
  }

  /** Takes notice of messages. @param uids ascending */
  follow(uids: ArrayLike<number>): void {
    const last = this.count === 0 ? 0 : this.uids[this.count - 1]!
    let first = uids.length
    while (first > 0 && uids[first - 1]! > last) first--
    const count = this.count + uids.length - first
    if (count > this.uids.length) this.#resize(Math.max(count, this.count * 2))
    for (let i = first; i < uids.length; i++) this.uids[this.count++] = uids[i]!
  }

  /** The rows of messages; those that are not known of are left out. @param uids ascending */
  rowsOf(uids: ArrayLike<number>): Uint32Array<ArrayBuffer> {
    const rows = new Uint32Array(uids.length)
    let found = 0
    for (let i = 0, row = 0; i < uids.length && row < this.count; i++) {
      while (row < this.count && this.uids[row]! < uids[i]!) row++
      if (row < this.count && this.uids[row] === uids[i]) rows[found++] = row
    }
    return rows.slice(0, found)
  }

  /** Finds out what is not known of rows. @returns those whose messages are there */
  async fill(
    state: State,
    rows: Uint32Array<ArrayBuffer>,
    pacer: Pacer,
    progress?: Progress,
  ): Promise<Uint32Array<ArrayBuffer>> {
    await this.#filling.run(async () => {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!
        if (this.#known[row] === 1) continue
        const headline = headlineOf(state, this.uids[row]!)
        if (headline) this.#put(row, headline)
        if (!pacer.isOver) continue
        progress?.(i, rows.length)
        await pacer.rest()
      }
    })
    return rows.filter(row => this.#known[row] === 1)
  }

  #put(row: number, headline: Headline): void {
    this.#known[row] = 1
    this.sent[row] = headline.sent
    this.replies[row] = headline.isReply ? 1 : 0
    this.ids[row] = this.numbers.add(headline.id)
    for (const [i, name] of headlineTexts.entries())
      this.#texts[name][row] = this.#pools[name].add(headline.texts[i]!)
    const { references } = headline
    this.referenceStarts[row] = this.#referenceEnd
    this.referenceCounts[row] = references.length
    if (this.#referenceEnd + references.length > this.references.length)
      this.references = grown(this.references, Math.ceil(this.references.length * 1.5) + references.length)
    for (const hash of references) this.references[this.#referenceEnd++] = this.numbers.add(hash)
  }

  #resize(length: number): void {
    this.uids = grown(this.uids, length)
    this.sent = grown(this.sent, length)
    this.replies = grown(this.replies, length)
    this.ids = grown(this.ids, length)
    this.referenceStarts = grown(this.referenceStarts, length)
    this.referenceCounts = grown(this.referenceCounts, length)
    this.#known = grown(this.#known, length)
    for (const name of headlineTexts) this.#texts[name] = grown(this.#texts[name], length)
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(column: T, length: number): T {
  const next = new (column.constructor as new (length: number) => T)(length)
  next.set(column)
  return next
}

/** The headline of a message, from the cache or from its header; undefined when it is gone. */
function headlineOf(state: State, uid: number): Headline | undefined {
  const cached = state.cache.get(uid, kind)
  const headline = cached && decodeHeadline(cached)
  if (headline) return headline
  const header = readHead(state, uid)
  if (!header) return undefined
  const octets = encodeHeadline(makeHeadline(header))
  state.cache.put(uid, kind, octets)
  return decodeHeadline(octets)
}

interface Held {
  columns: Columns
  timer: NodeJS.Timeout
}

const held = new WeakMap<State, Held>()

/** The columns of a mailbox, which know of these messages at least. @param uids ascending */
export function columnsOf(state: State, uids: ArrayLike<number>): Columns {
  const before = held.get(state)
  clearTimeout(before?.timer)
  const columns = before && isGood(before.columns, state) ? before.columns : new Columns(state.list.validity)
  const timer = setTimeout(() => held.delete(state), linger).unref()
  held.set(state, { columns, timer })
  columns.follow(uids)
  return columns
}

function isGood({ validity, count }: Columns, { list, table }: State): boolean {
  return validity === list.validity && (count < table.count + manyGone || count < table.count * 2)
}
