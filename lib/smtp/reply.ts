/** Replies: what a server says, and errors that are replies. */
import { exits, isFull, MailError } from '../sys/error.js'

/** A refusal, sent to the client as it stands. */
export class SmtpError extends MailError {
  override readonly name = 'SmtpError'
  readonly code: number
  /** RFC 3463, such as 5.7.8. */
  readonly status: string

  constructor(code: number, status: string, text: string, options: ErrorOptions = {}) {
    super(text, { ...options, exit: exitOf(code, status) })
    this.code = code
    this.status = status
  }

  /** RFC 5321 §4.2.1: 4yz asks the client to come back, 5yz tells it not to. */
  override get temporary(): boolean {
    return this.code < 500
  }
}

/** What a program that delivers, and cannot speak SMTP, exits with. */
function exitOf(code: number, status: string) {
  if (code < 500) return exits.tryAgain
  if (status.startsWith('5.1.')) return exits.noUser
  // A full mailbox too, as dovecot-lda has it.
  return /^5\.(?:7\.|2\.2$)/.test(status) ? exits.notAllowed : exits.data
}

/** One reply. Replies to EHLO, HELP and the greeting have no enhanced status (RFC 2034 §4). */
export interface Reply {
  readonly code: number
  readonly status?: string
  readonly text: string | readonly string[]
}

/** Longest line of a reply, its code and CRLF included (RFC 5321 §4.5.3.1.5). */
const lineLimit = 512

/** The octets of a reply, every line with its code; what a peer supplied cannot add a line of its own. */
export function formatReply(reply: Reply): string {
  const { code, status, text } = reply
  if (typeof text === 'string') return formatLine(code, ' ', status, text)
  const last = text.length - 1
  return text.map((line, index) => formatLine(code, index < last ? '-' : ' ', status, line)).join('')
}

function formatLine(code: number, separator: string, status: string | undefined, text: string): string {
  const printable = /[^\x20-\x7e]/.test(text) ? text.replace(/[^\x20-\x7e]/g, '?') : text
  const line =
    status === undefined ? `${code}${separator}${printable}` : `${code}${separator}${status} ${printable}`
  return `${line.length > lineLimit - 2 ? line.slice(0, lineLimit - 2) : line}\r\n`
}

/** The reply that an error is: its own, 452 for a full disk, or 451 for what is temporary and for what nobody foresaw. */
export function replyOf(error: unknown): Reply {
  if (error instanceof SmtpError) return { code: error.code, status: error.status, text: error.message }
  if (isFull(error)) return { code: 452, status: '4.3.1', text: 'There is no space left; try again later' }
  if (error instanceof MailError && error.temporary)
    return { code: 451, status: '4.3.0', text: error.message }
  return { code: 451, status: '4.3.0', text: 'Something went wrong here; try again later' }
}

/** Whether the peer has nothing to do with it: a bug or a broken machine, which belongs in the log as an error. */
export function isUnforeseen(error: unknown): boolean {
  return !(error instanceof MailError)
}

/** What the log keeps of a bug: where it happened. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
