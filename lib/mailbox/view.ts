/**
 * What one session has been told of a mailbox: which messages it counts, and in what order. The mailbox goes on; the
 * view stays where the session is until sync(), and what sync() returns may be sent as it stands (RFC 3501 §7.4.1).
 */
import { MailboxGone, type State } from './state.js'

/** News for one session. Numbers are right when the updates are sent in order. */
export type Update =
  /** The message with this number is gone; those above it move down by one. */
  | { readonly kind: 'expunge'; readonly seq: number; readonly uid: number }
  | { readonly kind: 'exists'; readonly count: number }
  | { readonly kind: 'recent'; readonly count: number }
  | {
      readonly kind: 'flags'
      readonly seq: number
      readonly uid: number
      readonly modseq: number
      /** Without \Recent, which isRecent() tells. */
      readonly flags: readonly string[]
    }

export interface SyncOptions {
  /** Whether the session may be told now that messages are gone. */
  readonly expunge: boolean
}

/** One session's view. Made by Mailbox.select(); to be closed. */
export class View {
  /** What its own changes are known by. */
  readonly mark = {}
  readonly readOnly: boolean
  readonly #state: State
  readonly #validity: number
  readonly #recent = new Set<number>()
  /** UIDs told, ascending; shared with the table as long as nothing told is missing from it. */
  #uids: Uint32Array
  #count: number
  #epoch: number
  #tick: number
  #keywords: number
  #toldRecent = 0
  #closed = false

  constructor(state: State, readOnly: boolean) {
    this.#state = state
    this.readOnly = readOnly
    this.#validity = state.list.validity
    this.#uids = state.table.uids
    this.#count = state.table.count
    this.#epoch = state.table.epoch
    this.#tick = state.changes.tick
    this.#keywords = state.flags.keywordCount
    if (!readOnly) state.writers++
    this.#claimRecent(0)
    this.#toldRecent = this.#recent.size
  }

  /** How many messages the session counts. */
  get count(): number {
    return this.#count
  }

  /** UIDs by sequence number less one; good until the next sync(). */
  get uids(): Uint32Array {
    return this.#uids.subarray(0, this.#count)
  }

  /** How many of them are \Recent for this session. */
  get recentCount(): number {
    return this.#recent.size
  }

  /** Whether a message is \Recent for this session. */
  isRecent(uid: number): boolean {
    return this.#recent.has(uid)
  }

  /** The UID of a sequence number, or 0. */
  uidAt(seq: number): number {
    return seq >= 1 && seq <= this.#count ? this.#uids[seq - 1]! : 0
  }

  /** The sequence number of a UID, or 0. */
  seqOf(uid: number): number {
    const at = this.#lowerBound(uid)
    return at < this.#count && this.#uids[at] === uid ? at + 1 : 0
  }

