/**
 * Records of postern.journal, octet for octet: numbers are little-endian, MODSEQs are doubles.
 *
 *     record   length of payload (4), CRC-32 of payload (4), payload
 *     payload  kind (1), MODSEQ (8), then by kind:
 *       1 flags     (UID (4), mask (4))…    new flags, or a new message
 *       2 expunged  UID (4)…
 *       3 recent    UID (4)                 no message below it is \Recent any more
 *       4 extras    UID (4), JSON           all its keywords that have no letter
 */
import { crc32 } from 'node:zlib'

/** A record never holds more messages than this; longer lists become several records. */
const longest = 10_000

/** What a journal tells, in order. */
export type JournalRecord =
  | {
      readonly kind: 'flags'
      readonly modseq: number
      readonly uids: Uint32Array
      readonly masks: Int32Array
    }
  | { readonly kind: 'expunged'; readonly modseq: number; readonly uids: Uint32Array }
  | { readonly kind: 'recent'; readonly uid: number }
  | {
      readonly kind: 'extras'
      readonly modseq: number
      readonly uid: number
      readonly keywords: readonly string[]
    }

/** The numbers of the kinds. */
const kinds = { flags: 1, expunged: 2, recent: 3, extras: 4 } as const

/** Flags of messages, old or new, as records ready to be written. */
export function flagsRecords(
  modseq: number,
  uids: readonly number[],
  maskOf: (uid: number) => number,
): Buffer[] {
  return inGroups(uids, some => {
    const payload = begin(kinds.flags, modseq, some.length * 8)
    for (const [i, uid] of some.entries()) {
      payload.writeUInt32LE(uid, 9 + i * 8)
      payload.writeInt32LE(maskOf(uid), 13 + i * 8)
    }
    return payload
  })
}

/** Messages that are gone. */
export function expungedRecords(modseq: number, uids: readonly number[]): Buffer[] {
  return inGroups(uids, some => {
    const payload = begin(kinds.expunged, modseq, some.length * 4)
    for (const [i, uid] of some.entries()) payload.writeUInt32LE(uid, 9 + i * 4)
    return payload
  })
}

/** That messages below a UID are \\Recent to nobody any more. */
export function recentRecord(uid: number): Buffer {
  const payload = begin(kinds.recent, 0, 4)
  payload.writeUInt32LE(uid, 9)
  return framed(payload)
}

/** The keywords of a message that have no letter. */
export function extrasRecord(modseq: number, uid: number, keywords: readonly string[]): Buffer {
  const text = Buffer.from(JSON.stringify(keywords))
  const payload = begin(kinds.extras, modseq, 4 + text.length)
  payload.writeUInt32LE(uid, 9)
  text.copy(payload, 13)
  return framed(payload)
}

function inGroups(uids: readonly number[], payloadOf: (some: readonly number[]) => Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at < uids.length; at += longest)
    records.push(framed(payloadOf(uids.slice(at, at + longest))))
  return records
}

function begin(kind: number, modseq: number, size: number): Buffer {
  const payload = Buffer.allocUnsafe(9 + size)
  payload[0] = kind
  payload.writeDoubleLE(modseq, 1)
  return payload
}

/** With its length and its sum before it. */
function framed(payload: Buffer): Buffer {
  const record = Buffer.allocUnsafe(8 + payload.length)
  record.writeUInt32LE(payload.length, 0)
  record.writeUInt32LE(crc32(payload), 4)
  payload.copy(record, 8)
  return record
}

/** Reads records as long as they are right. @returns where the good ones end */
export function parseRecords(octets: Buffer, start: number): { records: JournalRecord[]; end: number } {
  const records: JournalRecord[] = []
  let at = start
  while (at + 8 <= octets.length) {
    const length = octets.readUInt32LE(at)
    if (at + 8 + length > octets.length) break
    const payload = octets.subarray(at + 8, at + 8 + length)
    const record = crc32(payload) === octets.readUInt32LE(at + 4) ? decode(payload) : undefined
    if (!record) break
    records.push(record)
    at += 8 + length
  }
  return { records, end: at }
}

function decode(payload: Buffer): JournalRecord | undefined {
  if (payload.length < 9) return undefined
  const modseq = payload.readDoubleLE(1)
  switch (payload[0]) {
    case kinds.flags: {
      const count = (payload.length - 9) >>> 3
      const uids = Uint32Array.from({ length: count }, (_, i) => payload.readUInt32LE(9 + i * 8))
      const masks = Int32Array.from({ length: count }, (_, i) => payload.readInt32LE(13 + i * 8))
      return { kind: 'flags', modseq, uids, masks }
    }
    case kinds.expunged: {
      const count = (payload.length - 9) >>> 2
      const uids = Uint32Array.from({ length: count }, (_, i) => payload.readUInt32LE(9 + i * 4))
      return { kind: 'expunged', modseq, uids }
    }
    case kinds.recent:
      return payload.length < 13 ? undefined : { kind: 'recent', uid: payload.readUInt32LE(9) }
    case kinds.extras: {
      const uid = payload.readUInt32LE(9)
      return { kind: 'extras', modseq, uid, keywords: JSON.parse(payload.toString('utf8', 13)) }
    }
    default:
      return undefined
  }
}
