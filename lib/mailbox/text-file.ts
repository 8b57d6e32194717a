/**
 * postern.text: the texts of a mailbox's messages, for BODY and TEXT of SEARCH; used on threads of their own.
 *
 * Records (text-record.ts) are appended, and the last of a UID counts. Nobody locks it: what several write stands one behind the other,
 * since each appends whole records in one piece and then reads what is there. A file that is cut, wrong or gone costs
 * time only: a text is believed when its sum is right, and looked up in the message otherwise. Texts of messages that
 * are gone stay until the file is written anew.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { crc32 } from 'node:zlib'
import { closeQuietly, writeAllSync } from '../sys/atomic.js'
import { errorCode } from '../sys/error.js'
import { headerSize } from './file-header.js'
import { TextPlaces } from './text-places.js'
import { headerOf, readHead, recordHead, recordSize } from './text-record.js'

/** How much is read and looked through at once. */
const blockSize = 1 << 20
/** Over so much that nobody asks for reading goes on rather than begin again. */
const widestGap = 65_536
/** How old the end of a record that has no end must be to count as torn, in milliseconds. */
const tornAfter = 5_000
/** The file never grows beyond this; further messages are read when they are searched. */
const largestFile = 0xffff_ffff

/** To wait on for something that never comes. */
const nothing = new Int32Array(new SharedArrayBuffer(4))

/** A text to look for. */
export interface Needle {
  /** Folded, UTF-8; not empty. */
  readonly octets: Uint8Array
  /** Whether the header is looked through too. */
  readonly header: boolean
}

/** What was found. */
export interface Finds {
  /** By needle: UIDs of messages that hold it. */
  readonly found: number[][]
  /** UIDs of messages whose texts are not here. */
  readonly missing: number[]
}

/** One mailbox's texts. Reading and writing them never throws for the disk's sake. */
export class TextFile {
  readonly #path: string
  readonly #validity: number
  #fd: number | undefined
  #ino = 0
  #mtime = 0
  /** How much of the file is in #places. */
  #end = 0
  #places = new TextPlaces()
  #block = Buffer.alloc(0)

  /** @param directory of the mailbox @param validity its UIDVALIDITY */
  constructor(directory: string, validity: number) {
    this.#path = `${directory}/postern.text`
    this.#validity = validity
  }

