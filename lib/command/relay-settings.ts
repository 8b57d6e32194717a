/** The relay's settings, from the configuration. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Config } from '../config/load.js'
import type { Schedule } from '../queue/schedule.js'
import type { DkimKey } from '../relay/dkim.js'
import type { RelaySettings, Smarthost } from '../relay/settings.js'
import type { Login } from '../smtp/client.js'
import { describe, exits, MailError } from '../sys/error.js'
import { isLoopback } from '../sys/sockets.js'
import { readPassword, tokenSource } from './credentials.js'
import { systemTrust, trustIn } from './trust.js'

type RelayConfig = NonNullable<Config['relay']>
type SmarthostConfig = RelayConfig | RelayConfig['route'][number]

/** With more Received fields than this a message is in a loop; what is local is refused at the same number. */
const maxHops = 100

/** @throws MailError (78) when a ca cannot be used */
export function relaySettings(config: Config): RelaySettings {
  const { hostname, domains, relay } = config
  const smarthost = relay?.host ? smarthostOf(relay, relay.host) : undefined
  return {
    hostname,
    domains,
    postmaster: `postmaster@${domains[0]}`,
    routes: (relay?.route ?? []).flatMap(route => {
      const { sender, recipient, host } = route
      if (!host) return []
      return [
        {
          smarthost: smarthostOf(route, host),
          ...(sender !== undefined && { sender }),
          ...(recipient !== undefined && { recipient }),
        },
      ]
    }),
    ...(smarthost && { smarthost }),
    direct: relay?.direct ?? false,
    directConcurrency: 2,
    directPort: 25,
    ...(relay?.dkim && { dkim: dkimKey(relay.dkim) }),
    saveSent: relay?.save_sent ?? false,
    senders: new Map(Object.entries(relay?.senders ?? {}).map(([from, to]) => [from.toLowerCase(), to])),
    schedule: scheduleOf(config),
    maxHops,
  }
}

export function scheduleOf({ queue }: Config): Schedule {
  return {
    firstRetry: queue.first_retry,
    lastRetry: queue.last_retry,
    maxAge: queue.max_age,
    warnAfter: queue.warn_after,
  }
}

function smarthostOf(settings: SmarthostConfig, { host, port }: { host: string; port: number }): Smarthost {
  const { user, from, messages_per_day: messagesPerDay, ca, concurrency } = settings
  const login = loginOf(settings)
  const tls = settings.tls ?? defaultTls(host, port)
  return {
    host,
    port,
    tls,
    ...(settings.protocol === 'lmtp' && { lmtp: true }),
    ...(tls === 'required' || tls === 'implicit'
      ? { trust: ca === undefined ? systemTrust() : trustIn(ca) }
      : {}),
    concurrency,
    recipientsPerMessage: settings.recipients_per_message,
    ...(user !== undefined && { user }),
    ...(login && { login }),
    ...(from !== undefined && { from }),
    ...(messagesPerDay !== undefined && { messagesPerDay }),
  }
}

/** @throws MailError (78) */
function dkimKey({ domain, selector, key }: NonNullable<RelayConfig['dkim']>): DkimKey {
  let read: KeyObject
  try {
    read = createPrivateKey(readFileSync(key))
  } catch (error) {
    throw new MailError(`cannot use the key in ${key}: ${describe(error)}`, { exit: exits.config })
  }
  if (read.asymmetricKeyType === 'rsa' || read.asymmetricKeyType === 'ed25519')
    return { domain, selector, key: read }
  throw new MailError(`the key in ${key} is neither RSA nor Ed25519`, { exit: exits.config })
}

/** Encrypted, unless the server is this machine: another program of one's own that has no certificate. */
function defaultTls(host: string, port: number): Smarthost['tls'] {
  if (port === 465) return 'implicit'
  return isLoopback(host) || host === 'localhost' ? 'offered' : 'required'
}

function loginOf(settings: SmarthostConfig): (() => Promise<Login>) | undefined {
  const { user, oauth2 } = settings
  if (user === undefined) return undefined
  if (!oauth2) return async () => ({ user, password: await readPassword(settings) })
  const token = tokenSource(oauth2)
  return async () => ({ user, token })
}
