/** What a ManageSieve session is, and the boundary behind which scripts are kept: this folder never opens a file. */
import type { Log } from '../sys/log.js'
import { isLoopback } from '../sys/sockets.js'
import { type Connection, strangerTime } from '../wire/line.js'
import type { TlsMode } from '../wire/listener.js'
import type { Verifier } from '../wire/sasl.js'
import { type Identity, tlsName } from '../wire/tls.js'
import { type Code, reply } from './reply.js'

export type State = 'anonymous' | 'authenticated'

/** The scripts of one user. What is refused is a {@link ManageSieveError}. */
export interface ScriptStore {
  list(): Promise<readonly { readonly name: string; readonly active: boolean }[]>
  read(name: string): Promise<Buffer>
  /** Whether a script of that size would fit (RFC 5804 §2.5). */
  checkSpace(name: string, size: number): Promise<void>
  /** Stores a script if it is right. @returns what is doubtful about it, a line each */
  write(name: string, octets: Buffer): Promise<readonly string[]>
  /** Says what is doubtful about a script. @throws ManageSieveError with what is wrong with it, a line each */
  check(octets: Buffer): Promise<readonly string[]>
  activate(name: string): Promise<void>
  deactivate(): Promise<void>
  remove(name: string): Promise<void>
  rename(from: string, to: string): Promise<void>
}

export interface ManageSieveOptions<User> {
  /** How the listener is protected, and with what; asked when needed, since a reload changes the answers. */
  readonly tls: TlsMode
  readonly identity: Identity | undefined
  /** Name and version of the server. */
  readonly implementation: string
  /** What scripts may require. */
  readonly extensions: readonly string[]
  readonly maxRedirects: number
  /** Largest script, in octets. */
  readonly maxScriptSize: number
  /** SASL mechanisms to offer, in order. */
  readonly mechanisms: readonly string[]
  /** Checks passwords for the peer of a session. */
  verifier(origin: { address: string; secure: boolean; session: string }): Verifier<User>
  /** Opens a user's scripts. @throws MailError */
  open(user: User): Promise<ScriptStore>
  /** The user's name, for OWNER and the log. */
  name(user: User): string
  /** Longest silence in milliseconds; RFC 5804 §1.8 asks for at least 30 minutes once logged in. */
  readonly timeout?: number
}

/** One connection's conversation. */
export class ManageSieveSession<User> {
  readonly connection: Connection
  readonly options: ManageSieveOptions<User>
  readonly log: Log
  state: State = 'anonymous'
  owner: string | undefined
  #scripts: ScriptStore | undefined
  /** Set by LOGOUT and by too many errors: the loop ends. */
  ended = false
  /** Refused logins and commands that made no sense. */
  failures = 0

  constructor(connection: Connection, options: ManageSieveOptions<User>, log: Log) {
    this.connection = connection
    this.options = options
    this.log = log
    connection.limitTo(strangerTime)
  }

  /** Whether nobody on the way can listen: TLS, loopback, a Unix socket. */
  get secure(): boolean {
    return tlsName(this.connection) !== undefined || isLoopback(this.connection.remoteAddress)
  }

  /** Whether a password may be sent now. A listener with `tls` off is the configuration's own word that it may. */
  get mayLogIn(): boolean {
    return this.secure || this.options.tls === 'off'
  }

  /** Whether STARTTLS may be asked for now. */
  get offersTls(): boolean {
    const { tls, identity } = this.options
    const listens = tls === 'required' || tls === 'offered'
    return listens && identity !== undefined && !tlsName(this.connection) && this.state === 'anonymous'
  }

  get verifier(): Verifier<User> {
    const { connection, secure } = this
    return this.options.verifier({ address: connection.remoteAddress, secure, session: connection.id })
  }

  get timeout(): number {
    return this.options.timeout ?? 1_800_000
  }

  /** The scripts of who is logged in; the verb table sees to it that somebody is. */
  get scripts(): ScriptStore {
    return this.#scripts as ScriptStore
  }

  login(owner: string, scripts: ScriptStore): void {
    this.owner = owner
    this.#scripts = scripts
    this.state = 'authenticated'
    this.connection.limitTo(undefined)
  }

  logout(): void {
    this.owner = undefined
    this.#scripts = undefined
    this.state = 'anonymous'
    this.connection.limitTo(strangerTime)
  }

  ok(text = '', code?: string): void {
    this.connection.write(reply('OK', text, code))
  }

  no(text: string, code?: Code): void {
    this.connection.write(reply('NO', text, code))
  }

  bye(text: string, code?: Code): void {
    this.connection.write(reply('BYE', text, code))
    this.ended = true
  }
}
