/** mail-smtpd: SMTP and LMTP listeners over local delivery. */
import type { User } from '../auth/users.js'
import type { SmtpListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { fitsPattern } from '../config/value.js'
import { LocalDelivery, type LocalRecipient, type Outcome, recipientOf } from '../deliver/deliver.js'
import type { Rules } from '../deliver/rules.js'
import { Delivery } from '../maildir/maildir.js'
import type { Head } from '../message/head.js'
import { type Carrier, Refusals, type Relayed } from '../serve/incoming.js'
import { HeaderChecks } from '../serve/smtp-checks.js'
import { type Ask, pipeTo } from '../serve/smtp-pipe.js'
import { MessageRate } from '../serve/smtp-rate.js'
import { type Inside, type Relay, Submission } from '../serve/submission.js'
import { deliverBy } from '../smtp/deliver-by.js'
import { replyOf, SmtpError } from '../smtp/reply.js'
import { serveSmtp } from '../smtp/server.js'
import type { ServerOptions } from '../smtp/session.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Networks } from '../sys/network.js'
import { daemonCommand } from './daemon.js'
import { deliveryRules } from './filtered-rules.js'
import type { Parts } from './parts.js'
import { outgoing } from './relay-outgoing.js'
import type { Door, Service } from './service.js'

/** What the service reaches besides local mailboxes. */
export interface SmtpdOptions {
  /** Makes the way to other domains that the configuration gives, if it does; there is none unless given. */
  readonly relay?: (parts: Parts, log: Log) => Relay | undefined
}

/** The service, with a relay or without. */
export function smtpdService(options: SmtpdOptions = {}): Service<'smtpd'> {
  return {
    name: 'smtpd',
    start(parts, log) {
      const backends = new Backends(parts, log, () => options.relay?.(parts, log))
      return {
        reload: () => backends.reload(),
        busy: '421 4.7.0 Too many connections; try again later\r\n',
        serve: (connection, sessionLog, door) =>
          serveSmtp(connection, sessionLog, optionsOf(parts.config, door), backends.of(door.listener)),
      }
    },
  }
}

export const smtpd = daemonCommand(
  'mail-smtpd',
  'Take mail in by SMTP and LMTP',
  smtpdService({ relay: outgoing }),
)

function optionsOf(
  { hostname, smtpd, relay }: Config,
  { listener, identity }: Door<SmtpListenerConfig>,
): ServerOptions {
  const { protocol, tls, auth } = listener
  return {
    hostname,
    protocol,
    tls,
    identity,
    auth,
    maxMessageSize: smtpd.max_message_size,
    maxRecipients: smtpd.max_recipients,
    maxErrors: smtpd.max_errors,
    // A smarthost is verified; names that MX records give can be forged on the way (RFC 8689 §4.2.1).
    requireTls: relay?.direct !== true,
    maxSession: smtpd.max_session,
    xclient: address => networksOf(smtpd.xclient).has(address),
    timeouts: { command: smtpd.timeout, data: smtpd.timeout, auth: smtpd.timeout },
  }
}

const networks = new WeakMap<readonly string[], Networks>()

/** A list of the configuration as a set; made once for each. */
function networksOf(list: readonly string[]): Networks {
  const known = networks.get(list) ?? new Networks(list)
  networks.set(list, known)
  return known
}

/** A backend for each listener, made anew when a reload has changed what it stands on. */
class Backends {
  readonly #parts: Parts
  readonly #log: Log
  readonly #relay: () => Relay | undefined
  /** One for all listeners, and for good: a reload gives nobody more. */
  readonly #rate: MessageRate
  #checks: HeaderChecks
  #ask: Ask | undefined
  readonly #known = new WeakMap<SmtpListenerConfig, { basis: readonly unknown[]; submission: Submission }>()

  constructor(parts: Parts, log: Log, relay: () => Relay | undefined) {
    this.#parts = parts
    this.#log = log
    this.#relay = relay
    this.#rate = new MessageRate(() => parts.config.smtpd.messages_per_minute)
    this.#checks = new HeaderChecks(parts.config.smtpd.header_check)
    this.#ask = this.#program()
  }

  /** Follows a changed configuration. @throws MailError for a pattern that is none, and keeps the checks there were */
  reload(): void {
    this.#checks = new HeaderChecks(this.#parts.config.smtpd.header_check)
    this.#ask = this.#program()
  }

  #program(): Ask | undefined {
    const { pipe: command, pipe_timeout: timeout } = this.#parts.config.smtpd
    return command === undefined ? undefined : pipeTo({ command, timeout, log: this.#log })
  }

  of(listener: SmtpListenerConfig): Submission {
    const { config, logins, aliases } = this.#parts
    const basis = [config, logins, aliases, this.#checks]
    const known = this.#known.get(listener)
    if (known?.basis.every((each, index) => each === basis[index])) return known.submission
    const submission = this.#make(listener)
    this.#known.set(listener, { basis, submission })
    return submission
  }

  #make(listener: SmtpListenerConfig): Submission {
    const { config, logins, aliases } = this.#parts
    const { senders, recipients, protocol, trusted } = listener
    const relay = this.#relay()
    const rules = deliveryRules(config, this.#log)
    return new Submission({
      hostname: config.hostname,
      domain: config.domains[0] as string,
      protocol,
      log: this.#log,
      logins,
      userNamed: name => this.#parts.users.find(name),
      directory: aliases,
      mechanisms: config.login.mechanisms,
      trusted: new Networks(trusted),
      ...(senders ? { allowsSender: address => fitsPattern(senders, address) } : {}),
      ...(recipients ? { allowsRecipient: address => fitsPattern(recipients, address) } : {}),
      mayAlsoSendAs: (user, address) => fitsPattern(extraSenders(config, user), address),
      rate: this.#rate,
      checks: this.#checks,
      ...(this.#ask && { ask: this.#ask }),
      deliver: (to, message, head) => deliverTo(to, message, head, rules, this.#log),
      expect: ({ user, detail }) => Delivery.expect(recipientOf(user, detail).maildir),
      ...(relay ? { relay } : {}),
    })
  }
}

/** What `[smtpd.senders]` allows a user: by the whole name, or by the local part. */
function extraSenders({ smtpd }: Config, user: User): readonly string[] {
  return smtpd.senders[user.name] ?? smtpd.senders[user.local] ?? []
}

/** Local delivery, with one line in the log for each mailbox. */
async function deliverTo(
  to: readonly Inside[],
  message: Relayed,
  head: Head,
  rules: Rules,
  log: Log,
): Promise<Carrier> {
  const recipients = to.map(recipientFrom)
  const delivery = await LocalDelivery.begin({ ...envelopeFrom(message), recipients }, head, rules.place)
  const note = ({ done, refused }: Outcome) => {
    for (const [{ name }, steps] of done)
      log.info('delivered', { message: message.id, mailbox: name, done: steps.join('; ') })
    for (const [{ name }, error] of refused)
      log.info('not-delivered', { message: message.id, mailbox: name, reason: describe(error) })
  }
  return {
    write: octets => delivery.write(octets),
    prepare: () => delivery.prepare(),
    abort: () => delivery.abort(),
    commit: async () => {
      const outcome = await delivery.commit()
      // Written down when the sender has its answer.
      setImmediate(note, outcome)
      return new Refusals([...outcome.refused].map(([{ name = '' }, error]) => [name, asReply(error)]))
    },
  }
}

function envelopeFrom({ sender, alone, login, peer, envelope, now }: Relayed) {
  const ret = envelope.parameters.get('RET')
  const envid = envelope.parameters.get('ENVID')
  const by = deliverBy(envelope.parameters)
  return {
    sender,
    alone,
    client: peer.address,
    ...(login && { login: login.name }),
    ...(ret !== undefined && { ret }),
    ...(envid !== undefined && { envid }),
    ...(by && { by: { at: now + by.seconds * 1000, mode: by.mode, trace: by.trace } }),
  }
}

function recipientFrom({ user, detail, recipient, refusable }: Inside): LocalRecipient {
  const { parameters, path } = recipient
  const original = parameters.get('ORCPT')?.replace(/^rfc822;/i, '')
  const notify = parameters.get('NOTIFY')
  return {
    ...recipientOf(user, detail),
    address: path.domain === '' ? user.name : path.address,
    refusable,
    ...(original !== undefined && { original }),
    ...(notify !== undefined && { notify }),
  }
}

function asReply(error: unknown): SmtpError {
  if (error instanceof SmtpError) return error
  const { code, status = '4.3.0', text } = replyOf(error)
  return new SmtpError(code, status, String(text), { cause: error })
}
