/** What the client library makes of a server's answers, as ours want it. */
import type { Fetched, Query } from './flow.js'
import type { Listed } from './source.js'

const empty = Buffer.alloc(0)
/** What a large message comes in, in octets: as much as is in memory of it. */
export const pieceSize = 2 * 1024 * 1024

/** What is asked of each message. */
export const messageQuery: Query = { uid: true, flags: true, internalDate: true, source: true, labels: true }

/** What a FETCH brought of a message: a short one may stand in quotes, and none be NIL, whatever the library's types say. */
export function octetsOf({ source }: { readonly source?: unknown }): Buffer {
  if (Buffer.isBuffer(source)) return source
  return typeof source === 'string' ? Buffer.from(source, 'latin1') : empty
}

/** A piece of a message. */
export function piece(start: number): { start: number; maxLength: number } {
  return { start, maxLength: pieceSize }
}

/** HIGHESTMODSEQ as text; undefined where there is none. */
export function modseqOf(modseq: bigint | undefined): string | undefined {
  return modseq === undefined || modseq === 0n ? undefined : String(modseq)
}

/** What a listing says of a message. */
export function listedOf({ uid, size, emailId }: Fetched): Listed {
  return { uid, size: size ?? 0, ...(emailId !== undefined && { id: emailId }) }
}

/** Rows by UID, each once: `n:*` brings the last message also when it is below n (RFC 3501 §6.4.8). */
export function ascending<T extends Listed>(rows: T[], from: number): T[] {
  const byUid = new Map(rows.filter(({ uid }) => uid >= from).map(row => [row.uid, row]))
  return [...byUid.values()].sort((a, b) => a.uid - b.uid)
}

/** INTERNALDATE in milliseconds since 1970; undefined for none, or one that cannot be read. */
export function dateOf(date: Date | string | undefined): number | undefined {
  const time = date instanceof Date ? date.getTime() : Date.parse(date ?? '')
  // NIL comes as 1970 from the library.
  return time > 0 ? time : undefined
}

/** `1:5,7` */
export function rangeOf(uids: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < uids.length; ) {
    let end = i
    while (end + 1 < uids.length && uids[end + 1] === (uids[end] as number) + 1) end++
    parts.push(end === i ? `${uids[i]}` : `${uids[i]}:${uids[end]}`)
    i = end + 1
  }
  return parts.join(',')
}
