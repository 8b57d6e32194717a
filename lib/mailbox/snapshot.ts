/**
 * postern.index: a mailbox's columns as they were at one moment, so that a new process need not read directories and
 * name all messages again. Written in tmp/ and renamed; not synced: its CRC tells whether it is whole.
 *
 *     "PSTNIDX1", octets of JSON (4), CRC-32 of all that follows (4), JSON,
 *     then columns: MODSEQs (8 each), dates (8), UIDs (4), masks (4), sizes (4), stored sizes (4), in new/ (1),
 *     gone UIDs (4), their MODSEQs (8), names, each with an LF
 */
import { closeSync, openSync, readFileSync, renameSync } from 'node:fs'
import { setImmediate as yielding } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { writeAllSync } from '../sys/atomic.js'
import { isMissing } from '../sys/error.js'
import type { JournalPlace } from './journal.js'
import type { Columns, Table } from './table.js'

const magic = 'PSTNIDX1'
/** Rows turned into octets before others run. */
const group = 10_000

/** What belongs to a mailbox beside its columns. */
export interface SnapshotMeta {
  readonly count: number
  readonly goneCount: number
  readonly goneFloor: number
  readonly validity: number
  readonly next: number
  readonly modseq: number
  readonly firstRecent: number
  /** Where the journal goes on. */
  readonly journal: JournalPlace
  /** The place in the journal before, all of which this snapshot holds. */
  readonly covers: JournalPlace
  /** Keywords without letters, by UID. */
  readonly extras: readonly (readonly [number, readonly string[]])[]
  /** State of dovecot-uidlist when this was written; see UidList.stamp. */
  readonly list: string
  /** Modification times of new/ and cur/ in nanoseconds, where the names are known to be those of that time. */
  readonly newTime: string
  readonly curTime: string
}

export interface Snapshot extends Columns {
  readonly meta: SnapshotMeta
  readonly goneUids: Uint32Array
  readonly goneModseqs: Float64Array
}

/** Writes a snapshot of a table. @throws the system's error; the old one stands then */
export async function writeSnapshot(
  directory: string,
  table: Table,
  gone: { uids: readonly number[]; modseqs: readonly number[] },
  meta: SnapshotMeta,
): Promise<void> {
  const { count } = table
  const columns = [
    ...[table.modseqs, table.dates, table.uids, table.masks, table.sizes, table.storedSizes, table.inNew].map(
      column => octetsOf(column.slice(0, count)),
    ),
    octetsOf(Uint32Array.from(gone.uids)),
    octetsOf(Float64Array.from(gone.modseqs)),
  ]
  // zlib takes a column of no octets for the wish to begin a new sum.
  const parts = [Buffer.from(JSON.stringify(meta)), ...columns.filter(column => column.length > 0)]
  for (let at = 0; at < count; at += group) {
    const names = table.names.slice(at, at + group)
    parts.push(Buffer.from(`${names.join('\n')}\n`, 'latin1'))
    await yielding()
  }
  const head = Buffer.alloc(16)
  head.write(magic, 'latin1')
  head.writeUInt32LE(parts[0]!.length, 8)
  head.writeUInt32LE(
    parts.reduce((crc, part) => crc32(part, crc), 0),
    12,
  )
  const path = `${directory}/postern.index`
  const temporary = `${directory}/tmp/postern.index`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    for (const part of [head, ...parts]) writeAllSync(fd, part)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
}

function octetsOf(column: ArrayBufferView): Buffer {
  return Buffer.from(column.buffer, column.byteOffset, column.byteLength)
}

/** Reads the snapshot; undefined when there is none, or it is not whole. */
export function readSnapshot(directory: string): Snapshot | undefined {
  let octets: Buffer
  try {
    octets = readFileSync(`${directory}/postern.index`)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  if (octets.length < 16 || octets.toString('latin1', 0, 8) !== magic) return undefined
  const body = octets.subarray(16)
  if (crc32(body) !== octets.readUInt32LE(12)) return undefined
  const metaSize = octets.readUInt32LE(8)
  try {
    const meta = JSON.parse(body.toString('utf8', 0, metaSize)) as SnapshotMeta
    const columns = columnsOf(body, metaSize, meta)
    return columns.names.length === meta.count ? { meta, ...columns } : undefined
  } catch {
    // The sum fits, and the rest is nothing that we wrote.
    return undefined
  }
}

function columnsOf(body: Buffer, start: number, meta: SnapshotMeta): Omit<Snapshot, 'meta'> {
  let at = start
  // Copies: a column must begin at a multiple of its width.
  const take = (octets: number): ArrayBuffer => {
    if (at + octets > body.length) throw new RangeError('the columns are longer than the file')
    const part = new Uint8Array(octets)
    part.set(body.subarray(at, at + octets))
    at += octets
    return part.buffer
  }
  const { count, goneCount } = meta
  const modseqs = new Float64Array(take(count * 8))
  const dates = new Float64Array(take(count * 8))
  const uids = new Uint32Array(take(count * 4))
  const masks = new Int32Array(take(count * 4))
  const sizes = new Uint32Array(take(count * 4))
  const storedSizes = new Uint32Array(take(count * 4))
  const inNew = new Uint8Array(take(count))
  const goneUids = new Uint32Array(take(goneCount * 4))
  const goneModseqs = new Float64Array(take(goneCount * 8))
  const names = count === 0 ? [] : body.toString('latin1', at, body.length - 1).split('\n')
  return { modseqs, dates, uids, masks, sizes, storedSizes, inNew, goneUids, goneModseqs, names }
}
