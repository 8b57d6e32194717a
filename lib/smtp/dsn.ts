/**
 * Delivery reports on demand (RFC 3461): the parameters of MAIL and RCPT, checked strictly, since what passes is
 * written into reports and other servers' commands.
 */
import { SmtpError } from './reply.js'

const bad = (text: string) => new SmtpError(501, '5.5.4', text)

/** Longest ENVID (§4.4) and ORCPT (§4.2), in characters as they were sent. */
const longestEnvelopeId = 100
const longestOriginal = 500

/** §4.3. @throws SmtpError 501, as all of these */
export function checkRet(value: string): void {
  if (!/^(FULL|HDRS)$/i.test(value)) throw bad('RET is FULL or HDRS')
}

/** §4.4. */
export function checkEnvelopeId(value: string): void {
  const text = value.length > longestEnvelopeId ? undefined : decodeXtext(value)
  if (!text || !/^[\x20-\x7e]+$/.test(text)) throw bad('ENVID is up to 100 characters of xtext')
}

/** §4.1: NEVER alone, or some of the others. */
export function checkNotify(value: string): void {
  if (!/^(NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY)){0,2})$/i.test(value))
    throw bad('NOTIFY is NEVER, or SUCCESS, FAILURE and DELAY with commas between')
}

/** §4.2, and RFC 6533 §3 for addresses beyond ASCII. */
export function checkOriginal(value: string): void {
  const [, type, encoded = ''] = /^([A-Za-z0-9.-]+);(.+)$/.exec(value) ?? []
  const text = type === undefined || value.length > longestOriginal ? undefined : decodeXtext(encoded)
  if (!text || /[\x00-\x1f\x7f-\x9f<>]/.test(text)) throw bad('ORCPT is type;address, the address as xtext')
}

/** Whether the sender wants to hear that the message arrived. */
export function wantsSuccess(parameters: ReadonlyMap<string, string>): boolean {
  return /\bSUCCESS\b/i.test(parameters.get('NOTIFY') ?? '')
}

/** §4. @returns undefined for what is no xtext */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|[^\x00-\x7f]|\+[0-9A-F]{2})*$/.test(text)) return undefined
  if (!text.includes('+')) return text
  const octets = Buffer.from(text).toString('latin1')
  const decoded = octets.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(decoded, 'latin1').toString()
}
