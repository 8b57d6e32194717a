/** nodemailer's SMTP connection, with what it lacks; no other file knows the package. */
import type { Socket } from 'node:net'
import { type Readable, Transform } from 'node:stream'
import SMTPConnection, { type SMTPConnectionOptions, type SMTPEnvelope } from 'nodemailer/lib/smtp-connection'
import { DotEncoder } from '../wire/dot.js'
import { type Answer, parseAnswer } from './answer.js'

/** What one message is sent with, as the client takes it. */
export interface ClientEnvelope {
  /** The reverse-path; empty for the null one. */
  readonly sender: string
  /** Each address once. */
  readonly recipients: readonly ClientRecipient[]
  /** Octets of the message, roughly (RFC 1870). */
  readonly size?: number
  readonly envid?: string
  readonly ret?: 'full' | 'headers'
  /** Whether the header holds UTF-8 (RFC 6531); addresses are looked at anyway. */
  readonly utf8?: boolean
  readonly requireTls?: boolean
  /** BY, in seconds from now (RFC 2852); left out where the server does not know it. */
  readonly by?: { readonly seconds: number; readonly mode: 'N' | 'R'; readonly trace: boolean } | undefined
}

export interface ClientRecipient {
  readonly address: string
  /** NOTIFY as it goes on the wire, `SUCCESS,FAILURE`; ORCPT before xtext, `rfc822;a@example.org` (RFC 3461 §4). */
  readonly notify?: string
  readonly original?: string
}

/** What nodemailer reports. */
export interface SmtpTrouble extends Error {
  readonly code?: string
  /** The reply that was the reason, whole. */
  readonly response?: string
  /** The code the error had first, ECONNREFUSED or CERT_HAS_EXPIRED say. */
  readonly originalCode?: string
}

/** What nodemailer's types do not show; the version is pinned exactly, and the tests of the client go through all of it. */
interface Hidden {
  _supportedExtensions: string[]
  /** Absent where the server knows only HELO. */
  _ehloLines: string[] | undefined
  _maxAllowedSize: number | undefined
  _recipientQueue: string[]
  _currentDataStream: unknown
  _envelope:
    | { readonly rejectedErrors?: readonly (SmtpTrouble & { readonly recipient?: string })[] }
    | false
    | undefined
  _sendCommand(text: string, shown?: string): void
  _responseActions: ((reply: string) => void)[]
  _actionSMTPStream(reply: string, done: Done): void
  _createSendStream(done: Done): unknown
  _actionLMTPStream(recipient: string, isLast: boolean, reply: string, done: Done): void
}

type Done = (error: Error | null, reply?: string) => void

/** A connection that is open: parameters for each recipient, and SMTPUTF8 for a header, are our additions. */
export class ClientConnection extends SMTPConnection {
  #envelope: ClientEnvelope | undefined
  #isWhole = false
  /** What an LMTP server said at the end of the message, by recipient (RFC 2033 §4.2). */
  readonly #keptFor = new Map<string, Answer>()

  constructor(socket: Socket, options: Omit<SMTPConnectionOptions, 'connection'>) {
    super({ ...options, connection: socket })
  }

  supports(extension: string): boolean {
    return this.#hidden._supportedExtensions.includes(extension)
  }

