/**
 * postern.journal: what changed in a mailbox since the snapshot in postern.index, so that several processes agree on
 * MODSEQs. Written and read under dovecot-uidlist.lock; not synced, since the files' names are the truth.
 *
 *     header   "PSTNJRN1", id (8), id it continues (8), size of that one (8), CRC-32 of these 32 octets
 *     record   see journal-record.ts
 *
 * Numbers are little-endian; MODSEQs and sizes are doubles. A journal that is cut, or wrong at any octet, is good up
 * to there: who finds the damage begins a new one. MODSEQs come from the clock, so that nothing that is lost here
 * makes one come twice. A journal that continues another one at the place where a reader stands costs it nothing;
 * otherwise the reader takes the snapshot.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { closeQuietly, writeAllSync } from '../sys/atomic.js'
import { isMissing } from '../sys/error.js'
import {
  expungedRecords,
  extrasRecord,
  flagsRecords,
  type JournalRecord,
  parseRecords,
  recentRecord,
} from './journal-record.js'

const magic = 'PSTNJRN1'
const headerSize = 36

/** A place in a journal: which one, and how much of it is read. */
export interface JournalPlace {
  /** 16 hex digits; empty for no journal. */
  readonly id: string
  readonly offset: number
}

/** One mailbox's journal, as far as this process has read or written it. */
export class Journal {
  readonly path: string
  #id = ''
  #offset = 0
  #ino = 0
  #pending: Buffer[] = []

  constructor(directory: string) {
    this.path = `${directory}/postern.journal`
  }

  /** Where we stand. */
  get place(): JournalPlace {
    return { id: this.#id, offset: this.#offset }
  }

  /** Whether there is more, or less, than we know; costs one stat. */
  changed(): boolean {
    const now = statSync(this.path, { throwIfNoEntry: false })
    return now === undefined || now.ino !== this.#ino || now.size !== this.#offset
  }

  /**
   * Reads on.
   *
   * @returns undefined when it does not continue from where we stand: lost, replaced or damaged
   */
  read(): JournalRecord[] | undefined {
    if (this.#id !== '' && !this.changed()) return []
    const file = readJournal(this.path)
    if (!file) return undefined
    const { id, continues, octets, ino } = file
    let offset = headerSize
    if (id === this.#id) offset = this.#offset
    else if (continues.id !== this.#id || continues.offset !== this.#offset || this.#id === '')
      return undefined
    const { records, end } = parseRecords(octets, offset)
    if (end !== octets.length) return undefined
    this.#id = id
    this.#ino = ino
    this.#offset = end
    return records
  }

  /** Stands where a snapshot says, and reads on from there. @returns undefined when that does not fit the file */
  readFrom(place: JournalPlace): JournalRecord[] | undefined {
    const before = [this.#id, this.#offset, this.#ino] as const
    this.#id = place.id
    this.#offset = place.offset
    this.#ino = 0
    const records = place.id === '' ? undefined : this.read()
    if (!records) [this.#id, this.#offset, this.#ino] = before
    return records
  }

  /** Notes flags of messages, old or new. */
  flags(modseq: number, uids: readonly number[], maskOf: (uid: number) => number): void {
    this.#pending.push(...flagsRecords(modseq, uids, maskOf))
  }

  /** Notes messages that are gone. */
  expunged(modseq: number, uids: readonly number[]): void {
    this.#pending.push(...expungedRecords(modseq, uids))
  }

  /** Notes that messages below a UID are \Recent to nobody any more. */
  recent(uid: number): void {
    this.#pending.push(recentRecord(uid))
  }

  /** Notes the keywords of a message that have no letter. */
  extras(modseq: number, uid: number, keywords: readonly string[]): void {
    this.#pending.push(extrasRecord(modseq, uid, keywords))
  }

  /** Whether anything was noted since the snapshot. */
  get hasRecords(): boolean {
    return this.#offset > headerSize || this.hasPending
  }

  /** Whether there are notes that are not on disk. */
  get hasPending(): boolean {
    return this.#pending.length > 0
  }

  /** Writes what was noted. @throws the system's error; the notes are dropped then, and the file damaged at worst */
  flush(): void {
    const octets = Buffer.concat(this.#pending)
    this.#pending = []
    if (this.#id === '') return
    const fd = openSync(this.path, 'a')
    try {
      const { ino, size } = fstatSync(fd)
      // Somebody cut or removed it since we read it: the next read will see that.
      if (ino !== this.#ino || size !== this.#offset) return
      writeAllSync(fd, octets)
      this.#offset += octets.length
    } finally {
      closeSync(fd)
    }
  }

  /** A journal to come, which continues this one where we stand; a snapshot may name its place before it is there. */
  next(): { place: JournalPlace; start: () => void } {
    const header = Buffer.alloc(headerSize)
    header.write(magic, 'latin1')
    randomBytes(8).copy(header, 8)
    if (this.#id !== '') header.write(this.#id, 16, 'hex')
    header.writeDoubleLE(this.#offset, 24)
    header.writeUInt32LE(crc32(header.subarray(0, 32)), 32)
    const id = header.toString('hex', 8, 16)
    return { place: { id, offset: headerSize }, start: () => this.#start(id, header) }
  }

  #start(id: string, header: Buffer): void {
    const temporary = `${dirname(this.path)}/tmp/postern.journal`
    const fd = openSync(temporary, 'w', 0o600)
    try {
      writeAllSync(fd, header)
      this.#ino = fstatSync(fd).ino
    } finally {
      closeQuietly(fd)
    }
    renameSync(temporary, this.path)
    this.#id = id
    this.#offset = headerSize
    this.#pending = []
  }
}

interface JournalFile {
  readonly id: string
  readonly continues: JournalPlace
  readonly octets: Buffer
  readonly ino: number
}

function readJournal(path: string): JournalFile | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const { size, ino } = fstatSync(fd)
    const octets = Buffer.allocUnsafe(size)
    let filled = 0
    while (filled < size) {
      const count = readSync(fd, octets, filled, size - filled, filled)
      if (count === 0) return undefined
      filled += count
    }
    if (size < headerSize || octets.toString('latin1', 0, 8) !== magic) return undefined
    if (crc32(octets.subarray(0, 32)) !== octets.readUInt32LE(32)) return undefined
    const continues = { id: octets.toString('hex', 16, 24), offset: octets.readDoubleLE(24) }
    return { id: octets.toString('hex', 8, 16), continues, octets, ino }
  } finally {
    closeSync(fd)
  }
}
