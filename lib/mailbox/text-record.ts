/**
 * postern.text, octet for octet: numbers are little-endian, texts are UTF-8, folded as message/searchable.ts does it.
 *
 *     header   "PSTNTXT1", UIDVALIDITY (4), CRC-32 of these 12 octets
 *     record   CRC-32 of the next 16 octets (4), UID (4), octets of the header's text (4), octets of the body's
 *              texts (4), CRC-32 of all that follows (4), the header's text, NUL, the body's texts with NULs between
 *
 * No search asks for NUL, so that nothing is found that begins in one text and ends in another.
 */
import { crc32 } from 'node:zlib'
import { fileHeader } from './file-header.js'

const magic = 'PSTNTXT1'
/** Octets of a record before its texts. */
export const recordHead = 20
/** Texts that are longer than this together are not kept: their message is read whenever it is searched. */
export const largestText = 16 << 20

/** Where the texts of a message stand. */
export interface Place {
  readonly uid: number
  /** Octets of the header's text. */
  readonly header: number
  /** Octets of the body's texts. */
  readonly body: number
  /** CRC-32 of all text. */
  readonly sum: number
}

/** The header of a file. */
export function headerOf(validity: number): Buffer {
  return fileHeader(magic, validity)
}

/** Records of messages, gathered to be written together. */
export class TextBatch {
  #room = Buffer.allocUnsafeSlow(2 << 20)
  #end = 0

  /** The records so far; good until the next is added. */
  get octets(): Buffer {
    return this.#room.subarray(0, this.#end)
  }

  /**
   * Adds a record.
   *
   * @returns its texts, and how many octets of them are the header's; good until the next is added
   */
  add(uid: number, header: string, body: readonly string[]): { octets: Buffer; header: number } {
    const start = this.#end
    const longest = body.reduce((sum, text) => sum + text.length + 1, header.length)
    this.#reserve(recordHead + 3 * longest + 1)
    const room = this.#room
    const text = start + recordHead
    let at = text + room.write(header, text)
    const headerOctets = at - text
    if (body.length === 0) room[at++] = 0
    for (const one of body) {
      room[at++] = 0
      at += room.write(one, at)
    }
    room.writeUInt32LE(uid, start + 4)
    room.writeUInt32LE(headerOctets, start + 8)
    room.writeUInt32LE(at - text - headerOctets - 1, start + 12)
    const octets = room.subarray(text, at)
    room.writeUInt32LE(crc32(octets), start + 16)
    room.writeUInt32LE(crc32(room.subarray(start + 4, text)), start)
    this.#end = at
    return { octets, header: headerOctets }
  }

  /** Takes the last record out again. @param octets its texts */
  drop({ length }: Buffer): void {
    this.#end -= recordHead + length
  }

  /** Begins anew. */
  clear(): void {
    this.#end = 0
    if (this.#room.length > 8 << 20) this.#room = Buffer.allocUnsafeSlow(2 << 20)
  }

  #reserve(count: number): void {
    const wanted = this.#end + count
    if (wanted <= this.#room.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.#room.length * 2))
    this.#room.copy(larger, 0, 0, this.#end)
    this.#room = larger
  }
}

/** What a head says; undefined for octets that are none. */
export function readHead(head: Buffer): Place | undefined {
  if (head.length < recordHead || crc32(head.subarray(4, recordHead)) !== head.readUInt32LE(0))
    return undefined
  const place = {
    uid: head.readUInt32LE(4),
    header: head.readUInt32LE(8),
    body: head.readUInt32LE(12),
    sum: head.readUInt32LE(16),
  }
  return place.uid > 0 && place.header + place.body < largestText ? place : undefined
}

/** Octets of a record. */
export function recordSize({ header, body }: Place): number {
  return recordHead + header + 1 + body
}