  /** Looks for all needles in all texts of these messages. */
  find(needles: readonly Needle[], uids: ArrayLike<number>): Finds {
    const finds: Finds = { found: needles.map(() => []), missing: [] }
    this.#try(() => this.#follow())
    const wanted: number[] = []
    for (let i = 0; i < uids.length; i++) {
      const at = this.#places.find(uids[i]!)
      if (at === undefined) finds.missing.push(uids[i]!)
      else wanted.push(at)
    }
    if (needles.length === 0) return finds
    const order = Uint32Array.from(wanted).sort()
    for (let first = 0; first < order.length; ) {
      const next = this.#endOfRun(order, first)
      const run = order.subarray(first, next)
      if (!this.#try(() => this.#lookThrough(run, needles, finds)))
        for (const at of run) finds.missing.push(this.#places.uid(at))
      first = next
    }
    return finds
  }

  /** Keeps texts, if there is room. @param records of a TextBatch */
  append(records: Buffer): void {
    this.#try(() => {
      this.#follow()
      if (this.#fd === undefined) return
      // Behind a record without its end nothing would be found again. If nobody writes it now, it goes.
      if (this.#hasOpenEnd()) {
        if (Date.now() - fstatSync(this.#fd).mtimeMs < tornAfter) return
        ftruncateSync(this.#fd, this.#end)
      }
      if (this.#end + records.length > largestFile) return
      writeAllSync(this.#fd, records)
      this.#mtime = fstatSync(this.#fd).mtimeMs
      this.#readOn()
    })
  }

  /** Writes the file anew with the texts of messages that are there, if much of it is of others. */
  rewrite(alive: ArrayLike<number>): void {
    this.#try(() => {
      this.#follow()
      const places = Array.from(alive, uid => this.#places.find(uid)).filter(at => at !== undefined)
      const size = places.reduce((sum, at) => sum + this.#places.size(at), 0)
      if ((size + headerSize) * 4 > this.#end * 3) return
      const old = this.#fd!
      const fd = this.#make()
      for (const at of places.sort((a, b) => a - b)) {
        const start = this.#places.start(at) - recordHead
        writeAllSync(fd, readAt(old, this.#room(this.#places.size(at)), start))
      }
      renameSync(`${this.#path}.tmp`, this.#path)
      closeSync(fd)
    })
    this.close()
  }

  /** Lets go of the file. */
  close(): void {
    if (this.#fd !== undefined) closeQuietly(this.#fd)
    this.#fd = undefined
    this.#forget()
  }

  #forget(): void {
    this.#places = new TextPlaces()
    this.#end = 0
    this.#mtime = 0
  }

  /** @returns whether the disk let it be done */
  #try(work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      if (errorCode(error) === undefined) throw error
      this.close()
      return false
    }
  }

  /** Somebody may have replaced, cut or removed the file, or written to it. */
  #follow(): void {
    const now = statSync(this.#path, { throwIfNoEntry: false })
    if (this.#fd === undefined || now === undefined || now.ino !== this.#ino || now.size < this.#end)
      this.#open()
    this.#readOn()
  }

  #open(): void {
    this.close()
    this.#fd = openSync(this.#path, 'a+', 0o600)
    this.#ino = fstatSync(this.#fd).ino
    const header = headerOf(this.#validity)
    if (readAt(this.#fd, Buffer.alloc(headerSize), 0).equals(header)) this.#end = headerSize
    else this.#begin()
  }

  /** An empty file in place of the one that is there. */
  #begin(): void {
    const fd = this.#make()
    renameSync(`${this.#path}.tmp`, this.#path)
    this.close()
    this.#fd = fd
    this.#ino = fstatSync(fd).ino
    this.#end = headerSize
  }

  /** A file of no texts beside the one that is there. */
  #make(): number {
    rmSync(`${this.#path}.tmp`, { force: true })
    const fd = openSync(`${this.#path}.tmp`, 'ax+', 0o600)
    writeAllSync(fd, headerOf(this.#validity))
    return fd
  }

  /** Takes notice of records from #end on; where they are wrong, the file is begun anew. */
  #readOn(): void {
    const { size, mtimeMs } = fstatSync(this.#fd!)
    if (mtimeMs !== this.#mtime) this.#places.doubt()
    this.#mtime = mtimeMs
    const head = Buffer.alloc(recordHead)
    while (this.#end + recordHead <= size) {
      const place = readHead(readAt(this.#fd!, head, this.#end))
      if (!place) {
        this.#begin()
        return
      }
      const length = recordSize(place)
      // A record without its end is being written, or was torn.
      if (this.#end + length > size) return
      this.#places.push(place, this.#end)
      this.#end += length
    }
  }

  /** Whether there is a record without its end, also a moment later: others write theirs in one piece. */
  #hasOpenEnd(): boolean {
    for (let patience = 20; fstatSync(this.#fd!).size > this.#end && patience > 0; patience--) {
      Atomics.wait(nothing, 0, 0, 1)
      this.#readOn()
    }
    return fstatSync(this.#fd!).size > this.#end
  }

  /** How far from `first` on texts stand so close that they are read together. */
  #endOfRun(order: Uint32Array, first: number): number {
    const places = this.#places
    const start = places.start(order[first]!)
    let next = first + 1
    for (; next < order.length; next++) {
      if (places.end(order[next]!) - start > blockSize) break
      if (places.start(order[next]!) - places.end(order[next - 1]!) > widestGap) break
    }
    return next
  }

  #lookThrough(run: Uint32Array, needles: readonly Needle[], finds: Finds): void {
    const places = this.#places
    const start = places.start(run[0]!)
    const room = this.#room(places.end(run.at(-1)!) - start)
    const block = readAt(this.#fd!, room, start)
    const right = run.filter(at => this.#isRight(at, block, start))
    for (const at of run)
      if (!places.isChecked(at)) {
        finds.missing.push(places.uid(at))
        places.drop(at)
      }
    for (const [i, needle] of needles.entries()) this.#lookFor(needle, right, block, start, finds.found[i]!)
  }

  #isRight(at: number, block: Buffer, start: number): boolean {
    const places = this.#places
    if (places.isChecked(at)) return true
    const text = block.subarray(places.start(at) - start, places.end(at) - start)
    if (text.length !== places.textSize(at) || crc32(text) !== places.sum(at)) return false
    places.check(at)
    return true
  }

  /** Looks through a block that holds several texts: mostly nothing is found, and then in one go. */
  #lookFor(
    { octets, header }: Needle,
    run: Uint32Array,
    block: Buffer,
    start: number,
    found: number[],
  ): void {
    const places = this.#places
    let next = 0
    for (let at = block.indexOf(octets); at >= 0 && next < run.length; ) {
      // The first text that ends behind it.
      while (next < run.length && places.end(run[next]!) < start + at + octets.length) next++
      if (next === run.length) return
      const begins = places.start(run[next]!, header ? 'header' : 'body') - start
      if (at >= begins) found.push(places.uid(run[next++]!))
      const from =
        at >= begins && next < run.length ? places.start(run[next]!) - start : Math.max(at + 1, begins)
      at = block.indexOf(octets, from)
    }
  }

  #room(size: number): Buffer {
    if (this.#block.length < size) this.#block = Buffer.allocUnsafe(Math.max(blockSize, size))
    return this.#block.subarray(0, size)
  }
}

/** Fills a buffer from a place in a file, as far as there is something. */
function readAt(fd: number, into: Buffer, offset: number): Buffer {
  let filled = 0
  while (filled < into.length) {
    const count = readSync(fd, into, filled, into.length - filled, offset + filled)
    if (count === 0) break
    filled += count
  }
  return into.subarray(0, filled)
}
