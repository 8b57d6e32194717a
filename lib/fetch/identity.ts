/**
 * How a message is known again without its UID: by its Message-ID, its Date and its size, and where it has no
 * Message-ID by its INTERNALDATE too. A key is `HASH.SIZE`, the hash 12 octets of SHA-256 in base64url, the size in
 * base 36.
 */
import { hash } from 'node:crypto'
import { readHeader } from '../message/header.js'

/**
 * The key of a message.
 *
 * @param octets the message, or the two fields of its header; line ends do not matter
 * @param size on the wire
 * @param received INTERNALDATE in milliseconds
 */
export function keyOf(octets: Buffer, size: number, received: number | undefined): string {
  const header = readHeader(octets)
  const id = header.first('message-id') ?? ''
  const date = header.first('date') ?? ''
  const seconds = id === '' && received !== undefined ? Math.floor(received / 1000) : ''
  // 16 characters are 12 octets.
  const digest = hash('sha256', `${id}\n${date}\n${seconds}`, 'base64url').slice(0, 16)
  return `${digest}.${size.toString(36)}`
}

/** A message that is here, or was. */
export interface Candidate {
  readonly key: string
  /** Its UID in the local folder; 0 for one that was here and is not any more. */
  readonly local: number
}

const hashOf = (key: string): string => key.slice(0, key.lastIndexOf('.'))

/**
 * Finds messages again. Each candidate stands for one message only; where several are alike, those go together
 * that come in the same order. A message whose size alone differs (servers count it in several ways) is the
 * same one if nothing else has its Message-ID and Date on either side.
 *
 * @param remote keys by UID, UIDs ascending
 * @returns local UIDs by remote UID, for those that were found
 */
export function matchMessages(
  remote: readonly (readonly [uid: number, key: string])[],
  candidates: Iterable<Candidate>,
): Map<number, Candidate> {
  const byKey = new Map<string, Candidate[]>()
  for (const candidate of candidates) {
    const list = byKey.get(candidate.key)
    if (list) list.push(candidate)
    else byKey.set(candidate.key, [candidate])
  }
  const found = new Map<number, Candidate>()
  const left: [number, string][] = []
  for (const [uid, key] of remote) {
    const candidate = byKey.get(key)?.shift()
    if (candidate) found.set(uid, candidate)
    else left.push([uid, key])
  }
  if (left.length === 0) return found
  const byHash = new Map<string, Candidate[]>()
  for (const candidate of [...byKey.values()].flat()) {
    const hash = hashOf(candidate.key)
    byHash.set(hash, [...(byHash.get(hash) ?? []), candidate])
  }
  const alike = new Map<string, number>()
  for (const [, key] of left) alike.set(hashOf(key), (alike.get(hashOf(key)) ?? 0) + 1)
  for (const [uid, key] of left) {
    const hash = hashOf(key)
    const list = byHash.get(hash) ?? []
    if (list.length === 1 && alike.get(hash) === 1) found.set(uid, list[0] as Candidate)
  }
  return found
}
