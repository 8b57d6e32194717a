/** What came of a run: actions as data, in order, for somebody else to perform. */
import type { Version } from './message.js'
import type { Problem } from './problem.js'

interface Common {
  /** The message as it was when the action was taken: edits made later do not show. */
  readonly message: Version
  /** The line of the script, for logs and --explain. */
  readonly line: number
  readonly script: string
}

/** Store into a mailbox: `keep` into INBOX, `store` where `fileinto` said. */
export interface StoreAction extends Common {
  readonly type: 'keep' | 'store'
  readonly mailbox: string
  readonly flags: readonly string[]
  /** `:copy`: does not cancel the implicit keep (RFC 3894). */
  readonly copy: boolean
  /** `:create` (RFC 5490). */
  readonly create: boolean
  /** `:specialuse` (RFC 8579): the mailbox with this use instead, if there is one. */
  readonly specialUse?: string
  /** `:mailboxid` (RFC 9042): the mailbox with this id instead, if there is one. */
  readonly mailboxId?: string
}

export interface DiscardAction extends Common {
  readonly type: 'discard'
}

export interface RedirectAction extends Common {
  readonly type: 'redirect'
  /** local@domain. */
  readonly address: string
  readonly copy: boolean
  /** RFC 6009: NOTIFY and RET of the new envelope. */
  readonly notify?: string
  readonly ret?: 'FULL' | 'HDRS'
  /** RFC 6009: seconds or RFC 3339 time, mode N or R, trace. */
  readonly by?: { readonly time: string; readonly mode: 'N' | 'R'; readonly trace: boolean }
}

export interface RejectAction extends Common {
  readonly type: 'reject'
  readonly reason: string
  /** `ereject`: never a message of its own where the protocol can refuse (RFC 5429 §2.1). */
  readonly protocolOnly: boolean
}

/** A copy of an outgoing message for the user (RFC 8580). */
export interface Fcc {
  readonly mailbox: string
  readonly flags: readonly string[]
  readonly create: boolean
  readonly specialUse?: string
  readonly mailboxId?: string
}

export interface VacationAction extends Common {
  readonly type: 'vacation'
  readonly reason: string
  readonly mime: boolean
  readonly subject: string | undefined
  readonly from: string | undefined
  readonly addresses: readonly string[]
  /** Seconds in which one sender gets the answer once; 0: each time. */
  readonly period: number
  /** What identifies this answer among the script's others, unexpanded (RFC 5230 §4.2). */
  readonly handle: string
  readonly fcc?: Fcc
}

export interface NotifyAction extends Common {
  readonly type: 'notify'
  /** The URI: mailto:… */
  readonly method: string
  readonly from: string | undefined
  readonly importance: '1' | '2' | '3'
  readonly text: string | undefined
  readonly options: readonly string[]
  readonly fcc?: Fcc
}

export interface PipeAction extends Common {
  readonly type: 'pipe'
  readonly program: string
  readonly args: readonly string[]
  readonly copy: boolean
  /** `:try`: failing is no error. */
  readonly try: boolean
}

/** vnd.dovecot.report: a complaint in RFC 5965's form. */
export interface ReportAction extends Common {
  readonly type: 'report'
  readonly feedback: string
  readonly text: string
  readonly to: string
  readonly headersOnly: boolean
}

export type Action =
  | StoreAction
  | DiscardAction
  | RedirectAction
  | RejectAction
  | VacationAction
  | NotifyAction
  | PipeAction
  | ReportAction

/** An id for the duplicate test's memory, to be remembered when all actions have succeeded (RFC 7352 §3). */
export interface DuplicateMark {
  readonly handle: string
  readonly id: string
  /** Seconds to remember it for. */
  readonly seconds: number
  /** `:last`: seen again, its time begins again. */
  readonly last: boolean
}

export interface Outcome {
  readonly status: 'ok' | 'compile-error' | 'runtime-error'
  /** Why, when it is not ok; the user is to be told. */
  readonly errors: readonly Problem[]
  readonly warnings: readonly Problem[]
  readonly actions: readonly Action[]
  /** The message is to be kept in INBOX though no action says so. */
  readonly implicitKeep: boolean
  /** How to keep it: the flags of `setflag`, the message as edited. After an error: no flags, and as it came. */
  readonly keep: { readonly flags: readonly string[]; readonly message: Version }
  readonly duplicates: readonly DuplicateMark[]
  /** What `debug_log` and the like said. */
  readonly notes: readonly string[]
}
