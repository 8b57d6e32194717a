/**
 * Where mail is fetched from. There is no verb here that changes anything, and there shall be none: what stores,
 * moves, deletes or creates cannot be asked for, and would not get through the gate below (gate.ts) either.
 */
import type { SecureContext } from 'node:tls'
import type { Witness } from './transport.js'

/** A server, and how to log in there. */
export interface RemoteOptions {
  readonly host: string
  readonly port: number
  readonly tls: 'implicit' | 'required' | 'offered' | 'off'
  /** Whose certificates are believed; asked for where there is TLS, since to read all authorities takes a while. */
  readonly trust: () => SecureContext
  readonly user: string
  /** A password, or an access token (OAUTHBEARER, XOAUTH2). */
  readonly secret: { readonly password: string } | { readonly token: string }
  readonly witness?: Witness | undefined
  /** Whether Gmail's labels come as keywords. */
  readonly labels?: 'links' | 'keywords'
  /** Whether it will be asked what is gone, and what flags changed. */
  readonly asksGone?: boolean
  readonly asksFlags?: boolean
  /** Longest silence of the server in milliseconds. */
  readonly timeout?: number
}

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

/** From how many octets on a message comes in pieces, so that none is ever whole in memory. */
export const largeSize = 8 * 1024 * 1024

export interface RemoteMessage {
  readonly uid: number
  /** The message, CRLF and all; of a large one the beginning. */
  readonly octets: Buffer
  /**
   * What follows of a large one: to be read while the message is taken. Each call begins again.
   *
   * @throws MessageGone while it is read
   */
  readonly rest?: (() => AsyncIterable<Buffer>) | undefined
  /** Without \Recent; with the labels that are to be keywords. */
  readonly flags: readonly string[]
  /** INTERNALDATE in milliseconds since 1970; undefined where the server sent none that can be read. */
  readonly date: number | undefined
}

export interface RemoteFlags {
  readonly uid: number
  readonly flags: readonly string[]
}

export interface RemoteChanges {
  readonly flags: RemoteFlags[]
  /** UIDs that are gone since; undefined where the server does not tell. */
  readonly gone?: { has(uid: number): boolean } | undefined
}

/** A large message that went away while its pieces were read. */
export class MessageGone extends Error {
  override readonly name = 'MessageGone'
}

/** How a folder stands, to be compared: UIDVALIDITY, and a line for each message. */
export interface RemoteStanding {
  readonly validity: string
  /** `UID FLAGS`, or in POP3 `UNIQUE-ID SIZE`, in the order of the messages. */
  readonly lines: readonly string[]
}

/** One account at a provider, logged in. Methods are called one after the other. */
export interface Source {
  /** Whether a session hears of what happens during it; in POP3 none does. */
  readonly hears: boolean
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
   * @param listed by UID, ascending
   */
  fetch(listed: readonly Listed[], take: (message: RemoteMessage) => Promise<void>): Promise<void>
  /** Whether changes() tells also what is gone, given a MODSEQ. */
  readonly tellsGone: boolean
  /** Whether folders are views of one store, as labels are in Gmail. */
  readonly hasLabels: boolean
  /** Flags of messages up to a UID; only those changed after `modseq`, where given and the server can. */
  changes(upTo: number, modseq?: string): Promise<RemoteChanges>
  /** How a folder stands; opens it. */
  standing(path: string): Promise<RemoteStanding>
  /** Waits in the open folder until something arrives there, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void>
  /** Says goodbye. */
  close(): Promise<void>
}
