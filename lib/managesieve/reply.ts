/** The server's side of the grammar: replies and strings (RFC 5804 §1.2, §4). */
import { exits, MailError } from '../sys/error.js'

/** Response codes of RFC 5804 §1.3 that this server sends. */
export type Code =
  | 'AUTH-TOO-WEAK'
  | 'ENCRYPT-NEEDED'
  | 'QUOTA'
  | 'QUOTA/MAXSCRIPTS'
  | 'QUOTA/MAXSIZE'
  | 'TRYLATER'
  | 'ACTIVE'
  | 'NONEXISTENT'
  | 'ALREADYEXISTS'
  | 'WARNINGS'

/** A refusal, sent to the client as `NO` with its code. */
export class ManageSieveError extends MailError {
  override readonly name = 'ManageSieveError'
  readonly code: Code | undefined

  constructor(code: Code | undefined, message: string, options?: ErrorOptions) {
    super(message, { ...options, exit: code === 'TRYLATER' ? exits.tryAgain : exits.data })
    this.code = code
  }
}

/** Longest string that is sent between quotes, in octets (RFC 5804 §4: 1024). */
const longestQuoted = 1024

/** A string as it goes on the wire: between quotes where it may, else as a literal. */
export function string(text: string | Buffer): Buffer {
  const octets = Buffer.from(text)
  const plain = octets.length <= longestQuoted && !/[\0\r\n]/.test(octets.toString('latin1'))
  if (!plain) return Buffer.concat([Buffer.from(`{${octets.length}}\r\n`), octets])
  return Buffer.from(`"${octets.toString('latin1').replace(/["\\]/g, '\\$&')}"`, 'latin1')
}

/** A whole reply, its CRLF included. @param code a response code, with what belongs to it */
export function reply(status: 'OK' | 'NO' | 'BYE', text = '', code?: string): Buffer {
  const head = code === undefined ? status : `${status} (${code})`
  const tail = text === '' ? [] : [Buffer.from(' '), string(text)]
  return Buffer.concat([Buffer.from(head), ...tail, Buffer.from('\r\n')])
}
