/** Whether servers answer, with a certificate that clients take, and send nobody's mail but ours. */
import { networkInterfaces } from 'node:os'
import type { ListenerConfig, SmtpListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { Networks } from '../sys/network.js'
import { type Address, formatAddress } from '../sys/sockets.js'
import type { Finding, Findings } from './check.js'
import { Probe } from './probe.js'

/** How each server greets, and how one asks it for TLS: what is said first, then what the answer must look like. */
const protocols = {
  smtpd: {
    greeting: /^220[ -]/,
    whole: /^(?:\d{3}-[^\n]*\n)*(?!\d{3}-)[^\n]*\n/,
    hello: 'EHLO probe',
    ask: 'STARTTLS',
    go: /^220/,
  },
  imapd: { greeting: /^\* (OK|PREAUTH)/, whole: /\n/, hello: '', ask: 'a STARTTLS', go: /^a OK/i },
  pop3d: { greeting: /^\+OK/, whole: /\n/, hello: '', ask: 'STLS', go: /^\+OK/ },
  sieved: {
    greeting: /^"|^OK/,
    whole: /^(?:"[^\n]*\n)*(?!")[^\n]*\n/,
    hello: '',
    ask: 'STARTTLS',
    go: /^OK/,
  },
} as const

type Server = keyof typeof protocols
type Trouble = Pick<Finding, 'what' | 'advice'>

/** Each listener of the configuration. @param authority in PEM; undefined where a public one signed */
export async function* checkPorts(config: Config, authority: string | undefined): Findings {
  for (const server of ['smtpd', 'imapd', 'pop3d', 'sieved'] as const)
    for (const listener of config[server].listen) {
      if ('port' in listener.address && listener.address.port === 0) continue
      const trouble = await greet(server, listener, config.hostname, authority)
      if (trouble) yield { level: 'error', check: 'ports', where: nameOf(server, listener), ...trouble }
    }
  const address = config.profiles?.listen
  if (!address || ('port' in address && address.port === 0)) return
  const trouble = await visit(address, config.hostname, authority)
  if (trouble)
    yield { level: 'error', check: 'ports', where: `profiles ${formatAddress(address)}`, ...trouble }
}

/** Whether settings for mail clients are served. */
async function visit(
  address: Address,
  hostname: string,
  authority: string | undefined,
): Promise<Trouble | undefined> {
  const probe = new Probe({ place: nearest(address), hostname, authority }, true)
  try {
    const said = await probe.ask(`GET /mail/config-v1.1.xml HTTP/1.0\r\nHost: ${hostname}\r\n`)
    if (/^HTTP\/1\.\d 200 /.test(said)) return undefined
    return {
      what: `answers with: ${said.trim()}`,
      advice: 'another program has the port, or its log says why',
    }
  } catch (error) {
    return explain(error as Error)
  } finally {
    probe.close()
  }
}

async function greet(
  server: Server,
  { address, tls }: ListenerConfig,
  hostname: string,
  authority: string | undefined,
): Promise<Trouble | undefined> {
  const { greeting, whole, hello, ask, go } = protocols[server]
  const probe = new Probe({ place: nearest(address), hostname, authority }, tls === 'implicit')
  try {
    const said = await probe.hear(whole)
    if (!greeting.test(said))
      return {
        what: `greets with: ${said.split(/\r?\n/)[0]}`,
        advice: 'another program has the port, or its log says why',
      }
    if (tls === 'implicit' || tls === 'off') return undefined
    if (hello !== '') await probe.ask(hello, whole)
    const answer = await probe.ask(ask)
    if (go.test(answer)) await probe.startTls()
    else return { what: `answers ${ask} with: ${answer.trim()}`, advice: 'its log says why' }
    return undefined
  } catch (error) {
    return explain(error as Error)
  } finally {
    probe.close()
  }
}

/** Addresses of others, written as strangers write them who look for an open relay. */
const baits = (domain: string) => [
  '<probe@example.net>',
  `<probe%example.net@${domain}>`,
  `<"probe@example.net"@${domain}>`,
  `<@${domain}:probe@example.net>`,
]

/**
 * Whether a stranger can send mail to others through us. It comes from this machine's own addresses in the network,
 * as far as the listener does not trust these; loopback is trusted, and proves nothing. Nothing is sent: no message
 * follows.
 *
 * @param own this machine's addresses
 */
export async function* checkRelaying(
  config: Config,
  authority: string | undefined,
  own: readonly string[] = ownAddresses(),
): Findings {
  for (const listener of config.smtpd.listen) {
    const { address, protocol, trusted } = listener
    if (protocol !== 'smtp' || !('port' in address) || address.port === 0) continue
    const known = new Networks(trusted)
    const isOpen = address.host === '0.0.0.0' || address.host === '::'
    for (const from of own) {
      if (known.has(from) || (!isOpen && address.host !== from)) continue
      if (from.includes(':') && address.host === '0.0.0.0') continue
      const taken = await takenBait(config, listener, from, authority)
      if (taken === undefined) continue
      yield {
        level: 'error',
        check: 'relaying',
        where: nameOf('smtpd', listener),
        what: `takes mail from strangers for others: RCPT TO:${taken} from ${from} was not refused`,
        advice: 'put only your own networks into trusted, and auth = "required" everywhere else',
      }
      break
    }
  }
}

/** @returns the first address that is taken; undefined when all are refused, or nobody answers, which was told */
async function takenBait(
  { hostname, domains }: Config,
  { address, tls }: SmtpListenerConfig,
  from: string,
  authority: string | undefined,
): Promise<string | undefined> {
  const { whole } = protocols.smtpd
  const place = { host: from, port: (address as { port: number }).port }
  const probe = new Probe({ place, from, hostname, authority }, tls === 'implicit')
  try {
    await probe.hear(whole)
    await probe.ask('EHLO probe', whole)
    if (tls === 'required' && /^220/.test(await probe.ask('STARTTLS', whole))) {
      await probe.startTls()
      await probe.ask('EHLO probe', whole)
    }
    for (const sender of ['<probe@example.org>', '<>']) {
      if (!/^2/.test(await probe.ask(`MAIL FROM:${sender}`, whole))) continue
      for (const bait of baits(domains[0] as string))
        if (/^2/.test(await probe.ask(`RCPT TO:${bait}`, whole))) return bait
      await probe.ask('RSET', whole)
    }
    return undefined
  } catch {
    return undefined
  } finally {
    probe.close()
  }
}

/** Those that others in the network reach us by. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return all
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }) => address)
}

function nameOf(server: Server, { address }: ListenerConfig): string {
  return `${server} ${formatAddress(address)}`
}

function explain(error: Error & { code?: string }): Trouble {
  const { code = '' } = error
  if (code === 'ECONNREFUSED' || code === 'ENOENT')
    return { what: 'nobody listens', advice: 'systemctl start mail.target, or start the server' }
  if (/CERT|SIGNATURE|ALTNAME/.test(code))
    return {
      what: `clients refuse its certificate: ${error.message}`,
      advice: 'mail-cert show; mail-cert server makes another',
    }
  if (code === '')
    return { what: error.message, advice: 'its log says why; or systemctl restart mail.target' }
  return { what: `cannot be reached: ${error.message}`, advice: 'its log says why' }
}

function nearest(address: Address): { host: string; port: number } | { path: string } {
  if ('path' in address) return { path: address.path }
  if ('fd' in address) return { path: '' }
  const { host, port } = address
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}
