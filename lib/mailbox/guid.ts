/** Identities that are given once and kept for ever. */
import { randomBytes } from 'node:crypto'

/** A mailbox GUID as dovecot-uidlist holds it: 128 bits in 32 hex digits. */
export function guidOf(octets: Buffer = randomBytes(16)): string {
  return octets.toString('hex')
}
