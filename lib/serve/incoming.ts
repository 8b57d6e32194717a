/** One message coming in by SMTP: its header completed, then handed to whoever carries it on. */
import type { User } from '../auth/users.js'
import { type Head, HeadReader } from '../message/head.js'
import type { HeaderField } from '../message/header.js'
import { SmtpError } from '../smtp/reply.js'
import type { Envelope, Fate, Incoming, Peer, Recipient } from '../smtp/session.js'
import { missingFields, receivedLine } from './received.js'
import type { HeaderChecks } from './smtp-checks.js'
import type { Ask } from './smtp-pipe.js'
import { Spool } from './smtp-spool.js'
import type { Verdict } from './smtp-verdict.js'

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

export interface IncomingOptions {
  /**
   * Opens the ways to the recipients, or to those given in their place; none throw the message away.
   *
   * @param head as it came
   * @throws MailError to refuse the message
   */
  open(head: Head, instead?: readonly string[]): Promise<Carrier[]>
  /** Whose refusal is a recipient's. */
  userOf?(recipient: Recipient): string | undefined
  /**
   * Told that the message will come: what can be opened by now may be.
   *
   * @returns called when it has come, or will not
   */
  expect?(): () => void
  /** Called when all is done that the sender is told of; must not throw. */
  ended?(head: Head, fates: readonly Fate[]): Promise<void>
  /** What is looked for in the header. */
  readonly checks?: HeaderChecks
  /** Asks a program, which sees the whole message before anybody gets it. */
  readonly ask?: Ask
}

export class IncomingMessage implements Incoming {
  readonly #message: Relayed
  readonly #options: IncomingOptions
  readonly #reader = new HeadReader()
  #head: Head | undefined
  #carriers: Carrier[] | undefined
  /** Holds the message until the program has seen it. */
  #spool: Spool | undefined
  #over: (() => void) | undefined
  /** Who gets it in place of its recipients. */
  #instead: readonly string[] | undefined

  constructor(message: Relayed, options: IncomingOptions) {
    this.#message = message
    this.#options = options
  }

  get id(): string {
    return this.#message.id
  }

  expect(): void {
    this.#over = this.#options.expect?.()
  }

  async write(octets: Buffer): Promise<void> {
    if (this.#head) return this.#pass(octets)
    const head = this.#reader.push(octets)
    if (head) await this.#begin(head)
  }

  async commit(): Promise<readonly Fate[]> {
    if (!this.#head) await this.#begin(this.#reader.end())
    await this.#judge()
    this.#over?.()
    const carriers = this.#carriers ?? []
    // What goes out goes first: a failure at the end can be undone here, and not in the queue.
    for (const carrier of carriers) await carrier.prepare?.()
    const refusals = new Map<string, SmtpError>()
    for (const carrier of [...carriers].reverse()) {
      const result = await carrier.commit()
      if (result instanceof Refusals) for (const [user, error] of result) refusals.set(user, error)
    }
    const fates = this.#message.envelope.recipients.map((recipient): Fate => {
      const user = this.#options.userOf?.(recipient)
      return (user === undefined ? undefined : refusals.get(user)) ?? 'accepted'
    })
    if (this.#head && !this.#instead) await this.#options.ended?.(this.#head, fates)
    return fates
  }

  async abort(): Promise<void> {
    this.#over?.()
    const carriers = this.#carriers ?? []
    this.#carriers = []
    for (const carrier of carriers) await carrier.abort()
    await this.#spool?.close()
  }

  async #begin(head: Head): Promise<void> {
    if (head.count('received') > mostHops)
      throw new SmtpError(554, '5.4.6', 'The message has passed too many servers: it goes in circles')
    const { checks, ask } = this.#options
    this.#head = head
    const checked = checks && !checks.empty ? checks.run(head) : undefined
    this.#instead = insteadOf(checked)
    if (ask && !checked?.discard) this.#spool = new Spool(this.id)
    else this.#carriers = await this.#options.open(head, this.#instead)
    const drop = (field: HeaderField) => dropped.has(field.key) || checked?.removed.has(field) === true
    for (const octets of head.rewrite(this.#lines(head) + (checked?.headers ?? ''), drop))
      await this.#pass(octets)
  }

  /** Asks the program, where there is one, and passes on what has waited for its answer. */
  async #judge(): Promise<void> {
    const { ask, open } = this.#options
    const spool = this.#spool
    if (!ask || !spool || !this.#head) return
    const verdict = await ask(this.#message, spool.read())
    this.#instead = insteadOf(verdict) ?? this.#instead
    this.#carriers = await open(this.#head, this.#instead)
    this.#spool = undefined
    try {
      await this.#pass(Buffer.from(verdict.headers))
      for await (const octets of spool.read()) await this.#pass(octets)
    } finally {
      await spool.close()
    }
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
    if (this.#spool) return this.#spool.write(octets)
    for (const carrier of this.#carriers ?? []) await carrier.write(octets)
  }
}

function insteadOf(verdict: Verdict | undefined): readonly string[] | undefined {
  return verdict?.discard ? [] : verdict?.redirect
}
