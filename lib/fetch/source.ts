/**
 * Where mail is fetched from. There is no verb here that changes anything, and there shall be none: what stores,
 * moves, deletes or creates cannot be asked for, and would not get through the gate below (gate.ts) either.
 */

/** How a folder stands, in so far as the server told. */
export interface RemoteStatus {
  /** UIDVALIDITY, as text, since some are larger than a number holds. */
  readonly validity: string
  readonly uidNext: number
  readonly messages: number
  /** HIGHESTMODSEQ (RFC 7162), as text; undefined where the server keeps none. */
  readonly modseq?: string | undefined
}

export interface RemoteFolder {
  /** As the server calls it, in Unicode, with the server's delimiter. */
  readonly path: string
  readonly delimiter: string
  /** Whether there can be messages in it. */
  readonly selectable: boolean
  /** `\Sent`, `\All` …, where the server says so itself (RFC 6154). */
  readonly specialUse?: string | undefined
  readonly status?: RemoteStatus | undefined
}

/** A message as it is listed before it is fetched. */
export interface Listed {
  readonly uid: number
  /** RFC822.SIZE: what the server says. */
  readonly size: number
  /** The provider's own id of the message, the same in all its folders (X-GM-MSGID, EMAILID). */
  readonly id?: string | undefined
}

/** A message's identity, to find it again under another UID. */
export interface Headed extends Listed {
  /** The header fields Message-ID and Date, as they stand. */
  readonly head: Buffer
  /** INTERNALDATE in milliseconds since 1970. */
  readonly date: number | undefined
}

export interface RemoteMessage {
  readonly uid: number
  /** The whole message, CRLF and all. */
  readonly octets: Buffer
  /** Without \Recent. */
  readonly flags: readonly string[]
  /** INTERNALDATE in milliseconds since 1970; undefined where the server sent none that can be read. */
  readonly date: number | undefined
  /** Gmail's labels. */
  readonly labels: readonly string[]
}

export interface RemoteFlags {
  readonly uid: number
  readonly flags: readonly string[]
}

/** One account at a provider, logged in. Methods are called one after the other. */
export interface Source {
  /** All folders, with their status where that costs no more. */
  folders(): Promise<RemoteFolder[]>
  /** Opens a folder for reading: EXAMINE. */
  examine(path: string): Promise<RemoteStatus>
  /** Messages of the open folder from a UID up, ascending. */
  list(from: number): Promise<Listed[]>
  /** The same with what identifies them. */
  heads(from: number): Promise<Headed[]>
  /** UIDs of all messages of the open folder. */
  uids(): Promise<number[]>
  /**
   * Fetches whole messages; `take` is awaited before the next is read.
   *
   * @param uids ascending
   */
  fetch(uids: readonly number[], take: (message: RemoteMessage) => Promise<void>): Promise<void>
  /** Flags of messages up to a UID; only those changed after `modseq`, where given and the server can. */
  flags(upTo: number, modseq?: string): Promise<RemoteFlags[]>
  /** Waits in the open folder until something arrives there, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void>
  /** Says goodbye. */
  close(): Promise<void>
}
