/** Identities that are given once and kept for ever. */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { isMissing } from '../sys/error.js'
import { parseHeader } from './uidlist-line.js'

/** A mailbox GUID as dovecot-uidlist holds it: 128 bits in 32 hex digits. */
export function guidOf(octets: Buffer = randomBytes(16)): string {
  return octets.toString('hex')
}

/** The GUID of the mailbox in a directory; undefined when it has none yet. */
export function readGuid(directory: string): string | undefined {
  let fd: number
  try {
    fd = openSync(`${directory}/dovecot-uidlist`, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const octets = Buffer.alloc(512)
    const count = readSync(fd, octets, 0, octets.length, 0)
    const [line = ''] = octets.toString('latin1', 0, count).split('\n')
    return parseHeader(line)?.guid || undefined
  } finally {
    closeSync(fd)
  }
}
