/** The shape of a command: what the table in server.ts holds and what its functions are given. */
import type { Decoder } from './decode.js'
import type { Session, State } from './session.js'

/** How a command went, where there is more to say than that it is done. */
export interface Answer {
  /** Response code without brackets; asked for when all news have been told. */
  readonly code?: string | undefined | (() => string | undefined)
  readonly text?: string
  /** Done when the tagged answer has been written: what changes the connection itself. */
  readonly after?: () => Promise<void>
}

/** How it was called. */
export interface Call {
  readonly tag: string
  /** In upper case, `UID FETCH` with its prefix. */
  readonly name: string
  /** Whether numbers are UIDs. */
  readonly uid: boolean
}

export interface Command {
  readonly states: readonly State[]
  /**
   * Parses the arguments and does the work; untagged answers are written on the way. Its literals have been read,
   * unless `streams` is set.
   *
   * @throws ImapError as the tagged answer
   */
  run(session: Session, args: Decoder, call: Call): Promise<Answer | undefined> | Promise<void>
  /** Answers by sequence number: no EXPUNGE may come before its tagged answer (RFC 3501 §7.4.1). */
  readonly keepsNumbers?: boolean
  /** Reads its literals itself. */
  readonly streams?: boolean
}
