/**
 * The headlines of a mailbox's messages as columns in memory, so that sorting and threading once more reads nothing.
 * They are filled when first asked; kept.ts has them on disk, and lets go of those that nobody asks for. A hundred
 * thousand messages cost some 20 MB.
 */
import { Mutex } from '../sys/mutex.js'
import type { Pacer } from '../sys/pacer.js'
import { readHead } from './digest.js'
import { type Headline, type HeadlineText, headlineTexts, makeHeadline } from './headline.js'
import { Ids } from './ids.js'
import type { State } from './state.js'
import { Texts } from './texts.js'

/** Called now and then with how much of a long work is done. */
export type Progress = (done: number, goal: number) => void

/** One row of columns a message. */
export interface Rows {
  uids: Uint32Array
  /** Sent date in seconds since 1970, or NaN. */
  sent: Float64Array
  /** 1 for a subject that says Re: or the like. */
  replies: Uint8Array
  /** The number of the Message-ID; 0 for none. */
  ids: Uint32Array
  /** Where a row's references begin among all references, and how many they are. */
  referenceStarts: Uint32Array
  referenceCounts: Uint8Array
  /** 1 where the rest of the row is filled. */
  known: Uint8Array
  /** The number of each text: equal ones for equal texts, 0 for none. */
  texts: Record<HeadlineText, Uint32Array>
}

/** Room for a text on its way to where it stays. */
const scratch = Buffer.alloc(4_096)

/** Columns by row; rows are in the order of the UIDs. */
export class Columns {
  /** UIDVALIDITY that the UIDs belong to. */
  readonly validity: number
  count = 0
  rows: Rows = emptyRows(64)
  /** Numbers of Message-IDs. */
  references = new Uint32Array(64)
  referenceEnd = 0
  numbers = new Ids()
  subjects = new Texts()
  mailboxes = new Texts()
  names = new Texts()
  /** How many rows were filled since they were written down. */
  unkept = 0
  readonly #filling = new Mutex()

  constructor(validity: number) {
    this.validity = validity
  }

  #poolOf(name: HeadlineText): Texts {
    if (name === 'subject') return this.subjects
    return name === 'displayfrom' || name === 'displayto' ? this.names : this.mailboxes
  }

  /** The ranks of a text's numbers; to be read before the next await. */
  ranksOf(name: HeadlineText, pacer: Pacer): Promise<Uint32Array> {
    return this.#poolOf(name).ranks(pacer)
  }

  /** Takes notice of messages. @param uids ascending */
  follow(uids: ArrayLike<number>): void {
    const last = this.count === 0 ? 0 : this.rows.uids[this.count - 1]!
    let first = uids.length
    while (first > 0 && uids[first - 1]! > last) first--
    const count = this.count + uids.length - first
    if (count > this.rows.uids.length) this.rows = resized(this.rows, Math.max(count, this.count * 2))
    for (let i = first; i < uids.length; i++) this.rows.uids[this.count++] = uids[i]!
  }

  /** The rows of messages; those that are not known of are left out. @param uids ascending */
  rowsOf(uids: ArrayLike<number>): Uint32Array<ArrayBuffer> {
    const known = this.rows.uids
    const rows = new Uint32Array(uids.length)
    let found = 0
    for (let i = 0, row = 0; i < uids.length && row < this.count; i++) {
      while (row < this.count && known[row]! < uids[i]!) row++
      if (row < this.count && known[row] === uids[i]) rows[found++] = row
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
    if (this.#areKnown(rows)) return rows
    await this.#filling.run(async () => {
      for (const table of [this.numbers, this.subjects, this.mailboxes, this.names]) {
        table.index()
        if (pacer.isOver) await pacer.rest()
      }
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!
        if (this.rows.known[row] === 1) continue
        const header = readHead(state, this.rows.uids[row]!)
        if (header) this.put(row, makeHeadline(header))
        if (!pacer.isOver) continue
        progress?.(i, rows.length)
        await pacer.rest()
      }
    })
    return rows.filter(row => this.rows.known[row] === 1)
  }

  #areKnown(rows: Uint32Array): boolean {
    const { known } = this.rows
    for (let i = 0; i < rows.length; i++) if (known[rows[i]!] === 0) return false
    return true
  }

  /** Those of some rows whose messages a mailbox has. @param rows ascending. @param uids ascending, `count` of them */
  present(rows: Uint32Array<ArrayBuffer>, uids: Uint32Array, count: number): Uint32Array<ArrayBuffer> {
    const found = new Uint32Array(rows.length)
    let length = 0
    for (let i = 0, at = 0; i < rows.length; i++) {
      const uid = this.rows.uids[rows[i]!]!
      while (at < count && uids[at]! < uid) at++
      if (at < count && uids[at] === uid) found[length++] = rows[i]!
    }
    return length === rows.length ? rows : found.slice(0, length)
  }

  /** Fills a row. */
  put(row: number, { texts, sent, isReply, id, references }: Headline): void {
    const { rows } = this
    rows.known[row] = 1
    rows.sent[row] = sent
    rows.replies[row] = isReply ? 1 : 0
    rows.ids[row] = this.numbers.add(id)
    for (const [i, name] of headlineTexts.entries())
      rows.texts[name][row] = this.#poolOf(name).add(scratch, 0, scratch.write(texts[i]!))
    rows.referenceStarts[row] = this.referenceEnd
    rows.referenceCounts[row] = references.length
    const wanted = this.referenceEnd + references.length
    if (wanted > this.references.length) this.references = grown(this.references, Math.ceil(wanted * 1.5))
    for (const hash of references) this.references[this.referenceEnd++] = this.numbers.add(hash)
    this.unkept++
  }

  /** Lets go of rows whose messages are gone; nobody may hold numbers of rows meanwhile. */
  drop(isGone: (uid: number) => boolean): void {
    const { rows } = this
    let to = 0
    for (let from = 0; from < this.count; from++) {
      if (isGone(rows.uids[from]!)) continue
      if (from > to) for (const column of columnsIn(rows)) column[to] = column[from]!
      to++
    }
    for (const column of columnsIn(rows)) column.fill(0, to, this.count)
    this.count = to
  }
}

/** All columns. */
export function columnsIn({ texts, ...rows }: Rows): (Uint8Array | Uint32Array | Float64Array)[] {
  return [...Object.values(rows), ...headlineTexts.map(name => texts[name])]
}

export function emptyRows(length: number): Rows {
  const column = () => new Uint32Array(length)
  return {
    uids: column(),
    sent: new Float64Array(length),
    replies: new Uint8Array(length),
    ids: column(),
    referenceStarts: column(),
    referenceCounts: new Uint8Array(length),
    known: new Uint8Array(length),
    texts: {
      subject: column(),
      from: column(),
      to: column(),
      cc: column(),
      displayfrom: column(),
      displayto: column(),
    },
  }
}

function resized(rows: Rows, length: number): Rows {
  const next = emptyRows(length)
  const old = columnsIn(rows)
  for (const [i, column] of columnsIn(next).entries()) column.set(old[i]!)
  return next
}

function grown(column: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(length)
  next.set(column)
  return next
}
