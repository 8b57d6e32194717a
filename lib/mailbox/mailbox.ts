/** One mailbox, as all sessions of this process share it. */
import { setTimeout as delay } from 'node:timers/promises'
import { Delivery } from '../maildir/maildir.js'
import { pathOf } from '../maildir/name.js'
import { watchMaildir } from '../maildir/watch.js'
import { Flag, systemFlags } from '../message/flags.js'
import type { SearchKey, SortKey, ThreadAlgorithm } from '../message/query.js'
import { Pacer } from '../sys/pacer.js'
import { expunge, type FlagChange, type StoreOptions, type StoreResult, store } from './change.js'
import { Charges, totalOf, weigh } from './charges.js'
import type { Progress } from './columns.js'
import { emailIdOf, threadIdOf } from './identity.js'
import {
  dateOf,
  glanceAt,
  learn,
  readInto,
  readMessage,
  savedDateOf,
  sizeOf,
  storedSizeOf,
} from './message.js'
import { move } from './move.js'
import type { Quota } from './quota.js'
import { search } from './search.js'
import { sort } from './sort.js'
import type { State } from './state.js'
import { hasDoubt, needsSync, synchronise, synchroniseOnce } from './sync.js'
import { type Threads, thread } from './thread.js'
import { type Appending, append, copy, type Transfer } from './transfer.js'
import { View } from './view.js'

/** How long a session waits for a long change of another before it goes on with what is known, in milliseconds. */
const heldUp = 25

/** What is known of one message. */
export interface Message {
  readonly uid: number
  /** As IMAP names them, without \Recent. */
  readonly flags: readonly string[]
  readonly modseq: number
}

/**
 * A mailbox, from Account.open(); close() when done with it.
 *
 * What is on disk is the truth: refresh() looks, all changes are made relative to it. Methods that take UIDs pass
 * over those that are gone. Reading (read, size, date) is synchronous and quick: who reads many yields in between.
 */
export class Mailbox {
  readonly #state: State
  readonly #release: () => void
  readonly #counted: Charges | undefined
  #stopWatching: (() => void) | undefined
  readonly #listeners = new Set<() => void>()
  #again: NodeJS.Timeout | undefined
  #open = true

  /** @param quota what messages that come and go are counted against */
  constructor(state: State, release: () => void, quota?: Quota) {
    this.#state = state
    this.#release = release
    this.#counted = quota && new Charges(quota, state)
  }

