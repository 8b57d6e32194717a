/** Names of users, as they are compared and as they become part of a path. */
import { domainToASCII } from 'node:url'

/** A user's name in the one form that is compared: lower case, composed, the domain in ASCII. */
export interface Name {
  readonly local: string
  readonly domain: string
}

/**
 * Reads a login name or a local address. Both parts are compared without case; a name without a domain gets `domain`.
 *
 * @returns undefined for what can be nobody's name, above all for what could leave its directory as part of a path:
 *   a slash, dots alone or two in a row, a second one at the end, control characters, white space, a colon (which ends the field in the file)
 */
export function parseName(text: string, domain: string): Name | undefined {
  const at = text.lastIndexOf('@')
  const local = fold(at < 0 ? text : text.slice(0, at))
  const host = foldDomain(at < 0 ? domain : text.slice(at + 1))
  // Without any domain, as in a passwd-file on its own, a bare name is a whole one.
  const isHost = (isSafe(host, 255) && !host.endsWith('.')) || (at < 0 && domain === '')
  return isSafe(local, 64) && isHost ? { local, domain: host } : undefined
}

/** `local@domain`, or the local part alone where there are no domains at all. */
export function formatName(name: Name): string {
  return name.domain === '' ? name.local : `${name.local}@${name.domain}`
}

/** The form in which two domains are compared: `Mail.한국.` and `mail.xn--3e0b707e` are one. */
export function foldDomain(domain: string): string {
  const folded = fold(domain.endsWith('.') ? domain.slice(0, -1) : domain)
  return /^[\x00-\x7f]*$/.test(folded) ? folded : domainToASCII(folded) || folded
}

/** The form in which two local parts are compared. */
export function fold(text: string): string {
  return text.normalize('NFC').toLowerCase()
}

/** @param limit longest in octets (RFC 5321 §4.5.3.1) */
function isSafe(part: string, limit: number): boolean {
  return (
    part !== '' &&
    part !== '.' &&
    !part.includes('..') &&
    Buffer.byteLength(part) <= limit &&
    !/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}\p{Cs}/\\:]/u.test(part)
  )
}
