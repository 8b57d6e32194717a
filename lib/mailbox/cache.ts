/**
 * postern.cache: rendered answers and what else was costly to find out, by UID and kind.
 *
 * Records (cache-record.ts) are appended; the last of a UID and kind counts. Nobody locks it: of two processes that append at once, one
 * may believe its record to stand where the other's does, which reading finds out, since every record says what it
 * is. A file that is cut, wrong or gone costs time only. Records of messages that are gone are dropped when the file
 * is written anew, which is when half of it is such.
 */
import { fstatSync, ftruncateSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setImmediate as yielding } from 'node:timers/promises'
import { closeQuietly, writeAllSync } from '../sys/atomic.js'
import { errorCode } from '../sys/error.js'
import { Pacer, slice } from '../sys/pacer.js'
import { CacheBlock, readAt } from './cache-block.js'
import {
  type Entry,
  headerOf,
  isOfKind,
  kindAt,
  largestRecord,
  largestValue,
  recordHead,
  recordOf,
  recordSize,
  uidAt,
} from './cache-record.js'
import { headerSize } from './file-header.js'
import { Offsets } from './offsets.js'

/** Octets gathered before they are written. */
const bufferSize = 262_144
/** How much is looked through at once. */
const blockSize = 2 << 20
/** How old the end of a record that has no end must be to count as torn, in milliseconds. */
const tornAfter = 5_000
/** The file never grows beyond this; then it begins anew. */
const largestFile = 0x7fff_ffff
/** So many kinds are compared one by one. */
const fewKinds = 12
/** A file smaller than this is not worth writing anew. */
const smallestRewrite = 1 << 20

/** One mailbox's cache. Reading and writing it never throws for the disk's sake. */
export class Cache {
  readonly #directory: string
  readonly #path: string
  /** UIDVALIDITY of the mailbox it is for. */
  readonly validity: number
  /** Where records stand, by kind; filled when first asked. */
  #places: Map<string, Offsets> | undefined
  #fd: number | undefined
  #ino = 0
  /** How much of the file we know. */
  #end = 0
  /** Whether all of it is in #places. */
  #isScanned = false
  /** Octets of records that stand in #places. */
  #live = 0
  readonly #waiting = new Map<string, Entry>()
  #waitingSize = 0
  #timer: NodeJS.Immediate | undefined
  readonly #block = new CacheBlock()

  constructor(directory: string, validity: number) {
    this.#directory = directory
    this.#path = `${directory}/postern.cache`
    this.validity = validity
  }

  /** What was kept; undefined when there is nothing. The octets are not to be changed, and stay what they are. */
  get(uid: number, kind: string): Buffer | undefined {
    const waiting = this.#waiting.size > 0 ? this.#waiting.get(`${uid} ${kind}`) : undefined
    if (waiting) return waiting.value
    const places = this.#open().get(kind)
    const offset = places?.get(uid)
    return offset === undefined ? undefined : this.#read(places!, offset, uid, kind)
  }

