/**
 * Behind an SMTP or LMTP listener: who may send what to whom, and into whose hands a message goes. For our domains
 * that is local delivery; for others the relay, where there is one.
 */
import type { Expansion, Local } from '../auth/aliases.js'
import type { Logins } from '../auth/login.js'
import { formatName, parseName } from '../auth/name.js'
import type { User } from '../auth/users.js'
import type { Head } from '../message/head.js'
import { newIdentifier } from '../queue/entry.js'
import { wantsSuccess } from '../smtp/dsn.js'
import { nullPath, type Path, parsePath } from '../smtp/path.js'
import { SmtpError } from '../smtp/reply.js'
import type { Backend, Envelope, Exchange, Fate, Incoming, Peer, Recipient } from '../smtp/session.js'
import { describe, TemporaryError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { Networks } from '../sys/network.js'
import { authenticate, mechanisms } from '../wire/sasl.js'
import { type Carrier, IncomingMessage, type Relayed } from './incoming.js'
import type { HeaderChecks } from './smtp-checks.js'
import type { Ask } from './smtp-pipe.js'
import type { MessageRate } from './smtp-rate.js'
import { headOf, successReport } from './smtp-report.js'

/** Follows addresses; lib/auth's Aliases does. */
export interface Directory {
  /** Whether mail for this domain is delivered here. */
  isOurs(domain: string): boolean
  expand(address: string): Expansion
}

/** What one listener's sessions are held to, and what they reach. Asked anew where a reload may change it. */
export interface SubmissionOptions {
  readonly hostname: string
  /** The domain of addresses without one. */
  readonly domain: string
  readonly protocol: 'smtp' | 'lmtp'
  readonly log: Log
  readonly logins: Logins
  readonly directory: Directory
  /** Who has this login, for a proxy that answers for it; nobody unless given. */
  readonly userNamed?: (name: string) => User | undefined
  readonly mechanisms: readonly string[]
  /** Who may send to other domains without a login. */
  readonly trusted: Networks
  /** Whether an address may send, or be sent to, by this listener's own rules; all may unless given. */
  readonly allowsSender?: (address: string) => boolean
  readonly allowsRecipient?: (address: string) => boolean
  /** Addresses that the configuration lets a user send as, besides the user's own and its aliases. */
  readonly mayAlsoSendAs?: (user: User, address: string) => boolean
  /** How many messages a login may send; as many as it likes unless given. */
  readonly rate?: MessageRate
  /** What is looked for in headers. */
  readonly checks?: HeaderChecks
  /** Asks a program about each message. */
  readonly ask?: Ask
  /** Local delivery. Those that its commit() refuses are told by the names of users. */
  readonly deliver: (recipients: readonly Inside[], message: Relayed, head: Head) => Promise<Carrier>
  /**
   * Is told, before a message comes, who gets it first: what can be opened by now may be.
   *
   * @returns called when the message has come or will not
   */
  readonly expect?: (recipient: Inside) => () => void
  /** The way out to other domains; there is none unless given. */
  readonly relay?: Relay
  readonly clock?: () => number
}

/** The way to other domains: the queue, for one. */
export interface Relay {
  /** Opens what a message for these addresses is written to. @throws MailError to refuse it */
  begin(recipients: readonly Outside[], message: Relayed, head: Head): Promise<Carrier>
}

/** A recipient here. */
export interface Inside extends Local {
  /** What the client asked for, from which the user was found: the first, where several lead here. */
  readonly recipient: Recipient
  /** Whether a refusal can be told for this user alone. */
  readonly refusable: boolean
}

/** A recipient elsewhere. */
export interface Outside {
  readonly address: string
  /** What the client asked for, from which the address came (an alias leads there, or it is the same). */
  readonly recipient: Recipient
}

/** One listener's backend. */
export class Submission implements Backend<User> {
  readonly #options: SubmissionOptions
  /** What each accepted recipient came to. */
  readonly #expansions = new WeakMap<Recipient, Expansion>()

  constructor(options: SubmissionOptions) {
    this.#options = options
  }

  mechanisms(peer: Peer): readonly string[] {
    return mechanisms(this.#options.mechanisms, this.#verifier(peer))
  }

  authenticate(
    peer: Peer,
    mechanism: string,
    initial: Buffer | undefined,
    exchange: Exchange,
  ): Promise<User> {
    return authenticate(mechanism, initial, exchange, this.#verifier(peer))
  }

  nameOf(login: User): string {
    return login.name
  }

  vouched(name: string): User | undefined {
    return this.#options.userNamed?.(name)
  }

  mail(_peer: Peer, login: User | undefined, { sender }: Envelope): void {
    const { allowsSender, mayAlsoSendAs } = this.#options
    const address = this.#complete(sender)
    if (login) {
      this.#checkRate(login)
      if (sender.address === '' || this.#owns(login, sender) || mayAlsoSendAs?.(login, address)) return
      throw new SmtpError(553, '5.7.1', `${login.name} may not send as ${address}`)
    }
    if (allowsSender && !allowsSender(address))
      throw new SmtpError(553, '5.7.1', `<${address}> may not send here`)
  }

  recipient(peer: Peer, login: User | undefined, _envelope: Envelope, recipient: Recipient): void {
    const { allowsRecipient, directory, relay } = this.#options
    const address = this.#complete(recipient.path)
    if (allowsRecipient && !allowsRecipient(address))
      throw new SmtpError(550, '5.7.1', `Nothing is sent to <${address}> from here`)
    const ours = directory.isOurs(domainOf(address))
    if (!ours && !(relay && this.#mayRelay(peer, login)))
      throw new SmtpError(550, '5.7.1', `Mail for <${address}> is not taken here`)
    const expansion = directory.expand(address)
    this.#check(address, expansion)
    this.#expansions.set(recipient, expansion)
  }

  async begin(peer: Peer, login: User | undefined, envelope: Envelope): Promise<Incoming> {
    const { hostname, clock = Date.now, protocol, rate } = this.#options
    const now = clock()
    if (login) {
      this.#checkRate(login)
      rate?.count(login.name, now)
    }
    const known = login !== undefined || this.#options.trusted.has(peer.address)
    const { users, outside } = this.#destinations(envelope)
    const message: Relayed = {
      id: newIdentifier(now),
      hostname,
      peer,
      login,
      envelope,
      sender: this.#written(envelope.sender),
      now,
      // What a known sender's program leaves out is put in; a stranger's message is passed on as it is.
      complete: known && protocol === 'smtp',
      alone: envelope.recipients.length === 1 && users.length + outside.length === 1,
    }
    const { checks, ask, expect } = this.#options
    const [first] = users
    return new IncomingMessage(message, {
      ...(first && expect && !ask && { expect: () => expect(first) }),
      open: (head, instead) =>
        instead ? this.#openInstead(message, head, instead) : this.#open(message, head, users, outside),
      userOf: recipient => this.#refusalOf(recipient),
      ended: (head, fates) => this.#report(message, head, fates),
      ...(checks && { checks }),
      ...(ask && { ask }),
    })
  }

  /** Opens the ways to others than the recipients, whom the configuration names; to nobody, where it names none. */
  async #openInstead(message: Relayed, head: Head, addresses: readonly string[]): Promise<Carrier[]> {
    const { log, relay } = this.#options
    if (addresses.length === 0) {
      log.info('discarded', { message: message.id, from: message.sender })
      return []
    }
    const recipients = addresses.map((address): Recipient => {
      const path = parsePath(address)
      if (!path) throw new TemporaryError(`messages cannot be redirected to ${address}`)
      return { path, parameters: new Map() }
    })
    const { users, outside } = this.#destinations({ ...message.envelope, recipients })
    if (users.length + outside.length === 0 || (outside.length > 0 && !relay))
      throw new TemporaryError(`messages cannot be redirected to ${addresses.join(', ')}`)
    log.info('redirected', { message: message.id, to: addresses.join(',') })
    const alone = users.length + outside.length === 1
    const unrefusable = users.map(user => ({ ...user, refusable: false }))
    return this.#open({ ...message, alone }, head, unrefusable, outside)
  }

  /** Whose refusal is a recipient's: of the one user that it leads to. */
  #refusalOf(recipient: Recipient): string | undefined {
    const { users, remote } = this.#expansion(recipient)
    return users.length === 1 && remote.length === 0 ? users[0]?.user.name : undefined
  }

  /**
   * Tells the sender what was put into mailboxes, where that was asked for. What goes out is reported on its way.
   * A stranger's sender may be forged: reports for it go to our own domains only.
   */
  async #report(message: Relayed, head: Head, fates: readonly Fate[]): Promise<void> {
    const { envelope, sender, peer, login, now } = message
    const delivered = envelope.recipients.filter(
      (recipient, i) =>
        wantsSuccess(recipient.parameters) &&
        fates[i] === 'accepted' &&
        this.#expansion(recipient).remote.length === 0,
    )
    if (sender === '' || delivered.length === 0) return
    const { relay, directory, log } = this.#options
    const to: Recipient = { path: envelope.sender, parameters: new Map([['NOTIFY', 'NEVER']]) }
    const ours = directory.isOurs(domainOf(sender))
    if (!ours && !(relay && this.#mayRelay(peer, login))) return
    const report: Relayed = {
      ...message,
      id: newIdentifier(now),
      login: undefined,
      envelope: {
        sender: nullPath,
        parameters: new Map(),
        recipients: [to],
        declaredSize: 0,
        utf8: envelope.utf8,
      },
      sender: '',
      complete: false,
      alone: true,
    }
    try {
      const octets = successReport(message, head, delivered)
      const { users, outside } = this.#destinations(report.envelope)
      for (const carrier of await this.#open(report, headOf(octets), users, outside)) {
        await carrier.write(octets)
        await carrier.commit()
      }
      log.info('report', { message: report.id, about: message.id, kind: 'success', to: sender })
    } catch (error) {
      // The message itself is where it should be: that is not undone for want of a report.
      log.warning('report-failed', { about: message.id, to: sender, reason: describe(error) })
    }
  }

  async #open(
    message: Relayed,
    head: Head,
    users: readonly Inside[],
    outside: readonly Outside[],
  ): Promise<Carrier[]> {
    const { deliver, relay } = this.#options
    const carriers: Carrier[] = []
    try {
      if (users.length > 0) carriers.push(await deliver(users, message, head))
      if (outside.length > 0 && relay) carriers.push(await relay.begin(outside, message, head))
      return carriers
    } catch (error) {
      for (const carrier of carriers) await carrier.abort()
      throw error
    }
  }

  #checkRate({ name }: User): void {
    const { rate, clock = Date.now } = this.#options
    if (rate && !rate.allows(name, clock()))
      throw new SmtpError(451, '4.7.1', `${name} has sent too many messages in a minute; try again soon`)
  }

  #verifier({ address, secure, session }: Peer) {
    return this.#options.logins.verifier({ protocol: 'smtp', address, secure, session })
  }

  #mayRelay(peer: Peer, login: User | undefined): boolean {
    if (this.#options.protocol === 'lmtp') return false
    return login !== undefined || this.#options.trusted.has(peer.address)
  }

  /** The address with its domain, as names are looked up: without quotes. One without a domain belongs to ours. */
  #complete({ local, domain }: Path): string {
    if (local === '') return ''
    return `${local}@${domain === '' ? this.#options.domain : domain}`
  }

  /** The same, as headers and other servers need it: with quotes. */
  #written({ address, domain }: Path): string {
    return address === '' || domain !== '' ? address : `${address}@${this.#options.domain}`
  }

  #owns(login: User, sender: Path): boolean {
    const name = parseName(this.#complete(sender), this.#options.domain)
    if (name && formatName(name) === login.name) return true
    if (!this.#options.directory.isOurs(domainOf(this.#complete(sender)))) return false
    return this.#options.directory
      .expand(this.#complete(sender))
      .users.some(({ user }) => user.name === login.name)
  }

  /** @throws SmtpError for an address that leads to nobody, or somewhere this server does not go */
  #check(address: string, { users, remote, unknown, loop, discard }: Expansion): void {
    const { log, relay } = this.#options
    if (loop) {
      log.warning('alias-loop', { address, chain: loop.join(' ') })
      throw new SmtpError(554, '5.4.6', `The aliases of <${address}> go in circles`)
    }
    if (remote.length > 0 && !relay)
      throw new SmtpError(
        550,
        '5.7.1',
        `<${address}> leads to another domain, and mail for others is not taken here`,
      )
    if (users.length > 0 || remote.length > 0 || discard) {
      if (unknown.length > 0) log.warning('alias-unknown', { address, unknown: unknown.join(' ') })
      return
    }
    throw new SmtpError(550, '5.1.1', `There is no mailbox <${address}> here`)
  }

  /** Everybody once, however many addresses and lists lead there. */
  #destinations({ recipients }: Envelope): { users: Inside[]; outside: Outside[] } {
    const users = new Map<string, Inside>()
    const outside = new Map<string, Outside>()
    for (const recipient of recipients) {
      const expansion = this.#expansion(recipient)
      // A reply to SMTP's DATA is everybody's; one to LMTP's is one recipient's, who may be many.
      const told = this.#options.protocol === 'lmtp' || recipients.length === 1
      const refusable = told && this.#refusalOf(recipient) !== undefined
      for (const local of expansion.users) {
        const known = users.get(local.user.name)
        users.set(local.user.name, {
          ...(known ?? { ...local, recipient }),
          refusable: refusable && (known?.refusable ?? true),
        })
      }
      for (const address of expansion.remote)
        if (!outside.has(address)) outside.set(address, { address, recipient })
    }
    return { users: [...users.values()], outside: [...outside.values()] }
  }

  #expansion(recipient: Recipient): Expansion {
    return this.#expansions.get(recipient) ?? this.#options.directory.expand(this.#complete(recipient.path))
  }
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}
