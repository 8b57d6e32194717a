/** What a POP3 session is, and the boundary behind which mail is kept: this folder never opens a mailbox. */
import { randomBytes } from 'node:crypto'
import type { Log } from '../sys/log.js'
import { isLoopback } from '../sys/sockets.js'
import { type Connection, strangerTime } from '../wire/line.js'
import type { TlsMode } from '../wire/listener.js'
import type { Attempt, Verifier } from '../wire/sasl.js'
import { type Identity, tlsName } from '../wire/tls.js'
import type { Ahead } from './answer.js'

/** RFC 1939 §3; UPDATE is what happens after QUIT and has no commands. */
export type State = 'authorization' | 'transaction'

/** The mail of one user, as it was when the session began. Messages are numbered from 0 here, from 1 on the wire. */
export interface Maildrop {
  readonly count: number
  /** Size of a message with CRLF line ends, in octets. */
  size(index: number): number
  /** The message's unique id: 1 to 70 octets from 0x21 to 0x7E, the same for ever (RFC 1939 §7). */
  uidl(index: number): string
  /**
   * The stored octets, with LF or CRLF line ends; undefined when the message was removed elsewhere meanwhile.
   *
   * @param take gives memory for so many octets
   */
  read(index: number, take?: (storedSize: number) => Buffer): Buffer | undefined
  /** Whether a message that was read a moment ago is still where it was. */
  has(index: number): boolean
  /** Removes messages, as the client asked with DELE, and returns when that is on disk. @throws MailError */
  remove(indexes: readonly number[]): Promise<void>
  /** Ends the session's hold on the mail. Called once, however the session ends. */
  release(): Promise<void>
}

export interface Pop3Options<User> {
  /** For the greeting and the APOP banner. */
  readonly hostname: string
  /** How the listener is protected, and with what; asked when needed, since a reload changes the answers. */
  readonly tls: TlsMode
  readonly identity: Identity | undefined
  /** SASL mechanisms to offer, in order; USER and PASS are there whenever PLAIN is. */
  readonly mechanisms: readonly string[]
  /** Checks passwords for the peer of a session. */
  verifier(origin: { address: string; secure: boolean; session: string }): Pop3Verifier<User>
  /** Opens a user's mail. @throws MailError, which is told the client as [IN-USE] or [SYS/TEMP] */
  open(user: User): Promise<Maildrop>
  /** Least time between two logins of a user, in milliseconds, as open() enforces it; 0 for none. */
  readonly loginDelay: number
  /** The user's name for the log. */
  name(user: User): string
  /** Longest silence in milliseconds; RFC 1939 §3 asks for at least ten minutes. */
  readonly timeout?: number
}

/** Who checks passwords, for APOP too, which is offered where `apop` is there. */
export interface Pop3Verifier<User> extends Verifier<User> {
  apop?(user: string): Promise<Attempt<readonly ((banner: Buffer) => Buffer)[], User>>
}

/** One connection's conversation. */
export class Pop3Session<User> {
  readonly connection: Connection
  readonly options: Pop3Options<User>
  readonly log: Log
  /** The banner of the greeting that APOP's digest is made over (RFC 1939 §7); undefined where APOP is off. */
  readonly banner: string | undefined
  state: State = 'authorization'
  /** The name that USER gave and PASS is yet to prove. */
  user: string | undefined
  maildrop: Maildrop | undefined
  /** The message after the last one that the client has asked for, where it asked for one after the other. */
  ahead: Ahead | undefined
  /** Index of the last message that RETR asked for. */
  lastRead = -1
  /** Messages marked by DELE. */
  readonly deleted = new Set<number>()
  /** Set by QUIT: the loop ends. */
  ended = false
  /** Answers refused in a row before any login; too many end the session. */
  failures = 0
  #answering = false
  #closing = false

  constructor(connection: Connection, options: Pop3Options<User>, log: Log) {
    this.connection = connection
    this.options = options
    this.log = log
    connection.limitTo(strangerTime)
    this.banner = this.verifier.apop && `<${randomBytes(12).toString('hex')}@${options.hostname}>`
  }

  /** Longest silence in milliseconds. */
  get timeout(): number {
    return this.options.timeout ?? 600_000
  }

  /** Whether nobody on the way can listen: TLS, loopback, a Unix socket. */
  get secure(): boolean {
    return tlsName(this.connection) !== undefined || isLoopback(this.connection.remoteAddress)
  }

  /** Whether a password may be sent now. A listener with `tls` off is the configuration's own word that it may. */
  get mayLogIn(): boolean {
    return this.secure || this.options.tls === 'off'
  }

  get verifier(): Pop3Verifier<User> {
    const { connection, secure } = this
    return this.options.verifier({ address: connection.remoteAddress, secure, session: connection.id })
  }

  /** Runs a command's answer; a goodbye that is due meanwhile waits for its end, since the client takes it for mail. */
  async answering(run: () => Promise<void> | void): Promise<void> {
    this.#answering = true
    try {
      await run()
    } finally {
      this.#answering = false
    }
    if (this.#closing) this.shutDown()
  }

  /** Says goodbye for the server, now or when the answer under way is whole. */
  shutDown(): void {
    this.#closing = true
    if (this.#answering || this.ended) return
    this.refuse('the server is shutting down', 'SYS/TEMP')
    this.ended = true
    this.connection.close()
  }

  ok(text: string): void {
    this.connection.write(`+OK${text === '' ? '' : ' '}${text}\r\n`)
  }

  /** @param code a response code of RFC 2449 §8 or RFC 3206, such as SYS/TEMP */
  refuse(text: string, code?: string): void {
    this.connection.write(`-ERR ${code ? `[${code}] ` : ''}${text}\r\n`)
  }
}
