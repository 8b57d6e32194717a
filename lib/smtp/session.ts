/** One session's state, and the boundary to whoever knows logins, mailboxes and the queue. */
import type { Log } from '../sys/log.js'
import { isLoopback } from '../sys/sockets.js'
import type { Connection } from '../wire/line.js'
import type { TlsMode } from '../wire/listener.js'
import type { Identity } from '../wire/tls.js'
import type { Chunks } from './chunking.js'
import type { Path } from './path.js'
import { formatReply, type SmtpError } from './reply.js'

/**
 * `new`: no greeting from the client yet, or TLS has just begun. `ready`: greeted, no transaction. `mail`: a sender.
 * `recipients`: a sender and at least one recipient. `chunks`: some of the message, by BDAT.
 */
export type State = 'new' | 'ready' | 'mail' | 'recipients' | 'chunks'

/** Who is at the other end, as far as the session knows by now. */
export interface Peer {
  /** The session's id, in every log line. */
  readonly session: string
  /** In plain form; empty on a Unix socket. */
  readonly address: string
  /** The name the client gave itself in EHLO, HELO or LHLO; whatever it typed, printable. */
  readonly helo: string
  /** The word that names the protocol in a Received line: SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP … (RFC 3848, RFC 6531). */
  readonly protocol: string
  /** What TLS agreed on, such as `TLSv1.3 TLS_AES_256_GCM_SHA384`; undefined in the clear. */
  readonly tls: string | undefined
  /** Whether nobody can listen: TLS, loopback or a Unix socket. */
  readonly secure: boolean
}

/** One recipient that was accepted. */
export interface Recipient {
  readonly path: Path
  readonly parameters: ReadonlyMap<string, string>
}

/** The envelope of one message. */
export interface Envelope {
  /** {@link nullPath} for bounces. */
  readonly sender: Path
  /** MAIL's parameters, by keyword in upper case. */
  readonly parameters: ReadonlyMap<string, string>
  readonly recipients: readonly Recipient[]
  /** Octets the client announced (SIZE=); undefined where it did not. */
  readonly declaredSize: number | undefined
  /** Whether addresses and header may hold UTF-8 (RFC 6531). */
  readonly utf8: boolean
}

/** What became of the message for one recipient: taken over, or refused. */
export type Fate = 'accepted' | SmtpError

/** A message that is coming in. It ends with commit() or with abort(). */
export interface Incoming {
  /** The client has been told to go on, and nothing has come yet: what can be opened by now may be. */
  expect?(): void
  /** Takes octets as they are stored: LF ends a line, dots are unstuffed. A throw refuses the message. */
  write(octets: Buffer): Promise<void> | void
  /**
   * The message is complete. When this returns, what was accepted is on disk.
   *
   * @returns one fate for each recipient, in their order
   * @throws MailError when there is one answer for all: a refusal, or a trouble of this machine
   */
  commit(): Promise<readonly Fate[]>
  /** The message will not be completed: nothing of it stays. Called also after a throw of the other two. */
  abort(): Promise<void> | void
  /** What the log and the client know it by. */
  readonly id: string
}

/** Reads the client's answer to a challenge; undefined when it cancelled. */
export type Exchange = (challenge: Buffer) => Promise<Buffer | undefined>

/**
 * What a server asks of the rest of the suite. Every method refuses by throwing: an SmtpError is sent as it is, a
 * temporary MailError becomes 451. `Login` is whoever logged in.
 */
export interface Backend<Login> {
  /** The SASL mechanisms to offer this peer; none turns AUTH off. */
  mechanisms(peer: Peer): readonly string[]
  /**
   * Runs a SASL exchange.
   *
   * @param initial the initial response; undefined where the client sent none
   * @throws MailError for a login that is refused; `temporary` becomes 454, the rest 535
   */
  authenticate(peer: Peer, mechanism: string, initial: Buffer | undefined, exchange: Exchange): Promise<Login>
  /** The name of a login, for the log. */
  nameOf(login: Login): string
  /** Whoever has this name, where a proxy has seen the password; undefined for nobody here. */
  vouched?(name: string): Login | undefined
  /** May this peer send from this address? */
  mail(peer: Peer, login: Login | undefined, envelope: Envelope): Promise<void> | void
  /** May it send to this one? Called for each, before the recipient is part of the envelope. */
  recipient(
    peer: Peer,
    login: Login | undefined,
    envelope: Envelope,
    recipient: Recipient,
  ): Promise<void> | void
  /** DATA: opens what the message is written to. */
  begin(peer: Peer, login: Login | undefined, envelope: Envelope): Promise<Incoming>
}

/** Longest silences, in milliseconds (RFC 5321 §4.5.3.2). */
export interface Timeouts {
  /** Between two commands (§4.5.3.2.7). */
  readonly command: number
  /** Between two blocks of a message (§4.5.3.2.5). */
  readonly data: number
  /** For the client's answer to a challenge of AUTH. */
  readonly auth: number
}