  /** How many told UIDs are below a UID: one less than the sequence number of the first that is not. */
  #lowerBound(uid: number): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#uids[middle]! < uid) low = middle + 1
      else high = middle
    }
    return low
  }

  /** UIDs in a closed range that the session counts, ascending. */
  uidsBetween(first: number, last: number): Uint32Array {
    return this.#uids.subarray(this.#lowerBound(first), Math.min(this.#lowerBound(last + 1), this.#count))
  }

  /** Whether the mailbox has changed in a way that sync() would tell. Costs nothing. */
  get hasNews(): boolean {
    const { table, changes, isGone, list } = this.#state
    if (isGone || list.validity !== this.#validity) return true
    return (
      changes.tick !== this.#tick ||
      table.epoch !== this.#epoch ||
      table.count !== this.#count ||
      this.#recent.size !== this.#toldRecent
    )
  }

  /** Of its own change it need not be told, if it knows of all before. */
  passOver(before: number, after: number): void {
    if (this.#tick === before) this.#tick = after
  }

  /** Whether keywords were added to the mailbox since this was last asked: FLAGS is to be sent again. */
  takeKeywordNews(): boolean {
    const now = this.#state.flags.keywordCount
    const news = now !== this.#keywords
    this.#keywords = now
    return news
  }

  /**
   * Brings the session up to date with what the process knows (refresh() first for what is on disk).
   *
   * @returns what to send, in order
   * @throws MailboxGone when the mailbox was deleted, or its UIDVALIDITY changed
   */
  sync(options: SyncOptions): Update[] {
    const { isGone, list, name } = this.#state
    if (isGone || this.#closed) throw new MailboxGone(`${name} does not exist any more`)
    if (list.validity !== this.#validity) throw new MailboxGone(`${name} was replaced by another mailbox`)
    const updates: Update[] = []
    const lastTold = this.#count === 0 ? 0 : this.#uids[this.#count - 1]!
    this.#syncUids(options.expunge, updates)
    this.#claimRecent(lastTold)
    if (this.#recent.size !== this.#toldRecent) updates.push({ kind: 'recent', count: this.#recent.size })
    this.#toldRecent = this.#recent.size
    this.#syncFlags(lastTold, updates)
    return updates
  }

  #syncUids(mayExpunge: boolean, updates: Update[]): void {
    const { table } = this.#state
    const before = this.#count
    if (this.#epoch !== table.epoch) {
      const gone = mayExpunge ? this.#missing() : []
      for (const seq of gone.reverse()) {
        updates.push({ kind: 'expunge', seq, uid: this.#uids[seq - 1]! })
        this.#recent.delete(this.#uids[seq - 1]!)
      }
      if (mayExpunge) {
        this.#uids = table.uids
        this.#count = table.count
        this.#epoch = table.epoch
        if (this.#count > before - gone.length) updates.push({ kind: 'exists', count: this.#count })
        return
      }
      this.#appendPrivately()
    } else {
      this.#uids = table.uids
      this.#count = table.count
    }
    if (this.#count > before) updates.push({ kind: 'exists', count: this.#count })
  }

  /** Sequence numbers that the table has no more, ascending. */
  #missing(): number[] {
    const { table } = this.#state
    const gone: number[] = []
    let row = 0
    for (let i = 0; i < this.#count; i++) {
      const uid = this.#uids[i]!
      while (row < table.count && table.uids[row]! < uid) row++
      if (row === table.count || table.uids[row] !== uid) gone.push(i + 1)
    }
    return gone
  }

  /** New messages come to the end while told ones that are gone keep their numbers: an array of our own. */
  #appendPrivately(): void {
    const { table } = this.#state
    const last = this.#count === 0 ? 0 : this.#uids[this.#count - 1]!
    let first = table.count
    while (first > 0 && table.uids[first - 1]! > last) first--
    if (first === table.count) return
    const all = new Uint32Array(this.#count + table.count - first)
    all.set(this.uids)
    all.set(table.uids.subarray(first, table.count), this.#count)
    this.#uids = all
    this.#count = all.length
  }

  /** The first session that is told of a message has it as \Recent; one that only examines takes it from nobody. */
  #claimRecent(after: number): void {
    const state = this.#state
    const from = Math.max(state.firstRecent, after + 1)
    for (let i = this.#count - 1; i >= 0 && this.#uids[i]! >= from; i--) this.#recent.add(this.#uids[i]!)
    const last = this.#count === 0 ? 0 : this.#uids[this.#count - 1]!
    if (this.readOnly || last < state.firstRecent) return
    state.firstRecent = last + 1
    state.journal.recent(last + 1)
  }

  #syncFlags(lastTold: number, updates: Update[]): void {
    const { table, changes } = this.#state
    if (changes.tick === this.#tick) return
    for (const uid of changes.since(this.#tick, this.mark) ?? this.#changedSince(this.#tick)) {
      const row = table.find(uid)
      const seq = this.seqOf(uid)
      if (row < 0 || seq === 0 || uid > lastTold) continue
      updates.push({
        kind: 'flags',
        seq,
        uid,
        modseq: table.modseqs[row]!,
        flags: this.#state.flagsOf(row),
      })
    }
    this.#tick = changes.tick
  }

  #changedSince(tick: number): number[] {
    const { table } = this.#state
    const uids: number[] = []
    for (let row = 0; row < table.count; row++) if (table.ticks[row]! > tick) uids.push(table.uids[row]!)
    return uids
  }

  /** The session is over. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (!this.readOnly) this.#state.writers--
  }
}