  /** Undefined where nobody counts what comes and goes. */
  get #charges(): Charges | undefined {
    return this.#counted?.isKept ? this.#counted : undefined
  }

  get name(): string {
    return this.#state.name
  }

  /** The Maildir directory of the mailbox. */
  get directory(): string {
    return this.#state.directory
  }

  /** It was deleted or renamed: all that is asked of it from now on fails. */
  get isGone(): boolean {
    return this.#state.isGone
  }

  get uidValidity(): number {
    return this.#state.list.validity
  }

  get uidNext(): number {
    return this.#state.list.next
  }

  /** RFC 7162 §3.1.2.1. */
  get highestModseq(): number {
    return this.#state.modseq
  }

  /**
   * UIDs of messages that went after a MODSEQ, ascending (RFC 7162 §3.2.10).
   *
   * @returns undefined when it is longer ago than we remember: then every UID that is not there may be meant
   */
  goneSince(modseq: number): number[] | undefined {
    return this.#state.gone.since(modseq)
  }

  /** Mailbox GUID, 32 hex digits; kept over renames and by Dovecot (RFC 8474 MAILBOXID). */
  get guid(): string {
    return this.#state.list.guid
  }

  get count(): number {
    return this.#state.table.count
  }

  /** UIDs, ascending; not to be kept over an await (a View is for that). */
  get uids(): Uint32Array {
    return this.#state.table.uids.subarray(0, this.count)
  }

  /** Flags that messages can have here: the system flags and all keywords known so far. */
  get flags(): string[] {
    return [...systemFlags.map(flag => flag.name), ...this.#state.flags.keywords]
  }

  /** How many messages are not \Seen. */
  get unseenCount(): number {
    return this.count - this.#countWith(Flag.seen)
  }

  /** How many messages are \Deleted. */
  get deletedCount(): number {
    return this.#countWith(Flag.deleted)
  }

  #countWith(flag: number): number {
    const { masks, count } = this.#state.table
    let found = 0
    for (let row = 0; row < count; row++) if (masks[row]! & flag) found++
    return found
  }

  /** How many messages no session has been told of as \Recent yet. */
  get recentCount(): number {
    const { table, firstRecent } = this.#state
    let recent = 0
    for (let row = table.count - 1; row >= 0 && table.uids[row]! >= firstRecent; row--) recent++
    return recent
  }

  /**
   * Looks at the disk and takes over what changed there: a few stats when nothing did. While a long change of ours
   * holds the lock, it does not wait for the end of that.
   *
   * @throws MailboxGone when the mailbox was deleted
   */
  async refresh(): Promise<void> {
    const state = this.#state
    const isHeldUp = state.busy > 0 && state.loaded
    // Once more if somebody else was looking already: that may have been before what we are to see.
    for (let look = state.looking ? 0 : 1; look < 2 && needsSync(state); look++) {
      const ended = synchroniseOnce(state)
      if (!isHeldUp) await ended
      else if ((await Promise.race([ended, delay(heldUp, 'still busy')])) === 'still busy') return
    }
    if (state.loaded && !state.looking && hasDoubt(state)) void synchroniseOnce(state)
  }

  /** Begins a session on the mailbox: SELECT, or with `readOnly` EXAMINE, which moves and claims nothing. */
  async select(options: { readOnly?: boolean } = {}): Promise<View> {
    const state = this.#state
    const readOnly = options.readOnly ?? false
    if (needsSync(state)) await state.locked(() => synchronise(state))
    const view = new View(state, readOnly)
    state.texts.follow()
    if (!readOnly && (state.hasNew || state.journal.hasPending)) await state.locked(() => synchronise(state))
    return view
  }

  /** What is known of a message; undefined when it is gone. */
  message(uid: number): Message | undefined {
    const row = this.#state.table.find(uid)
    if (row < 0) return undefined
    return { uid, flags: this.#state.flagsOf(row), modseq: this.#state.table.modseqs[row]! }
  }

  /** The UID of the file with this unique name (the part before ":"); undefined when there is none. */
  uidOf(unique: string): number | undefined {
    const uid = this.#state.list.uids.get(unique)
    return uid !== undefined && this.#state.table.find(uid) >= 0 ? uid : undefined
  }

  /** The mask of the system flags (message/flags.ts); its bits from 5 up are keywords; undefined when it is gone. */
  mask(uid: number): number | undefined {
    const row = this.#state.table.find(uid)
    return row < 0 ? undefined : this.#state.table.masks[row]
  }

  /** The stored octets, or the first `limit` of them; undefined when the message is gone. */
  read(uid: number, limit?: number): Buffer | undefined {
    return readMessage(this.#state, uid, limit)
  }

  /** The same, into memory of so many octets that `take` gives. */
  readInto(uid: number, take: (storedSize: number) => Buffer): Buffer | undefined {
    return readInto(this.#state, uid, undefined, take)
  }

  /** The same for a short look: the octets are good until the next call, or the next await. */
  glance(uid: number): Buffer | undefined {
    return glanceAt(this.#state, uid)
  }

  /** Where a message's file is, or was a moment ago; undefined when it is gone. */
  path(uid: number): string | Buffer | undefined {
    const { table } = this.#state
    const row = table.find(uid)
    return row < 0 ? undefined : pathOf(this.#state.directoryOf(row), table.names[row]!)
  }

  /** Takes notice of what somebody else read: octets on disk and on the wire, and the time of the file. */
  learn(uid: number, storedSize: number, size: number, mtimeMs: number): void {
    learn(this.#state, uid, storedSize, size, mtimeMs)
  }

  /** The message's unique id for POP3: what the uidlist records (a P key), else Dovecot's default `%08Xu%08Xv`. */
  uidl(uid: number): string {
    return this.#state.list.uidl(uid)
  }

  /** RFC822.SIZE: octets on the wire; undefined when the message is gone. */
  size(uid: number): number | undefined {
    return sizeOf(this.#state, uid)
  }

  /** Octets on disk; undefined when the message is gone. */
  storedSize(uid: number): number | undefined {
    return storedSizeOf(this.#state, uid)
  }

  /** INTERNALDATE in milliseconds since 1970; undefined when the message is gone. */
  date(uid: number): number | undefined {
    return dateOf(this.#state, uid)
  }

  /** When the message came into this mailbox, in milliseconds since 1970 (RFC 8514 SAVEDATE); undefined when it is gone. */
  savedDate(uid: number): number | undefined {
    return savedDateOf(this.#state, uid)
  }

  /** See {@link emailIdOf}. */
  emailId(uid: number): string | undefined {
    return emailIdOf(this.#state, uid)
  }

  /** See {@link threadIdOf}. */
  threadId(uid: number): string | undefined {
    return threadIdOf(this.#state, uid)
  }

  /** Something rendered that was kept; undefined when it was not. The octets are not to be changed. */
  cached(uid: number, kind: string): Buffer | undefined {
    return this.#state.cache.get(uid, kind)
  }

  /** Whether something rendered was kept; what cached() then finds to be damaged is not there all the same. */
  isCached(uid: number, kind: string): boolean {
    return this.#state.cache.has(uid, kind)
  }

  /** To be waited for before many are asked for: finds out in slices what was kept. */
  prepareCache(): Promise<void> | undefined {
    return this.#state.cache.isUnknown ? this.#state.cache.prepare() : undefined
  }

  /** Keeps records of cache-record.ts, at once. */
  keepRecords(records: Buffer): void {
    this.#state.cache.append(records)
  }

  /** Keeps something rendered from a message's octets, which never change: for this process and for later ones. */
  keep(uid: number, kind: string, octets: Buffer): void {
    this.#state.cache.put(uid, kind, octets)
  }

  /**
   * The messages of a session that a query fits.
   *
   * @returns UIDs, ascending
   */
  search(key: SearchKey, view: View, progress?: Progress): Promise<number[]> {
    return search(this.#state, key, view, this.#state.clock(), progress)
  }

  /**
   * The messages of a session that a query fits, in order (RFC 5256 §3).
   *
   * @returns UIDs
   */
  sort(key: SearchKey, order: readonly SortKey[], view: View, progress?: Progress): Promise<number[]> {
    return sort(this.#state, key, order, view, this.#state.clock(), progress)
  }

  /** The messages of a session that a query fits, as threads (RFC 5256 §3). */
  thread(key: SearchKey, algorithm: ThreadAlgorithm, view: View, progress?: Progress): Promise<Threads> {
    return thread(this.#state, algorithm, key, view, this.#state.clock(), progress)
  }

  /** Octets of all messages on the wire (RFC 8438 STATUS=SIZE). */
  async totalSize(): Promise<number> {
    let total = 0
    const pacer = new Pacer()
    for (const uid of this.uids.slice()) {
      total += this.size(uid) ?? 0
      if (pacer.isOver) await pacer.rest()
    }
    return total
  }

  /** Begins a message for append(): write() its octets, then hand it over; abort() it otherwise. */
  begin(): Promise<Delivery> {
    return Delivery.begin(this.#state.directory)
  }

  /** Octets on disk of the messages that are \Deleted (RFC 9208 §4.1.4 DELETED-STORAGE). */
  async deletedStorage(): Promise<number> {
    return totalOf(await weigh(this.#state, this.uids.slice(), true)).octets
  }

  /**
   * Appends messages, all or none; on disk with their UIDs when this returns.
   *
   * @param instead octets of a message that goes when these have come
   * @returns their UIDs
   * @throws MailboxError overQuota
   */
  async append(messages: readonly Appending[], instead?: number): Promise<number[]> {
    const octets = messages.reduce((sum, { delivery }) => sum + delivery.storedSize, 0)
    const more = { octets, messages: messages.length }
    const freed = instead === undefined ? { octets: 0, messages: 0 } : { octets: instead, messages: 1 }
    this.#charges?.require({ octets: octets - freed.octets, messages: more.messages - freed.messages })
    const uids = await append(this.#state, messages)
    await this.#charges?.note(more)
    return uids
  }

  /** @throws MailboxError overQuota when so much cannot be appended */
  requireRoom(octets: number, messages: number): void {
    this.#charges?.require({ octets, messages })
  }

  /** Copies messages into another mailbox, with flags and dates, all or none. @throws MailboxError overQuota */
  async copy(uids: ArrayLike<number>, target: Mailbox): Promise<Transfer> {
    const charges = target.#charges
    if (!charges) return copy(this.#state, uids, target.#state)
    const weights = await weigh(this.#state, uids)
    charges.require(totalOf(weights))
    const transfer = await copy(this.#state, uids, target.#state)
    const copied = new Set(transfer.sources)
    await charges.note(totalOf(new Map([...weights].filter(([uid]) => copied.has(uid)))))
    return transfer
  }

  /** Moves messages into another mailbox. @throws MailboxError overQuota when that is another user's and full */
  async move(uids: ArrayLike<number>, target: Mailbox): Promise<Transfer> {
    const isOwn = this.#state.root === target.#state.root
    if (isOwn || !(this.#charges ?? target.#charges)) return move(this.#state, uids, target.#state)
    const weights = await weigh(this.#state, uids)
    target.#charges?.require(totalOf(weights))
    const transfer = await move(this.#state, uids, target.#state)
    const moved = new Set(transfer.sources)
    await target.#charges?.note(totalOf(new Map([...weights].filter(([uid]) => moved.has(uid)))))
    await this.#charges?.noteGone(weights, transfer.sources)
    return transfer
  }

  /** Changes flags of messages, each relative to what it has at that moment on disk. */
  store(uids: ArrayLike<number>, change: FlagChange, options?: StoreOptions): Promise<StoreResult> {
    return store(this.#state, uids, change, options)
  }

  /** Removes those of the messages (of all, when left out) that are \Deleted. @returns the UIDs that are gone */
  expunge(uids: ArrayLike<number> = this.uids.slice()): Promise<number[]> {
    return this.#expunge(uids, true)
  }

  /** Removes messages whatever their flags. @returns the UIDs that are gone */
  remove(uids: ArrayLike<number>): Promise<number[]> {
    return this.#expunge(uids, false)
  }

  async #expunge(uids: ArrayLike<number>, deletedOnly: boolean): Promise<number[]> {
    if (!this.#charges) return expunge(this.#state, uids, deletedOnly)
    const weights = await weigh(this.#state, uids, deletedOnly)
    const gone = await expunge(this.#state, uids, deletedOnly)
    await this.#charges.noteGone(weights, gone)
    return gone
  }

  /**
   * Calls `listener` after anything changed, by whomever; the directories are watched as long as somebody listens.
   *
   * @returns ends it
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#state.listeners.add(listener)
    this.#stopWatching ??= watchMaildir(this.#state.directory, () => this.#look())
    return () => {
      this.#listeners.delete(listener)
      this.#state.listeners.delete(listener)
      if (this.#listeners.size === 0) this.#stop()
    }
  }

  #stop(): void {
    clearTimeout(this.#again)
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  /** Something moved on disk. What cannot be known yet is looked at once more a little later. */
  #look(): void {
    const { newDirectory, curDirectory, log, name } = this.#state
    const again = () => {
      const wait = Math.min(
        newDirectory.doubtfulFor ?? Number.POSITIVE_INFINITY,
        curDirectory.doubtfulFor ?? Number.POSITIVE_INFINITY,
      )
      clearTimeout(this.#again)
      if (this.#stopWatching && wait < Number.POSITIVE_INFINITY)
        this.#again = setTimeout(() => this.#look(), wait).unref()
    }
    this.refresh().then(again, error => {
      if (!this.#state.isGone) log.warning('mailbox-watch', { mailbox: name, error: String(error) })
      again()
    })
  }

  /** Lets go of the mailbox; views are to be closed before. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    for (const listener of this.#listeners) this.#state.listeners.delete(listener)
    this.#listeners.clear()
    this.#stop()
    this.#release()
  }
}