  /** Keeps a value; written a little later. */
  put(uid: number, kind: string, value: Buffer): void {
    if (value.length > largestValue || kind.length > 255) return
    this.#open()
    this.#waiting.set(`${uid} ${kind}`, { uid, kind, value })
    this.#waitingSize += value.length + recordHead
    if (this.#waitingSize > bufferSize) this.flush()
    else this.#timer ??= setImmediate(() => this.flush())
  }

  /** Whether something was kept, as far as is known without reading it. */
  has(uid: number, kind: string): boolean {
    if (this.#waiting.size > 0 && this.#waiting.has(`${uid} ${kind}`)) return true
    return this.#open().get(kind)?.get(uid) !== undefined
  }

  /** Whether a get() now would first have to find out what is there: see prepare(). */
  get isUnknown(): boolean {
    return !this.#isScanned
  }

  /** Finds out in slices what is there, so that the first get() need not. */
  async prepare(): Promise<void> {
    while (!this.#isScanned) {
      this.#open(performance.now() + slice)
      await yielding()
    }
  }

  #open(until = Number.POSITIVE_INFINITY): Map<string, Offsets> {
    if (this.#places && (this.#isScanned || this.#fd === undefined)) return this.#places
    this.#places ??= new Map()
    try {
      if (this.#fd === undefined) {
        this.#fd = openSync(this.#path, 'a+', 0o600)
        this.#ino = fstatSync(this.#fd).ino
      }
      this.#isScanned = this.#scan(until)
    } catch (error) {
      this.#fail(error)
      this.#isScanned = true
    }
    return this.#places
  }

  /**
   * Takes notice of records from #end on; where they are wrong, the file is begun anew.
   *
   * @returns whether it came to the end
   */
  #scan(until = Number.POSITIVE_INFINITY): boolean {
    const { size } = fstatSync(this.#fd!)
    if (this.#end === 0) {
      if (!readAt(this.#fd!, 0, headerSize).equals(headerOf(this.validity))) {
        this.#begin()
        return true
      }
      this.#end = headerSize
    }
    while (this.#end < size) {
      if (performance.now() > until) return false
      const octets = readAt(this.#fd!, this.#end, Math.min(size - this.#end, blockSize))
      const used = this.#index(octets, this.#end)
      this.#end += used
      // A record without its end is being written, or was torn; no whole record is as long as a block.
      if (used === 0 && octets.length === blockSize) this.#begin()
      if (used === 0) return true
    }
    return true
  }

  /** @returns how many octets of whole records there were */
  #index(octets: Buffer, start: number): number {
    let at = 0
    while (at + recordHead <= octets.length) {
      const size = recordSize(octets, at)
      if (at + size > octets.length) break
      if (size > largestRecord) return at
      const uid = uidAt(octets, at)
      const places = this.#placesFor(octets, at)
      if (uid !== 0) {
        places.set(uid, start + at)
        this.#live += size
      }
      at += size
    }
    return at
  }

  /** The places of the kind of the record at `at`. Mostly there are few kinds, and a text for each record costs more. */
  #placesFor(octets: Buffer, at: number): Offsets {
    const all = this.#places!
    if (all.size <= fewKinds) for (const [kind, places] of all) if (isOfKind(octets, at, kind)) return places
    const kind = kindAt(octets, at)
    const places = all.get(kind) ?? new Offsets()
    all.set(kind, places)
    return places
  }

  /** An empty file in place of the one that is there. */
  #begin(): void {
    this.#places = new Map()
    this.#live = 0
    this.#block.clear()
    const temporary = `${dirname(this.#path)}/tmp/${basename(this.#path)}.${process.pid}`
    rmSync(temporary, { force: true })
    const fd = openSync(temporary, 'ax+', 0o600)
    try {
      writeAllSync(fd, headerOf(this.validity))
      renameSync(temporary, this.#path)
    } catch (error) {
      closeQuietly(fd)
      throw error
    }
    if (this.#fd !== undefined) closeQuietly(this.#fd)
    this.#fd = fd
    this.#ino = fstatSync(fd).ino
    this.#end = headerSize
  }

  #fail(error: unknown): void {
    if (errorCode(error) === undefined) throw error
    if (this.#fd !== undefined) closeQuietly(this.#fd)
    this.#fd = undefined
  }

  /** A record is checked when it is first read: nobody writes over one that is whole, and it takes a third of the time. */
  #read(places: Offsets, offset: number, uid: number, kind: string): Buffer | undefined {
    if (this.#fd === undefined) return undefined
    try {
      const isChecked = places.isChecked(uid)
      const value = this.#block.value(this.#fd, offset, uid, kind, isChecked)
      if (value && !isChecked && this.#block.isRead) places.setChecked(uid)
      return value
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  /** Writes what waits. */
  flush(): void {
    clearImmediate(this.#timer)
    this.#timer = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#waitingSize = 0
    if (waiting.length > 0) this.#append(Buffer.concat(waiting.map(recordOf)))
  }

  /**
   * Keeps records that were made elsewhere (cache-record.ts), at once: where that cannot be, they are not kept.
   *
   * @param records in the order they will be asked for; must not change any more
   */
  append(records: Buffer): void {
    this.flush()
    this.#open()
    if (records.length > 0) this.#append(records)
  }

  #append(records: Buffer): void {
    if (this.#fd === undefined) return
    try {
      this.#followFile()
      if (this.#fd === undefined) return
      if (this.#end + records.length > largestFile) this.#begin()
      const { size: start, mtimeMs } = fstatSync(this.#fd)
      if (start > this.#end) {
        // Behind a record without its end nothing would be found again. If nobody writes it now, it goes.
        if (Date.now() - mtimeMs > tornAfter) ftruncateSync(this.#fd, this.#end)
        return
      }
      writeAllSync(this.#fd, records)
      this.#index(records, start)
      this.#end = start + records.length
      this.#block.hold(records, start)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Somebody may have replaced, cut or removed the file, or written to it. */
  #followFile(): void {
    const now = statSync(this.#path, { throwIfNoEntry: false })
    if (now && now.ino === this.#ino && now.size >= this.#end) {
      if (now.size > this.#end) this.#scan()
      return
    }
    // Cut: what is left of it may end in the middle of a record.
    if (now?.ino === this.#ino) {
      this.#begin()
      return
    }
    this.close()
    this.#open()
  }

  /** Whether half of the file is of messages that are gone, or written twice. */
  wantsRewrite(isAlive: (uid: number) => boolean): boolean {
    if (!this.#places || this.#fd === undefined || this.#end < smallestRewrite) return false
    let live = 0
    let all = 0
    for (const places of this.#places.values())
      for (const [uid] of places.entries()) {
        all++
        if (isAlive(uid)) live++
      }
    return live * 2 < all || this.#live * 2 < this.#end
  }

  /**
   * Writes the file anew with the records of messages that are there, in slices. Whoever has the old one open goes on
   * with it until it next writes.
   */
  async rewrite(isAlive: (uid: number) => boolean): Promise<void> {
    this.flush()
    const next = new Cache(this.#directory, this.validity)
    try {
      next.#begin()
    } catch (error) {
      this.#fail(error)
      return
    }
    const all = [...this.#open()].flatMap(([kind, places]) =>
      [...places.entries()].map(([uid, offset]) => ({ kind, uid, offset })),
    )
    all.sort((a, b) => a.offset - b.offset)
    const pacer = new Pacer()
    for (const { kind, uid } of all) {
      const value = isAlive(uid) ? this.get(uid, kind) : undefined
      if (value) next.put(uid, kind, value)
      if (pacer.isOver) await pacer.rest()
    }
    next.close()
    this.flush()
    this.close()
  }

  /** Writes what waits and lets go of the file. */
  close(): void {
    if (this.#waiting.size > 0) this.flush()
    if (this.#fd !== undefined) closeQuietly(this.#fd)
    this.#fd = undefined
    this.#places = undefined
    this.#isScanned = false
    this.#end = 0
    this.#live = 0
    this.#block.clear()
  }
}
