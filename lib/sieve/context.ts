/** What a script may know of the world around it. The engine asks; who delivers answers; nothing here reads a file. */
import type { Settings } from './settings.js'
import type { TestNode } from './syntax.js'

export interface Envelope {
  /** MAIL FROM; empty for the null reverse-path. */
  readonly from: string
  /** RCPT TO, as this user was found by it. */
  readonly to: string
  /** The recipient before aliases. */
  readonly originalTo?: string
  /** Who was logged in, if anybody. */
  readonly auth?: string
  /** Parameters of RCPT and MAIL that scripts see: NOTIFY, ORCPT, RET, ENVID (RFC 6009). */
  readonly notify?: string
  readonly orcpt?: string
  readonly ret?: string
  readonly envid?: string
  readonly byTimeAbsolute?: string
  readonly byTimeRelative?: string
  readonly byMode?: string
  readonly byTrace?: string
}

/** A script's text, under the name that its problems are told with. */
export interface Source {
  readonly name: string
  readonly text: string
}

/** One line of a trace: what was done or tested, and what came of it. */
export interface TraceEvent {
  readonly script: string
  readonly line: number
  readonly kind: 'command' | 'test'
  readonly node: TestNode
  /** Of a test. */
  readonly result?: boolean
  /** What a test looked at, shortened. */
  readonly values?: readonly string[]
}

export interface ProgramResult {
  /** Exit status 0. */
  readonly ok: boolean
  readonly output: Buffer
}

/** How a program of the administrator's folder is called. */
export interface ProgramCall {
  readonly kind: 'filter' | 'execute'
  readonly program: string
  readonly args: readonly string[]
  readonly input: Buffer | undefined
}

/** Why a script runs in an IMAP server (RFC 6785 §4). */
export interface ImapCause {
  readonly cause: 'APPEND' | 'COPY' | 'FLAG'
  readonly mailbox: string
  readonly changedFlags: readonly string[]
  readonly flags: readonly string[]
  readonly user: string
  readonly email: string
}

export interface Context {
  readonly envelope: Envelope
  readonly settings: Settings
  /** Milliseconds since 1970: one moment for the whole run. */
  readonly now: number
  /** Minutes that local time is ahead of UTC. */
  readonly zone: number
  /** The user's login. */
  readonly user: string
  /** Further addresses that are the user's. */
  readonly addresses?: readonly string[]
  /** The flags that the message has already (an IMAP event, `mail-sieve filter`). */
  readonly flags?: readonly string[]
  /** `environment`'s items; name, version and the date come from here too. */
  readonly environment?: ReadonlyMap<string, string>
  readonly imap?: ImapCause
  /** The script of that name for `include`; undefined when there is none. */
  readonly include?: (location: 'personal' | 'global', name: string) => Source | undefined
  readonly mailboxExists?: (name: string) => boolean
  /** Whether the mailbox has the use (`\Junk`); without a mailbox, whether any has. */
  readonly specialUseExists?: (mailbox: string | undefined, use: string) => boolean
  readonly mailboxIdExists?: (id: string) => boolean
  /** An annotation's value (RFC 5464); undefined as mailbox is the server. */
  readonly metadata?: (mailbox: string | undefined, entry: string) => string | undefined
  /** Whether that id was seen in an earlier run, and its time has not run out. */
  readonly seenBefore?: (handle: string, id: string) => boolean
  /** Whether an external list is there, and whether it holds a value (RFC 6134). */
  readonly listExists?: (list: string) => boolean
  readonly listHolds?: (list: string, value: string) => boolean
  /** Its values, for `redirect :list`. */
  readonly listMembers?: (list: string) => readonly string[]
  /** Runs a program; it may take its time, see runScriptsAsync. */
  readonly program?: (call: ProgramCall) => ProgramResult | Promise<ProgramResult>
  readonly trace?: (event: TraceEvent) => void
}