  /** Whether the server announced a SASL mechanism. */
  offers(mechanism: string): boolean {
    // The base class keeps only those that it knows.
    return (this.#hidden._ehloLines ?? []).some(line => {
      const [verb, ...words] = line.toUpperCase().split(/[\s=]+/)
      return verb === 'AUTH' && words.includes(mechanism)
    })
  }

  /** The shortest time in seconds in which the server would deliver (RFC 2852 §2); undefined where it knows of none. */
  get leastTime(): number | undefined {
    for (const line of this.#hidden._ehloLines ?? []) {
      const found = /^DELIVERBY(?:[ =](\d{1,9})?(?:,.*)?)?$/i.exec(line.trim())
      if (found) return Number(found[1] ?? 0)
    }
    return undefined
  }

  /** The largest message in octets that the server announced; undefined when it did not. */
  get maxSize(): number | undefined {
    return this.#hidden._maxAllowedSize || undefined
  }

  /** Whether octets of the message are still to be sent. */
  get inMessage(): boolean {
    return Boolean(this.#hidden._currentDataStream)
  }

  /** Sends a message. @returns the reply to it @throws SmtpTrouble */
  transmit(envelope: ClientEnvelope, message: Buffer | Readable): Promise<Answer> {
    this.#envelope = envelope
    this.#isWhole = Buffer.isBuffer(message)
    this.#hidden._envelope = undefined
    this.#keptFor.clear()
    return new Promise((resolve, reject) => {
      this.send(plainEnvelope(envelope), message, (error, info) =>
        error ? reject(error) : resolve(parseAnswer(info?.response ?? '')),
      )
    })
  }

  /** The words on recipients that were answered by themselves, by address, since the last {@link transmit} began. */
  answered(): Map<string, Answer> {
    const refused = new Map<string, Answer>(this.#keptFor)
    const { rejectedErrors = [] } = this.#hidden._envelope || {}
    for (const { recipient, response } of rejectedErrors)
      if (recipient !== undefined && response !== undefined) refused.set(recipient, parseAnswer(response))
    return refused
  }

  /** Called for the recipient queued last; the base class knows only one set of parameters, for all. */
  _getDsnRcptToArgs(): string {
    if (!this.supports('DSN')) return ''
    const address = this.#hidden._recipientQueue.at(-1)
    const recipient = this.#envelope?.recipients.find(each => each.address === address)
    const notify = recipient?.notify ? ` NOTIFY=${recipient.notify}` : ''
    const [, type, original] = /^([^;]+);(.*)$/s.exec(recipient?.original ?? '') ?? []
    return original === undefined ? notify : `${notify} ORCPT=${type};${xtext(original)}`
  }

  /** The base class asks for SMTPUTF8 only where an address needs it, and a header may; it does not know BY. */
  _sendCommand(text: string, shown?: string): void {
    const base = SMTPConnection.prototype as unknown as Hidden
    base._sendCommand.call(this, /^MAIL FROM:/.test(text) ? text + this.#mailArguments(text) : text, shown)
  }

  #mailArguments(text: string): string {
    const { utf8, by } = this.#envelope ?? {}
    let more = utf8 && !/ SMTPUTF8\b/.test(text) ? ' SMTPUTF8' : ''
    if (by && this.leastTime !== undefined) more += ` BY=${by.seconds};${by.mode}${by.trace ? 'T' : ''}`
    return more
  }

  _actionLMTPStream(recipient: string, isLast: boolean, reply: string, done: Done): void {
    this.#keptFor.set(recipient, parseAnswer(reply))
    const base = SMTPConnection.prototype as unknown as Hidden
    base._actionLMTPStream.call(this, recipient, isLast, reply, done)
  }

  /**
   * What the message is written to, once the server has asked for it. Ours stuffs dots several times faster than the
   * base class's, and sends a message that is one buffer by one write.
   */
  _createSendStream(done: Done): unknown {
    const hidden = this.#hidden
    if (this.options.lmtp)
      return (SMTPConnection.prototype as unknown as Hidden)._createSendStream.call(this, done)
    hidden._responseActions.push(reply => hidden._actionSMTPStream(reply, done))
    const socket = this._socket as Socket
    const encoder = new DotEncoder()
    if (this.#isWhole)
      return {
        outByteCount: 0,
        write: (message: Buffer) => socket.write(Buffer.concat([encoder.push(message), encoder.end()])),
        end: () => {},
      }
    const stream = new Transform({
      transform: (chunk, _encoding, pass) => pass(null, encoder.push(chunk)),
      flush: pass => pass(null, encoder.end()),
    })
    hidden._currentDataStream = stream
    stream.once('end', () => {
      hidden._currentDataStream = false
    })
    stream.pipe(socket, { end: false })
    return stream
  }

  get #hidden(): Hidden {
    return this as unknown as Hidden
  }
}

function plainEnvelope(envelope: ClientEnvelope): SMTPEnvelope {
  const { sender, recipients, size, envid, ret, requireTls } = envelope
  return {
    from: sender === '' ? false : sender,
    to: recipients.map(({ address }) => address),
    ...(size !== undefined && { size }),
    // Declared whenever the server has it: stored messages were never checked for being 7-bit.
    use8BitMime: true,
    dsn: { ret: ret && (ret === 'full' ? 'FULL' : 'HDRS'), envid },
    ...(requireTls && { requireTLSExtensionEnabled: true }),
  }
}

/** RFC 3461 §4: what is not printable ASCII, and `+` and `=`, as `+` and two hexadecimal digits. */
function xtext(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(/[^!-~]|[+=]/g, octet => `+${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}
