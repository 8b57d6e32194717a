/** One message coming in by SMTP: its header completed, then handed to whoever carries it on. */
import type { User } from '../auth/users.js'
import { type Head, HeadReader } from '../message/head.js'
import { SmtpError } from '../smtp/reply.js'
import type { Envelope, Fate, Incoming, Peer, Recipient } from '../smtp/session.js'
import { missingFields, receivedLine } from './received.js'

/** Takes a message to some of its recipients. Everything or nothing, and on disk when commit() returns. */
export interface Carrier {
  write(octets: Buffer): Promise<void>
  /** Does all that may fail and can be undone. */
  prepare?(): Promise<void>
  /** @returns who refused it alone, by the names of users; nothing where nobody did */
  commit(): Promise<Refusals | unknown>
  /** Leaves nothing behind; harmless after commit(). */
  abort(): Promise<void>
}

/** Refusals by the names of users. */
export class Refusals extends Map<string, SmtpError> {}

/** What is known of a message before its first octet. */
export interface Relayed {
  readonly id: string
  readonly hostname: string
  readonly peer: Peer
  readonly login: User | undefined
  readonly envelope: Envelope
  /** The reverse-path with its domain; empty for a bounce. */
  readonly sender: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** Whether missing fields are added. */
  readonly complete: boolean
  /** Whether it has one recipient, which leads to one mailbox. */
  readonly alone: boolean
}

/** More Received lines than this are a loop (RFC 5321 §6.3). */
const mostHops = 100

/** What a mail server drops from every message, as Postfix does: blind copies are blind, the path is the envelope's. */
const dropped = new Set(['bcc', 'resent-bcc', 'return-path', 'content-length'])

export class IncomingMessage implements Incoming {
  readonly #message: Relayed
  readonly #open: (head: Head) => Promise<Carrier[]>
  readonly #userOf: (recipient: Recipient) => string | undefined
  readonly #reader = new HeadReader()
  readonly #ended: (head: Head, fates: readonly Fate[]) => Promise<void>
  #head: Head | undefined
  #carriers: Carrier[] | undefined

  /**
   * @param open called with the header as it came, once it is there @throws MailError to refuse the message
   * @param userOf whose refusal is a recipient's
   * @param ended called when all is done that the sender is told of; must not throw
   */
  constructor(
    message: Relayed,
    open: (head: Head) => Promise<Carrier[]>,
    userOf: (recipient: Recipient) => string | undefined = () => undefined,
    ended: (head: Head, fates: readonly Fate[]) => Promise<void> = async () => {},
  ) {
    this.#message = message
    this.#open = open
    this.#userOf = userOf
    this.#ended = ended
  }

  get id(): string {
    return this.#message.id
  }

  async write(octets: Buffer): Promise<void> {
    if (this.#carriers) return this.#pass(octets)
    const head = this.#reader.push(octets)
    if (head) await this.#begin(head)
  }

  async commit(): Promise<readonly Fate[]> {
    if (!this.#carriers) await this.#begin(this.#reader.end())
    const carriers = this.#carriers ?? []
    // What goes out goes first: a failure at the end can be undone here, and not in the queue.
    for (const carrier of carriers) await carrier.prepare?.()
    const refusals = new Map<string, SmtpError>()
    for (const carrier of [...carriers].reverse()) {
      const result = await carrier.commit()
      if (result instanceof Refusals) for (const [user, error] of result) refusals.set(user, error)
    }
    const fates = this.#message.envelope.recipients.map((recipient): Fate => {
      const user = this.#userOf(recipient)
      return (user === undefined ? undefined : refusals.get(user)) ?? 'accepted'
    })
    if (this.#head) await this.#ended(this.#head, fates)
    return fates
  }

  async abort(): Promise<void> {
    for (const carrier of this.#carriers ?? []) await carrier.abort()
    this.#carriers = []
  }

  async #begin(head: Head): Promise<void> {
    if (head.count('received') > mostHops)
      throw new SmtpError(554, '5.4.6', 'The message has passed too many servers: it goes in circles')
    this.#head = head
    this.#carriers = await this.#open(head)
    for (const octets of head.rewrite(this.#lines(head), field => dropped.has(field.key)))
      await this.#pass(octets)
  }

  #lines(head: Head): string {
    const { hostname, id, peer, login, envelope, sender, now, complete } = this.#message
    const [first, ...others] = envelope.recipients
    const recipient = others.length === 0 ? first?.path.address : undefined
    const received = receivedLine({ hostname, id, peer, recipient, now })
    if (!complete) return received
    return received + missingFields(head, { hostname, id, sender, fullName: login?.fullName, now })
  }

  async #pass(octets: Buffer): Promise<void> {
    for (const carrier of this.#carriers ?? []) await carrier.write(octets)
  }
}
