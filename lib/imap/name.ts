/** Text and mailbox names as clients write them in octets. */
import { decodeMutf7 } from '../message/mutf7.js'
import { bad, no } from './reply.js'

/** Octets as UTF-8 text; NUL and malformed octets are refused (RFC 9051 §4.3). */
export function textOf(octets: Buffer, what: string): string {
  const text = octets.toString()
  if (text.includes('\0') || (text.includes('\ufffd') && !Buffer.from(text).equals(octets)))
    throw bad(`${what} is not UTF-8.`)
  return text
}

/**
 * Modified UTF-7 (RFC 3501 §5.1.3), or plain UTF-8 from a client that writes that.
 *
 * @param utf8 nothing is modified UTF-7: the client has enabled UTF8=ACCEPT (RFC 6855 §3)
 * @throws ImapError NO [CANNOT] for what is no name in either, BAD for octets that are no UTF-8
 */
export function mailboxName(octets: Buffer, utf8 = false): string {
  const isUtf8 = utf8 || octets.some(octet => octet >= 0x80)
  const name = isUtf8 ? textOf(octets, 'The mailbox name') : decodeMutf7(octets.toString('latin1'))
  const forbidden = isUtf8 ? /[\0-\x1f\x7f-\x9f\u2028\u2029\ufffd]/ : /[\0-\x1f\x7f\ufffd]/
  if (name === undefined || forbidden.test(name))
    throw no('CANNOT', 'That is no mailbox name: write it in UTF-8 or modified UTF-7.')
  return canonicalName(name)
}

/** INBOX in any case is one mailbox, and so is the first level of what stands below it. */
export function canonicalName(name: string): string {
  return /^inbox($|\.)/i.test(name) ? `INBOX${name.slice(5)}` : name
}