export interface ServerOptions {
  /** What the server calls itself in its greeting. */
  readonly hostname: string
  readonly protocol: 'smtp' | 'lmtp'
  readonly tls: TlsMode
  /** Needed where `tls` is anything but off. */
  readonly identity: Identity | undefined
  readonly auth: 'required' | 'offered' | 'off'
  /** Largest message in octets, line ends counted as CRLF. */
  readonly maxMessageSize: number
  /** Most recipients of a message; RFC 5321 §4.5.3.1.8 asks for 100 at least. */
  readonly maxRecipients?: number
  /** Whether REQUIRETLS can be promised: nothing goes on to a server that does not promise it too. */
  readonly requireTls?: boolean
  /** How many errors end a session. */
  readonly maxErrors?: number
  /** How long a session may last in all, in milliseconds. */
  readonly maxSession?: number
  /** Whether a peer at this address may speak for others, by XCLIENT; nobody may unless given. */
  readonly xclient?: (address: string) => boolean
  readonly timeouts?: Partial<Timeouts>
}

const defaults = {
  maxRecipients: 1_000,
  maxErrors: 20,
  maxSession: 3_600_000,
  timeouts: { command: 300_000, data: 180_000, auth: 180_000 },
}

/** The Received line's name of the protocol (RFC 3848, RFC 6531 §4.3). */
function protocolName(session: Session<unknown>): string {
  if (session.options.protocol === 'smtp' && !session.extended) return 'SMTP'
  const utf8 = session.parameters.has('SMTPUTF8') ? 'UTF8' : ''
  const base = session.options.protocol === 'lmtp' ? 'LMTP' : utf8 ? 'SMTP' : 'ESMTP'
  return `${utf8}${base}${session.tls ? 'S' : ''}${session.login === undefined ? '' : 'A'}`
}

/** A session. The commands change it; only the loop in server.ts makes one. */
export class Session<Login> {
  readonly connection: Connection
  readonly log: Log
  readonly backend: Backend<Login>
  readonly options: ServerOptions & Readonly<Record<'maxRecipients' | 'maxErrors' | 'maxSession', number>>
  readonly timeouts: Timeouts
  /** Whether the client spoke EHLO or LHLO, and so knows extensions. */
  extended = false
  helo = ''
  /** The client's name by XCLIENT, which counts in place of what is said in EHLO. */
  assumedHelo: string | undefined
  /** Whether the peer may speak for others, by XCLIENT; the address that it connected from says so. */
  readonly mayAssume: boolean
  greeted = false
  tls: string | undefined
  login: Login | undefined
  sender: Path | undefined
  parameters: ReadonlyMap<string, string> = new Map()
  recipients: Recipient[] = []
  /** What came of the message by BDAT. */
  chunks: Chunks | undefined
  errors = 0
  /** Commands since the last message that brought none nearer. */
  idleCommands = 0
  /** Set once the session is to end after the answer that is being written. */
  ending = false
  /** Whether it waits for a command. */
  idle = false
  /** Whether it waits for more of a message. */
  receiving = false
  /** Whether the session is to end: the message under way is the last. */
  draining = false
  /** Whether that is because it has lasted too long. */
  expired = false

  constructor(connection: Connection, log: Log, options: ServerOptions, backend: Backend<Login>) {
    this.connection = connection
    this.log = log
    this.backend = backend
    this.options = { ...defaults, ...options }
    this.mayAssume = options.xclient?.(connection.remoteAddress) ?? false
    this.timeouts = { ...defaults.timeouts, ...options.timeouts }
  }

  get state(): State {
    if (!this.greeted) return 'new'
    if (!this.sender) return 'ready'
    if (this.chunks) return 'chunks'
    return this.recipients.length === 0 ? 'mail' : 'recipients'
  }

  get secure(): boolean {
    return this.tls !== undefined || isLoopback(this.connection.remoteAddress)
  }

  get peer(): Peer {
    return {
      session: this.connection.id,
      address: this.connection.remoteAddress,
      helo: this.helo,
      protocol: protocolName(this),
      tls: this.tls,
      secure: this.secure,
    }
  }

  get envelope(): Envelope {
    const size = this.parameters.get('SIZE')
    return {
      sender: this.sender as Path,
      parameters: this.parameters,
      recipients: this.recipients,
      declaredSize: size === undefined ? undefined : Number(size),
      utf8: this.parameters.has('SMTPUTF8'),
    }
  }

  reply(code: number, status: string | undefined, text: string | readonly string[]): void {
    this.connection.write(formatReply(status === undefined ? { code, text } : { code, status, text }))
  }

  /** Forgets the transaction, as RSET, a new EHLO and the end of a message do. */
  reset(): void {
    this.sender = undefined
    this.parameters = new Map()
    this.recipients = []
  }

  /** The same, for a message that may have come in part. */
  async abandon(): Promise<void> {
    const { chunks } = this
    this.chunks = undefined
    this.reset()
    await chunks?.reception.abort()
  }

  /** Forgets everything that was said in the clear (RFC 3207 §4.2). */
  restart(tls: string | undefined): void {
    this.reset()
    this.greeted = false
    this.extended = false
    this.helo = ''
    this.login = undefined
    this.tls = tls
  }
}
