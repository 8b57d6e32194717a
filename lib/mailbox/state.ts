/** Everything one process knows of one mailbox; shared by all sessions that have it open. */
import { setTimeout as delay } from 'node:timers/promises'
import { uniqueOf } from '../maildir/name.js'
import { withDotlock } from '../sys/dotlock.js'
import { MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { dropReady } from '../sys/ready-files.js'
import { Cache } from './cache.js'
import { ChangeLog } from './changes.js'
import { FlagNames } from './flag-names.js'
import { Gone } from './gone.js'
import { Journal } from './journal.js'
import { catchUpJournal, load, save } from './persist.js'
import { type DirectoryMark, isSameDirectory, markOf } from './same-directory.js'
import { Directory } from './scan.js'
import { Table } from './table.js'
import { TextSearch } from './text-search.js'
import { UidList } from './uidlist.js'

/** The mailbox was deleted, or another one stands in its place: whoever has it open must let go. */
export class MailboxGone extends MailError {
  override readonly name = 'MailboxGone'
}

/** A session that makes changes: it knows of them. */
export interface Author {
  /** What it is known by: changes outlive the session, and must not hold it. */
  readonly mark: object
  /** Between two ticks of the change log stands its own change alone. */
  passOver(before: number, after: number): void
}

export class State {
  readonly name: string
  /** The Maildir that the mailbox belongs to. */
  readonly root: string
  /** The mailbox's own directory. */
  readonly directory: string
  readonly log: Log
  readonly clock: () => number
  readonly table = new Table()
  readonly list: UidList
  readonly flags: FlagNames
  readonly changes = new ChangeLog()
  readonly newDirectory: Directory
  readonly curDirectory: Directory
  readonly listeners = new Set<() => void>()
  /** The highest MODSEQ given. */
  modseq = 0
  /** Messages from this UID up are \Recent to the session that asks first. */
  firstRecent = 1
  /** Sessions that have it open to write: new/ is moved to cur/ for them. */
  writers = 0
  loaded = false
  /** It was deleted or renamed. */
  isGone = false
  /** MODSEQs that another process noted for messages we have not seen yet, by UID. */
  readonly foretold = new Map<number, number>()
  readonly journal: Journal
  readonly gone = new Gone()
  readonly texts: TextSearch
  /** The snapshot or the journal on disk is not to be used: both are to be written anew. */
  wantsSnapshot = false
  /** Sizes and dates found out since the snapshot was written. */
  learned = 0
  /** They could not be written: until when nobody tries again, in milliseconds of the monotonic clock. */
  journalPausedUntil = 0
  /** A synchronisation under way. */
  looking: Promise<void> | undefined
  /** Operations of ours that hold the lock or wait for it. */
  busy = 0
  #cache: Cache | undefined
  /** Which directory it was when it was read. */
  #mark: DirectoryMark

  constructor(options: { name: string; root: string; directory: string; log: Log; clock: () => number }) {
    this.name = options.name
    this.root = options.root
    this.directory = options.directory
    this.log = options.log
    this.clock = options.clock
    this.list = new UidList(this.directory)
    this.flags = new FlagNames(this.directory)
    this.journal = new Journal(this.directory)
    this.texts = new TextSearch(this)
    this.newDirectory = new Directory(this.directory, 'new')
    this.curDirectory = new Directory(this.directory, 'cur')
  }

  /** Rendered answers; another one after UIDVALIDITY changed. */
  get cache(): Cache {
    if (this.#cache?.validity !== this.list.validity) {
      this.#cache?.close()
      this.#cache = new Cache(this.directory, this.list.validity)
    }
    return this.#cache
  }

  /** Lets go of files; what is known stays. */
  close(): void {
    this.#cache?.close()
    this.texts.close()
    dropReady(this.#lock)
  }

  /** The directory a row's file is in. */
  directoryOf(row: number): string {
    return this.table.inNew[row] ? this.newDirectory.path : this.curDirectory.path
  }

  /**
   * Runs `work` under dovecot-uidlist.lock, which holds off Dovecot and our other processes, with the list of UIDs
   * and the keywords as they are on disk.
   *
   * @throws MailboxGone when there is no such mailbox any more
   */
  async locked<T>(work: () => T | Promise<T>): Promise<T> {
    this.busy++
    try {
      return await withDotlock(this.#lock, () => this.#inLock(work), { often: true })
    } catch (error) {
      // Deleted under our hands, or made anew since.
      const now = markOf(this.curDirectory.path)
      if (!now || (this.#mark && !isSameDirectory(this.#mark, now))) this.fail()
      throw error
    } finally {
      this.busy--
    }
  }

  async #inLock<T>(work: () => T | Promise<T>): Promise<T> {
    // Who had it open keeps the path, at which another mailbox may stand by now.
    if (this.isGone || this.curDirectory.stat() === undefined) this.fail()
    const { changes, table } = this
    const before = [changes.tick, table.epoch, table.count]
    try {
      await this.catchUp()
      return await work()
    } finally {
      await save(this)
      if (before.join() !== [changes.tick, table.epoch, table.count].join()) this.notify()
    }
  }

  get #lock(): string {
    return `${this.directory}/dovecot-uidlist.lock`
  }

  /** Marks the mailbox as gone, and says so. */
  fail(): never {
    this.isGone = true
    this.notify()
    throw new MailboxGone(`${this.name} does not exist any more`)
  }

  /** Whether others wrote something since that catchUp() would read; costs a few stats. */
  get isBehind(): boolean {
    return !this.loaded || this.list.changed() || this.flags.changed() || this.journal.changed()
  }

  /** Reads what others wrote since. To be called under the lock. */
  async catchUp(): Promise<void> {
    this.flags.read()
    if (!this.loaded) {
      this.#mark = markOf(this.curDirectory.path)
      await load(this)
      return
    }
    const { validity } = this.list
    const news = this.list.read()
    // Its list may be lost. Or it was deleted, and this is a new one of that name, whose UIDs are others.
    if (news === 'missing' && !isSameDirectory(this.#mark, markOf(this.curDirectory.path))) this.fail()
    if (news === 'replaced' && validity !== this.list.validity) this.#startOver()
    else if (news === 'replaced') this.reconcile()
    if (news !== 'same') this.curDirectory.stale = this.newDirectory.stale = true
    catchUpJournal(this)
  }

  /**
   * The list was written anew. Messages whose line is gone keep their UID while their file is there; messages that
   * were given another UID are, for our sessions, gone under the old one.
   */
  reconcile(): void {
    const { table, list } = this
    const moved: number[] = []
    const lost: [string, number][] = []
    for (let row = 0; row < table.count; row++) {
      const unique = uniqueOf(table.names[row]!)
      const uid = list.uids.get(unique)
      if (uid === undefined) lost.push([unique, row])
      else if (uid !== table.uids[row]) moved.push(row)
    }
    if (lost.length > 0) {
      const taken = new Set(list.uids.values())
      for (const [unique, row] of lost)
        if (taken.has(table.uids[row]!)) moved.push(row)
        else list.restore(unique, table.uids[row]!)
    }
    if (moved.length === 0) return
    const uids = moved.map(row => table.uids[row]!).sort((a, b) => a - b)
    // Their names stay listed, under the other UID.
    this.#remove(uids, this.nextModseq())
  }

  /** Another UIDVALIDITY: nothing we knew holds any more. */
  #startOver(): void {
    this.table.clear()
    this.foretold.clear()
    this.gone.reset(this.nextModseq())
    this.firstRecent = 1
    this.wantsSnapshot = true
  }

  /** Takes messages out that are gone, with their lines; those that were never here are only remembered as gone. */
  drop(uids: ArrayLike<number>, modseq: number): void {
    for (let i = 0; i < uids.length; i++) {
      const row = this.table.find(uids[i]!)
      if (row >= 0) this.list.forget(uniqueOf(this.table.names[row]!), uids[i]!)
    }
    this.#remove(uids, modseq)
  }

  #remove(uids: ArrayLike<number>, modseq: number): void {
    const rows = Array.from(uids, uid => this.table.find(uid)).filter(row => row >= 0)
    this.table.remove(rows.sort((a, b) => a - b))
    this.gone.add(uids, modseq)
  }

  /** Takes messages out that are found to be gone, or that we removed, and notes it for other processes. */
  expunged(uids: ArrayLike<number>): void {
    const here = Array.from(uids).filter(uid => this.table.find(uid) >= 0)
    if (here.length === 0) return
    const modseq = this.nextModseq()
    this.drop(here, modseq)
    this.journal.expunged(modseq, here)
  }

  /** Notes for sessions here that flags changed. @param by the session that need not be told */
  mark(uids: readonly number[], by?: Author): void {
    const before = this.changes.tick
    const tick = this.changes.add(uids, by?.mark)
    by?.passOver(before, tick)
    for (const uid of uids) {
      const row = this.table.find(uid)
      if (row >= 0) this.table.ticks[row] = tick
    }
  }

  /** Notes for other processes that messages have these flags, and for sessions here unless they are new. */
  flagged(uids: readonly number[], modseq: number): void {
    const { table } = this
    this.journal.flags(modseq, uids, uid => table.masks[table.find(uid)] ?? 0)
  }

  /** The MODSEQ for a change that is made now: above any given before, also by processes that are forgotten. */
  nextModseq(): number {
    this.modseq = Math.max(this.modseq + 1, Math.floor(this.clock() * 1000))
    return this.modseq
  }

  /** Letters of keywords that messages have, as bits of a mask, named or not. */
  get lettersInUse(): number {
    const { masks, count } = this.table
    let used = 0
    for (let row = 0; row < count; row++) used |= masks[row]!
    return used
  }

  /** Tells every session that there may be news. */
  notify(): void {
    for (const listener of [...this.listeners]) listener()
  }

  /** The flags of a row as IMAP names them, without \Recent. */
  flagsOf(row: number): readonly string[] {
    const { masks, extras, uids } = this.table
    return this.flags.namesOf(masks[row]!, extras.get(uids[row]!))
  }

  /** Whether a file is still in new/. */
  get hasNew(): boolean {
    const { inNew, count } = this.table
    // A Buffer is looked through many times faster than an array.
    return Buffer.from(inNew.buffer, inNew.byteOffset, count).includes(1)
  }
}

/** Waits a little: long enough for a program that is renaming files to get on. */
export function aMoment(): Promise<void> {
  return delay(15)
}
