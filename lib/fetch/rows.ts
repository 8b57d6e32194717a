/** What is asked of messages, and what the answers are made into. */
import type { Row } from './row.js'
import type { Listed } from './source.js'

/** What a large message comes in, in octets: as much as is in memory of it. */
export const pieceSize = 2 * 1024 * 1024

/** What asks for a piece of a message. */
export function piece(start: number): string {
  return `BODY.PEEK[]<${start}.${pieceSize}>`
}

/** HIGHESTMODSEQ as text; undefined where there is none. */
export function modseqOf(modseq: bigint | undefined): string | undefined {
  return modseq === undefined || modseq === 0n ? undefined : String(modseq)
}

/** Whether an answer lists a message. */
export function isListed({ uid, size }: Row): boolean {
  return uid !== undefined && size !== undefined
}

/** Whether an answer brings a message, or a piece of one. */
export function isMessage({ uid, octets }: Row): boolean {
  return uid !== undefined && octets !== undefined
}

/** What a listing says of a message. */
export function listedOf({ uid = 0, size = 0, id }: Row): Listed {
  return { uid, size, ...(id !== undefined && { id }) }
}

/** Rows by UID, each once: `n:*` brings the last message also when it is below n (RFC 3501 §6.4.8). */
export function ascending<T extends Listed>(rows: T[], from: number): T[] {
  const byUid = new Map(rows.filter(({ uid }) => uid >= from).map(row => [row.uid, row]))
  return [...byUid.values()].sort((a, b) => a.uid - b.uid)
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
