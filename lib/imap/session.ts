/** What the server remembers of one client. */
import { TLSSocket } from 'node:tls'
import type { Log } from '../sys/log.js'
import { isLoopback } from '../sys/sockets.js'
import { type Connection, strangerTime } from '../wire/line.js'
import type { TlsMode } from '../wire/listener.js'
import type { Identity } from '../wire/tls.js'
import type { ImapAccount, ImapBackend, ImapMailbox, Metadata } from './backend.js'
import { Contexts } from './contexts.js'
import { mailboxText } from './encode.js'
import type { Notifier } from './notify.js'
import type { Progress } from './progress.js'
import { CommandReader, type Limits } from './reader.js'
import { bad, oneLine } from './reply.js'

/** RFC 3501 §3. In `logout` the session ends after the answer under way. */
export type State = 'notAuthenticated' | 'authenticated' | 'selected' | 'logout'

export interface ImapOptions {
  readonly backend: ImapBackend
  /** The name in the greeting. */
  readonly hostname: string
  readonly tls: TlsMode
  /** For STARTTLS; needed where `tls` is required or offered. */
  readonly identity: Identity | undefined
  /** What ID answers (RFC 2971). */
  readonly id: Readonly<Record<string, string>>
  /** The server that manages the scripts that run for what clients do (RFC 6785 §2.1); undefined where none does. */
  readonly sieveUrl?: string | undefined
  /** Largest message that APPEND takes, in octets. */
  readonly appendLimit: number
  /** Autologout: longest silence of who is logged in (at least 30 minutes, RFC 3501 §5.4), and of who is not, in ms. */
  readonly idleTimeout?: number
  readonly loginTimeout?: number
  /** How long a session may last in all until somebody is logged in, in milliseconds. */
  readonly strangerTime?: number
  /** How often a client that waits for a long command is told how far it has come, in milliseconds. */
  readonly progressEvery?: number
  /** How often a client in IDLE is told that the server is there, in milliseconds. */
  readonly stillHere?: number
}

const minute = 60_000
/** Nobody unknown may fill our memory; a line holds an initial SASL response (RFC 4959). */
const limitsBeforeLogin: Limits = { line: 16 * 1024, literals: 4 * 1024, dropped: 64 * 1024 }
const limits: Limits = { line: 64 * 1024, literals: 512 * 1024, dropped: 2 ** 32 }

export class Session {
  readonly connection: Connection
  readonly options: ImapOptions
  readonly log: Log
  readonly reader: CommandReader
  state: State = 'notAuthenticated'
  account: ImapAccount | undefined
  user: string | undefined
  mailbox: ImapMailbox | undefined
  /** What ENABLE (RFC 5161) has switched on, in upper case. */
  readonly enabled = new Set<string>()
  /** How many of the selected mailbox's keywords the client has been told of. */
  keywordsTold = 0
  /** The result of the last SEARCH RETURN (SAVE), UIDs in order: what `$` stands for (RFC 5182). */
  saved: readonly number[] = []
  /** Results that are kept up to date for the client (RFC 5267). */
  readonly contexts = new Contexts()
  /** Whether what lies below the compression is TLS; undefined without compression (RFC 4978). */
  compressedOver: 'tls' | 'plain' | undefined
  /** Tells how far the command under way has come, if it is one that can take long. */
  progress: Progress | undefined
  /** What tells of events as they happen, once the client has asked (RFC 5465). */
  notifier: Notifier | undefined
  /** What the client knows to be noted of mailboxes, where it wants to hear of changes (RFC 5464 §4.4). */
  metadataTold: ReadonlyMap<string, Metadata> | undefined
  /** The mailbox in which new messages were told of with an answer that did not ask for news; see IDLE. */
  toldAside: ImapMailbox | undefined
  /** In IDLE, where goodbye may be said at any moment. */
  idling = false
  /** The large section that was fetched in part last; its next part is likely to be asked for next. */
  lastSection: { mailbox: ImapMailbox; key: string; octets: Buffer } | undefined

  constructor(connection: Connection, options: ImapOptions, log: Log) {
    this.connection = connection
    this.options = options
    this.log = log
    this.reader = new CommandReader(connection, limitsBeforeLogin, options.loginTimeout ?? 3 * minute)
    connection.limitTo(options.strangerTime ?? strangerTime)
  }

  get encrypted(): boolean {
    if (this.compressedOver !== undefined) return this.compressedOver === 'tls'
    return this.connection.socket instanceof TLSSocket
  }

  /** Whether nobody on the way can listen. */
  get secure(): boolean {
    return this.encrypted || isLoopback(this.connection.remoteAddress)
  }

  /** Writes an untagged answer; what it holds of foreign words has been quoted by the caller. */
  untagged(text: string): void {
    this.connection.write(`* ${text}\r\n`)
  }

  /** Writes an untagged OK. @param code a response code without brackets */
  note(code: string | undefined, text: string): void {
    this.untagged(`OK ${code === undefined ? '' : `[${code}] `}${oneLine(text)}`)
  }

  /** Whether MODSEQ is told with every change of flags (RFC 7162 §3.1). */
  get condstore(): boolean {
    return this.enabled.has('CONDSTORE') || this.qresync
  }

  /** Whether VANISHED is told in the place of EXPUNGE (RFC 7162 §3.2). */
  get qresync(): boolean {
    return this.enabled.has('QRESYNC')
  }

  /** Whether the client speaks IMAP4rev2 (RFC 9051). */
  get rev2(): boolean {
    return this.enabled.has('IMAP4REV2')
  }

  /** Whether names and strings are UTF-8 as they stand (RFC 6855, RFC 9051 §5.1). */
  get utf8(): boolean {
    return this.rev2 || this.enabled.has('UTF8=ACCEPT')
  }

  /** A mailbox name as this client reads it. */
  nameText(name: string): string {
    return mailboxText(name, this.utf8)
  }

  /** A command was given that only a client knows which knows CONDSTORE: from now on it is told of every MODSEQ. */
  useCondstore(): void {
    if (this.condstore) return
    this.enabled.add('CONDSTORE')
    if (this.mailbox)
      this.note(`HIGHESTMODSEQ ${this.mailbox.highestModseq}`, 'Changes come with MODSEQ now.')
  }

  loggedIn(user: string, account: ImapAccount): void {
    this.user = user
    this.account = account
    this.state = 'authenticated'
    this.reader.limits = limits
    this.reader.timeout = this.options.idleTimeout ?? 30 * minute
    this.connection.limitTo(undefined)
  }

  /** The account of who is logged in: in the states where the table calls a command that asks, there is one. */
  get mail(): ImapAccount {
    if (!this.account) throw bad('Log in first.')
    return this.account
  }

  get selected(): ImapMailbox {
    if (!this.mailbox) throw bad('Select a mailbox first.')
    return this.mailbox
  }

  /** Leaves the selected mailbox, if any, without expunging anything. */
  async deselect(): Promise<void> {
    const { mailbox } = this
    if (!mailbox) return
    this.mailbox = undefined
    this.lastSection = undefined
    this.saved = []
    this.contexts.clear()
    if (this.state === 'selected') this.state = 'authenticated'
    await mailbox.close()
  }

  /** Lets go of everything. */
  async end(): Promise<void> {
    this.state = 'logout'
    await this.notifier?.close()
    await this.deselect()
    const { account } = this
    this.account = undefined
    await account?.close()
  }
}
