/**
 * postern.cache, octet for octet: numbers are little-endian.
 *
 *     header   "PSTNCCH1", UIDVALIDITY (4), CRC-32 of these 12 octets
 *     record   CRC-32 of the rest (4), length of the value (4), UID (4), length of the kind (1), kind, value
 */
import { crc32 } from 'node:zlib'
import { fileHeader } from './file-header.js'

const magic = 'PSTNCCH1'
/** Octets of a record before its kind. */
export const recordHead = 13
/** A value larger than this is not kept. */
export const largestValue = 1 << 20
export const largestRecord = largestValue + 300

/** A value for the cache. */
export interface Entry {
  readonly uid: number
  /** At most 255 characters, ASCII. */
  readonly kind: string
  readonly value: Buffer
}

/** The header of a file. */
export function headerOf(validity: number): Buffer {
  return fileHeader(magic, validity)
}

/** An entry as a record. */
export function recordOf({ uid, kind, value }: Entry): Buffer {
  const record = Buffer.allocUnsafe(recordHead + kind.length + value.length)
  record.write(kind, recordHead, 'latin1')
  value.copy(record, recordHead + kind.length)
  sealRecord(record, uid, kind.length)
  return record
}

/** Fills the head of a record whose kind and value stand behind the room for it. */
export function sealRecord(record: Buffer, uid: number, kindLength: number): void {
  record.writeUInt32LE(record.length - recordHead - kindLength, 4)
  record.writeUInt32LE(uid, 8)
  record[12] = kindLength
  record.writeUInt32LE(crc32(record.subarray(4)), 0)
}

/** UID of the record that begins at `at`, of which at least the head is there. */
export function uidAt(octets: Buffer, at: number): number {
  return octets.readUInt32LE(at + 8)
}

/** Whether the record that begins at `at`, of which at least the head and the kind are there, is of a kind. */
export function isOfKind(octets: Buffer, at: number, kind: string): boolean {
  if (octets[at + 12] !== kind.length) return false
  for (let i = 0; i < kind.length; i++) if (octets[at + recordHead + i] !== kind.charCodeAt(i)) return false
  return true
}

/** The kind of the record that begins at `at`, of which at least the head and the kind are there. */
export function kindAt(octets: Buffer, at: number): string {
  const start = at + recordHead
  return octets.toString('latin1', start, start + octets[at + 12]!)
}

/** Octets of the record that begins at `at`, as it says itself. */
export function recordSize(octets: Buffer, at: number): number {
  return recordHead + octets[at + 12]! + octets.readUInt32LE(at + 4)
}

/**
 * The value of the record that begins at `at`, all of which is there, if it is right and of that UID and kind. Written
 * for being asked 100,000 times in a row.
 *
 * @param isChecked whether its checksum was right before
 */
export function valueAt(
  octets: Buffer,
  at: number,
  uid: number,
  kind: string,
  isChecked = false,
): Buffer | undefined {
  if (octets.readUInt32LE(at + 8) !== uid || !isOfKind(octets, at, kind)) return undefined
  const start = at + recordHead + kind.length
  const end = start + octets.readUInt32LE(at + 4)
  if (!isChecked && crc32(octets.subarray(at + 4, end)) !== octets.readUInt32LE(at)) return undefined
  return octets.subarray(start, end)
}
