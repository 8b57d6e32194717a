/** What the relay asks of local delivery, which is another verb's: the command joins the two. */
import type { Said } from '../queue/entry.js'

export interface LocalMessage {
  /** The entry it is in; several attempts have the same. */
  readonly id: string
  /** The reverse-path; empty for reports. */
  readonly sender: string
  /** Addresses of our domains, or without a domain; each once. */
  readonly recipients: readonly string[]
  /** The file that holds the message, its lines ending in LF. */
  readonly path: string
  /** Octets with line ends counted as CRLF. */
  readonly wireSize: number
}

/** delivered: it is on disk where it belongs; failed: never; waiting: not now. */
export interface LocalFate {
  readonly state: 'delivered' | 'failed' | 'waiting'
  readonly code: number
  readonly status: string
  readonly text: string
}

/**
 * Delivers to recipients here, and follows their aliases, to other hosts too.
 *
 * @returns a fate for each recipient, by address; a throw is "not now" for all
 */
export type DeliverLocally = (message: LocalMessage) => Promise<ReadonlyMap<string, LocalFate>>

/**
 * Puts a copy of what a login sent into its Sent folder. A throw is "not now".
 *
 * @returns false when there is no such user
 */
export type FileSent = (login: string, path: string) => Promise<boolean>

/** A fate as the queue writes it. */
export function saidOf({ code, status, text }: LocalFate, at: number): Said {
  return { at, code, status, text }
}
