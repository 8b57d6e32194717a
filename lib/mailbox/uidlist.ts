/**
 * dovecot-uidlist, version 3: which file has which UID.
 *
 *     3 V<uidvalidity> N<next uid> G<32 hex digits>[ <Key><value>...]
 *     <uid>[ <Key><value>...] :<unique part of the name>
 *
 * UIDs rise strictly. N is a floor only: lines are appended without touching it. Lines of messages that are gone stay
 * until the file is rewritten. Written only under dovecot-uidlist.lock: new lines are appended and synced; for all
 * else the file is written in tmp/, synced and renamed. It is read under the lock too: a last line
 * without its end was torn. Keys that we do not know are kept. Version 1 (`1 <uidvalidity> <next>`, `<uid> <name>`) is read.
 *
 * A broken line is passed over and the file then rewritten: its message gets a new UID, as with Dovecot, but the
 * lines below it keep theirs. No UID that any line names is given again.
 */
import { closeSync, fdatasync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { setImmediate as yielding } from 'node:timers/promises'
import { promisify } from 'node:util'
import { closeQuietly, syncDirectory, writeAllSync } from '../sys/atomic.js'
import { isMissing } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { nameIn, parseHeader } from './uidlist-line.js'
import { hex } from './uidvalidity.js'
import { UniqueNames } from './unique-names.js'

const datasync = promisify(fdatasync)

/** A line, or what becomes one. */
export interface UidEntry {
  readonly uid: number
  /** The part of the file's name before ":". */
  readonly unique: string
}

/** What reading found, compared with the last time. */
export type UidListNews = 'same' | 'grown' | 'replaced' | 'missing'

/** How many octets before the place we read to must still be the same for a file to be the same file, grown. */
const markSize = 64
/** Lines read before the clock is looked at. */
const linesAtATime = 1_024
/** Lines written before others run. */
const linesAtOnce = 10_000
/** How many UIDs are passed over when the list had to be made from an older snapshot. */
const restoredSkip = 10_000
/** The largest jump over the last good line that a broken line's number is believed. */
const believable = 1_000_000

/** One mailbox's dovecot-uidlist as last read or written. */
export class UidList {
  readonly directory: string
  /** UIDVALIDITY; 0 while there is no file. */
  validity = 0
  /** The next UID: above every line, and above N. */
  next = 1
  /** Mailbox GUID, 32 hex digits. */
  guid = ''
  /** Unique name to UID, for every line not known to be dead. */
  readonly uids = new UniqueNames()
  /** Lines in the file, dead ones too. */
  lines = 0
  /** The file has lines that are wrong: it must be written anew. */
  broken = false

  /** Other keys of the header, as they stand, such as `P…`. */
  #headerKeys: string[] = []
  /** Keys of lines, as they stand, by UID. */
  readonly #lineKeys = new Map<number, string>()
  #ino = 0
  #offset = 0
  #mtime = 0
  #mark = ''
  #lastUid = 0

  constructor(directory: string) {
    this.directory = directory
  }

  /** The POP3 unique id of a UID; in lower case, as Dovecot's own is. */
  uidl(uid: number): string {
    const recorded = /(?:^| )P([^ ]+)/.exec(this.#lineKeys.get(uid) ?? '')?.[1]
    return recorded ?? hex(uid) + hex(this.validity)
  }

  get path(): string {
    return `${this.directory}/dovecot-uidlist`
  }

  /** Whether the file differs from what was read; costs one stat. */
  changed(): boolean {
    const now = statSync(this.path, { throwIfNoEntry: false })
    if (!now) return this.validity !== 0
    return now.ino !== this.#ino || now.size !== this.#offset || now.mtimeMs !== this.#mtime
  }

  /** Catches up with the file: all of it, or the lines that were appended. */
  read(): UidListNews {
    const reading = this.#reading()
    for (;;) {
      const step = reading.next()
      if (step.done) return step.value
    }
  }

  /** The same in slices, between which others run: they must not look at what is not read yet. */
  async readInSlices(): Promise<UidListNews> {
    const reading = this.#reading()
    const pacer = new Pacer()
    for (;;) {
      const step = reading.next()
      if (step.done) return step.value
      if (pacer.isOver) await pacer.rest()
    }
  }

  /** Reads, and stops now and then. */
  *#reading(): Generator<void, UidListNews> {
    if (!this.changed()) return this.validity === 0 ? 'missing' : 'same'
    let fd: number
    try {
      fd = openSync(this.path, 'r')
    } catch (error) {
      if (!isMissing(error)) throw error
      // Removed under our eyes: what we know of it goes back to disk.
      this.broken = true
      return 'missing'
    }
    try {
      const { ino, size, mtimeMs } = fstatSync(fd)
      if (this.#isContinued(fd, ino, size)) {
        const before = this.lines
        yield* this.#take(readText(fd, this.#offset, size))
        this.#mtime = mtimeMs
        return this.lines === before ? 'same' : 'grown'
      }
      this.#ino = ino
      this.#mtime = mtimeMs
      return (yield* this.#takeWhole(readText(fd, 0, size))) ? 'replaced' : 'same'
    } finally {
      closeSync(fd)
    }
  }

  #isContinued(fd: number, ino: number, size: number): boolean {
    if (ino !== this.#ino || size <= this.#offset || this.validity === 0) return false
    return readText(fd, this.#offset - this.#mark.length, this.#offset) === this.#mark
  }

  #clear(): void {
    this.uids.clear()
    this.#lineKeys.clear()
    this.#headerKeys = []
    this.lines = 0
    this.broken = false
    this.#offset = 0
    this.#lastUid = 0
    this.#mark = ''
  }

  /** @returns false for a file without a header that makes sense: what we knew of it stands then */
  *#takeWhole(text: string): Generator<void, boolean> {
    const end = text.indexOf('\n')
    const header = end < 0 ? undefined : parseHeader(text.slice(0, end))
    if (!header) {
      this.broken = true
      this.#offset = text.length
      return false
    }
    this.#clear()
    // A file whose numbers went back was restored from somewhere: what was given before stays given.
    const floor = header.validity === this.validity ? this.next : 1
    this.validity = header.validity
    this.guid = header.guid || this.guid
    this.#headerKeys = header.keys
    this.broken = header.version !== 3 || header.guid === ''
    this.next = Math.max(floor, header.next)
    this.#offset = end + 1
    this.#mark = text.slice(Math.max(0, end + 1 - markSize), end + 1)
    yield* this.#take(text.slice(end + 1), header.version)
    return true
  }

  /** Reads whole lines; the rest after the last LF is left for the next time. */
  *#take(text: string, version = 3): Generator<void, void> {
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#takeLine(text, start, end, version)
      start = end + 1
      if (this.lines % linesAtATime === 0) yield
    }
    this.#offset += start
    // Read under the lock: what has no end now was cut off by a crash.
    if (start < text.length) this.broken = true
    this.#mark = (this.#mark + text.slice(Math.max(0, start - markSize), start)).slice(-markSize)
  }

  #takeLine(text: string, start: number, end: number, version: number): void {
    this.lines++
    let at = start
    let uid = 0
    for (; at < end; at++) {
      const digit = text.charCodeAt(at) - 0x30
      if (digit < 0 || digit > 9) break
      uid = uid * 10 + digit
    }
    const name = text[at] === ' ' ? nameIn(text, at + 1, end, version) : undefined
    if (name && uid > this.#lastUid && uid < 0xffff_ffff) {
      // A file listed twice has the later UID: it was expunged, and somebody brought it back.
      this.uids.setFile(text, uid, name.start, end)
      if (name.keys !== '') this.#lineKeys.set(uid, name.keys)
      this.#lastUid = uid
    } else this.broken = true
    if (uid >= this.next && uid < Math.max(this.next, this.#lastUid) + believable) this.next = uid + 1
  }

  /** The file as we know it, and what is beside its lines; for {@link resume}. */
  get stamp(): string {
    return JSON.stringify({
      ino: this.#ino,
      offset: this.#offset,
      mtime: this.#mtime,
      mark: this.#mark,
      lines: this.lines,
      lastUid: this.#lastUid,
      validity: this.validity,
      next: this.next,
      guid: this.guid,
      headerKeys: this.#headerKeys,
      lineKeys: [...this.#lineKeys],
      broken: this.broken,
    })
  }

  /** Takes over what was known when the file was as it is now. @returns false when it is another file now */
  async resume(stamp: string, rows: { uids: ArrayLike<number>; names: readonly string[] }): Promise<boolean> {
    const known = JSON.parse(stamp)
    this.#ino = known.ino
    this.#offset = known.offset
    this.#mtime = known.mtime
    this.validity = known.validity
    if (known.broken || this.changed()) {
      this.#ino = 0
      this.validity = 0
      return false
    }
    this.#mark = known.mark
    this.lines = known.lines
    this.#lastUid = known.lastUid
    this.next = known.next
    this.guid = known.guid
    this.#headerKeys = known.headerKeys
    for (const [uid, keys] of known.lineKeys) this.#lineKeys.set(uid, keys)
    const pacer = new Pacer()
    for (const [row, name] of rows.names.entries()) {
      this.uids.setFile(name, rows.uids[row]!)
      if (pacer.isDue) await pacer.rest()
    }
    return true
  }

  /**
   * The file is gone, but the rows of a snapshot say which UIDs there were: they stay. Whatever was given since the
   * snapshot must not come again.
   */
  restoreAll(stamp: string, rows: { uids: ArrayLike<number>; names: readonly string[] }): void {
    const known = JSON.parse(stamp)
    this.validity = known.validity
    this.guid = known.guid
    this.next = known.next + restoredSkip
    this.broken = true
    for (const [row, name] of rows.names.entries()) this.uids.setFile(name, rows.uids[row]!)
  }

  /** A message is gone: its line is dead, and its name, should it come back, is a new message. */
  forget(unique: string, uid: number): void {
    // The name may be listed anew already, for whoever brought the file back.
    if (this.uids.get(unique) === uid) this.uids.delete(unique)
  }

  /** Whether the file is worth writing anew: over a quarter of its lines dead, or something wrong in it. */
  get wantsRewrite(): boolean {
    return this.broken || (this.lines - this.uids.size) * 4 > this.lines
  }

  /**
   * Gives out UIDs for new files; append() or rewrite() puts them on disk.
   *
   * @param uniques in the order they shall have
   */
  assign(uniques: readonly string[]): UidEntry[] {
    return uniques.map(unique => ({ uid: this.next++, unique }))
  }

  /** A message we know whose line is not in the file any more: it is written again. */
  restore(unique: string, uid: number): void {
    this.uids.set(unique, uid)
    this.broken = true
  }

  /** Adds lines, synced when this returns. To be called under the lock, after read(). */
  async append(entries: readonly UidEntry[]): Promise<void> {
    const added = entries.map(({ uid, unique }) => `${uid} :${unique}\n`).join('')
    for (const { uid, unique } of entries) this.uids.set(unique, uid)
    try {
      await this.#append(entries, added)
    } catch (error) {
      this.withdraw(entries)
      throw error
    }
  }

  /** UIDs that could not be written are not given: others come to their files, and what was half written goes. */
  withdraw(entries: readonly UidEntry[]): void {
    for (const { uid, unique } of entries) this.forget(unique, uid)
    this.broken = true
  }

  async #append(entries: readonly UidEntry[], added: string): Promise<void> {
    const fd = openSync(this.path, 'a')
    try {
      const { ino, size } = fstatSync(fd)
      if (ino !== this.#ino || size !== this.#offset || this.broken) {
        await this.rewrite()
        return
      }
      writeAllSync(fd, Buffer.from(added, 'latin1'))
      await datasync(fd)
      this.lines += entries.length
      this.#offset += added.length
      this.#lastUid = entries.at(-1)?.uid ?? this.#lastUid
      this.#mark = (this.#mark + added).slice(-markSize)
      this.#mtime = fstatSync(fd).mtimeMs
    } finally {
      closeQuietly(fd)
    }
  }

  /** Writes the file anew from {@link uids}, synced when this returns. To be called under the lock. */
  async rewrite(): Promise<void> {
    const entries = [...this.uids].sort((a, b) => a[1] - b[1])
    const keys = this.#headerKeys.map(key => ` ${key}`).join('')
    let text = `3 V${this.validity} N${this.next} G${this.guid}${keys}\n`
    const temporary = `${this.directory}/tmp/dovecot-uidlist`
    const fd = openSync(temporary, 'w', 0o600)
    let written = 0
    const write = () => {
      writeAllSync(fd, Buffer.from(text, 'latin1'))
      written += text.length
      this.#mark = text.slice(-markSize)
      text = ''
    }
    try {
      for (const [i, [unique, uid]] of entries.entries()) {
        text += `${uid} ${this.#lineKeys.get(uid) ?? ''}:${unique}\n`
        if (i % linesAtOnce !== linesAtOnce - 1) continue
        write()
        await yielding()
      }
      if (text !== '') write()
      await datasync(fd)
      const { ino, mtimeMs } = fstatSync(fd)
      this.#ino = ino
      this.#mtime = mtimeMs
    } finally {
      closeQuietly(fd)
    }
    renameSync(temporary, this.path)
    await syncDirectory(this.directory)
    this.#offset = written
    this.#lastUid = entries.at(-1)?.[1] ?? 0
    this.lines = entries.length
    this.broken = false
  }
}

function readText(fd: number, start: number, end: number): string {
  const octets = Buffer.allocUnsafe(Math.max(0, end - start))
  let filled = 0
  while (filled < octets.length) {
    const count = readSync(fd, octets, filled, octets.length - filled, start + filled)
    if (count === 0) break
    filled += count
  }
  return octets.toString('latin1', 0, filled)
}
