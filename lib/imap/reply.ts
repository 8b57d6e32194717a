/** Refusals that are answers: what a command throws is what the client reads. */
import { MailError } from '../sys/error.js'

/** NO: understood, and not done. BAD: not understood, or not allowed here. BYE: not done, and the session ends. */
export type Condition = 'NO' | 'BAD' | 'BYE'

/** A refusal, sent to the client as it stands. */
export class ImapError extends MailError {
  override readonly name = 'ImapError'
  readonly condition: Condition
  /** The response code without its brackets (RFC 5530): `TRYCREATE`, `BADCHARSET (US-ASCII UTF-8)`. */
  readonly code: string | undefined

  constructor(condition: Condition, code: string | undefined, text: string, options?: ErrorOptions) {
    super(text, options)
    this.condition = condition
    this.code = code
  }

  /** RFC 5530 §3: these codes promise that the same command may work later. */
  override get temporary(): boolean {
    return this.code === 'UNAVAILABLE' || this.code === 'INUSE'
  }

  /** The line after its tag: `NO [NONEXISTENT] There is no such mailbox.` */
  get line(): string {
    return `${this.condition} ${this.code === undefined ? '' : `[${this.code}] `}${oneLine(this.message)}`
  }
}

/** @param code response code without brackets, see {@link ImapError.code} */
export function no(code: string | undefined, text: string, options?: ErrorOptions): ImapError {
  return new ImapError('NO', code, text, options)
}

export function bad(text: string): ImapError {
  return new ImapError('BAD', undefined, text)
}

export function bye(code: string | undefined, text: string): ImapError {
  return new ImapError('BYE', code, text)
}

/** Messages that this session still counts are expunged already (RFC 5530 §3). */
export function gone(): ImapError {
  return no('EXPUNGEISSUED', 'Some of the messages are gone already.')
}

/** Words of ours as resp-text: neither line ends nor 8-bit octets, which RFC 3501 §9 does not allow there. */
export function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?')
}
