/** How a mail client reaches the servers of a configuration: the best listener of each. */
import type { ListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { isLoopback } from '../sys/sockets.js'

export interface ClientDoor {
  readonly host: string
  readonly port: number
  /** TLS from the first octet, or by STARTTLS. */
  readonly security: 'tls' | 'starttls'
}

/** What clients are told. */
export interface Access {
  readonly hostname: string
  readonly domains: readonly string[]
  readonly imap?: ClientDoor
  readonly pop3?: ClientDoor
  readonly smtp?: ClientDoor
  readonly sieve?: ClientDoor
  /** Where profiles are served: `https://mail.example.org:8443`. */
  readonly profiles?: string
}

/** Whose client it is. */
export interface Owner {
  /** The mail address, which is the login name too. */
  readonly address: string
  readonly fullName?: string
  /** To be written into what the client reads. */
  readonly password?: string
}

/** What a configuration offers to clients; a server without a fit listener is left out. */
export function accessOf(config: Config): Access {
  const { hostname, domains, profiles } = config
  const submission = config.smtpd.listen.filter(({ protocol, auth }) => protocol === 'smtp' && auth !== 'off')
  const doors = {
    imap: best(config.imapd.listen, hostname),
    pop3: best(config.pop3d.listen, hostname),
    smtp: best(submission, hostname),
    sieve: best(config.sieved.listen, hostname),
  }
  const port = profiles && 'port' in profiles.listen ? profiles.listen.port : undefined
  return {
    hostname,
    domains,
    ...Object.fromEntries(Object.entries(doors).filter(([, door]) => door !== undefined)),
    ...(port === undefined ? {} : { profiles: `https://${hostname}${port === 443 ? '' : `:${port}`}` }),
  }
}

/** TLS from the first octet is what every client gets right; then STARTTLS that nobody can leave out (RFC 8314 §3). */
function best(listeners: readonly ListenerConfig[], host: string): ClientDoor | undefined {
  const order = ['implicit', 'required', 'offered'] as const
  const fit = listeners.flatMap(({ address, tls }) => {
    if (!('port' in address) || tls === 'off') return []
    const security = tls === 'implicit' ? ('tls' as const) : ('starttls' as const)
    const rank = order.indexOf(tls) + (isLoopback(address.host) || address.host === 'localhost' ? 10 : 0)
    return [{ door: { host, port: address.port, security }, rank }]
  })
  return fit.sort((a, b) => a.rank - b.rank)[0]?.door
}

/** Text for XML and HTML, in elements and in quoted attributes. */
export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '<': 'lt',
    '>': 'gt',
    '&': 'amp',
    '"': 'quot',
    "'": '#39',
  }
  // Control characters have no place in XML 1.0, escaped or not.
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '').replace(/[<>&"']/g, each => `&${names[each]};`)
}
