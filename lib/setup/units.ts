/**
 * systemd's units for a configuration: those that ship in lib/systemd, with the sockets of its listeners, the places
 * of its mail, and the commands where they stand on this machine.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { exits, MailError } from '../sys/error.js'
import { type Address, formatAddress } from '../sys/sockets.js'

export interface UnitsOptions {
  readonly config: Config
  /** The configuration's path as the services see it. */
  readonly file: string
  /** The directory lib/systemd. */
  readonly source: string
  /** The start of a command line: `/usr/bin/mail-smtpd`; undefined for a command that is not installed. */
  readonly program: (name: string) => string | undefined
}

export interface Unit {
  /** Below /etc/systemd/system. */
  readonly name: string
  readonly text: string
}

export interface Units {
  readonly units: readonly Unit[]
  /** What is enabled, so that mail.target starts it. */
  readonly enabled: readonly string[]
  /** What somebody should know. */
  readonly notes: readonly string[]
}

const servers = ['smtpd', 'imapd', 'pop3d', 'sieved'] as const
const usualConfig = '/etc/postern/mail.toml'
const usualState = '/var/lib/postern'
const usualQueue = '/var/lib/postern/queue'
const usualRuntime = '/run/postern'
const usualEvery = 300_000

/** All units that a configuration needs. @throws MailError (78) for what systemd cannot do */
export function planUnits(options: UnitsOptions): Units {
  const { config } = options
  const units: Unit[] = []
  const enabled: string[] = ['mail.target']
  const notes: string[] = []
  const add = (...names: string[]) => units.push(...names.map(name => unit(name, options)))
  add('mail.target')
  for (const server of servers) {
    const listeners = config[server].listen.filter(({ socket }) => socket === undefined)
    if (listeners.length === 0) continue
    const name = `mail-${server}`
    if (!options.program(name)) {
      notes.push(`${name} is not installed, so ${server}.listen is not served`)
      continue
    }
    add(`${name}.service`, `${name}.socket`)
    enabled.push(`${name}.socket`)
    if (server !== 'imapd' || !config.profiles) continue
    add('mail-profiles.socket')
    enabled.push('mail-profiles.socket')
  }
  add('mail-relay.service', 'mail-relay.path', 'mail-cert-renew.service', 'mail-cert-renew.timer')
  add('mail-failure@.service', 'mail-check.service', 'mail-check.timer')
  enabled.push('mail-relay.path', 'mail-cert-renew.timer', 'mail-check.timer')
  const accounts = Object.keys(config.fetch)
  if (accounts.length > 0 && options.program('mail-fetch')) {
    add('mail-fetch@.service', 'mail-fetch@.timer')
    units.push(...accounts.flatMap(account => rhythm(account, config)))
    enabled.push(...accounts.map(account => `mail-fetch@${safeInstance(account)}.timer`))
  } else if (accounts.length > 0) notes.push(`mail-fetch is not installed, so nothing is pulled in`)
  return { units, enabled, notes }
}

/** One unit as it ships, made to fit. */
function unit(name: string, options: UnitsOptions): Unit {
  let text = readFileSync(join(options.source, 'system', name), 'utf8')
  const { profiles } = options.config
  if (name === 'mail-profiles.socket' && profiles)
    text = text.replace(/^ListenStream=.*$/m, `ListenStream=${streamOf(profiles.listen)}`)
  if (name === 'mail-imapd.service' && profiles)
    text = text.replace(/^ExecReload=/m, 'Sockets=mail-imapd.socket mail-profiles.socket\n$&')
  const server = servers.find(each => name === `mail-${each}.socket`)
  if (server) text = withSockets(text, options.config[server].listen)
  if (name.endsWith('.service')) text = withCommand(withPlaces(text, options.config), options)
  return { name, text: text.replaceAll(usualQueue, options.config.queue.directory) }
}

function withCommand(text: string, { program, file }: UnitsOptions): string {
  return text.replace(/^ExecStart=\/usr\/bin\/([\w-]+)/m, (_, name: string) => {
    const config = file === usualConfig ? '' : ` --config ${quoted(file)}`
    return `ExecStart=${program(name) ?? `/usr/bin/${name}`}${config}`
  })
}

/** Mail that is not where it usually is must be writable there. */
function withPlaces(text: string, { queue, users, metrics, runtime }: Config): string {
  if (!text.includes('StateDirectory=')) return text
  const told = text.includes('RuntimeDirectory=')
  const numbers = told && metrics?.textfile !== undefined ? [dirname(metrics.textfile)] : []
  const meeting = told && runtime.directory !== usualRuntime ? [runtime.directory] : []
  const home = users.home.includes('%') ? dirname(`${users.home.split('%')[0]}x`) : users.home
  const places = [...new Set([queue.directory, home, ...numbers, ...meeting])].filter(
    place => place !== usualState && !place.startsWith(`${usualState}/`),
  )
  if (places.length === 0) return text
  const open = places.some(place => /^\/(home|root|run\/user)(\/|$)/.test(place))
  const added = `ReadWritePaths=${places.map(quoted).join(' ')}`
  return text
    .replace(/^StateDirectoryMode=.*$/m, line => `${line}\n${added}`)
    .replace('ProtectHome=yes', open ? 'ProtectHome=no' : 'ProtectHome=yes')
}

function withSockets(text: string, listeners: readonly ListenerConfig[]): string {
  const own = listeners.filter(({ socket }) => socket === undefined).map(({ address }) => address)
  const streams = own.map(address => `ListenStream=${streamOf(address)}`).join('\n')
  const four = new Set(
    own.flatMap(address => ('port' in address && !address.host.includes(':') ? [address.port] : [])),
  )
  const both = own.some(address => 'port' in address && address.host.includes(':') && four.has(address.port))
  const unix = own.some(address => 'path' in address)
  return text
    .replace(/^(?:ListenStream=.*\n)+/m, `${streams}\n${unix ? 'SocketUser=postern\nSocketMode=0660\n' : ''}`)
    .replace('BindIPv6Only=both', both ? 'BindIPv6Only=ipv6-only' : 'BindIPv6Only=both')
}

function streamOf(address: Address): string {
  if ('path' in address) return address.path
  const text = formatAddress(address).replace(/^localhost:/, '127.0.0.1:')
  if ('port' in address && address.port > 0 && /^(\[[\da-f:.]+\]|[\d.]+):\d+$/i.test(text)) return text
  throw new MailError(`systemd cannot listen on ${text}: write an address with a port in place of a name`, {
    exit: exits.config,
  })
}

/** The timer of one account, where it is not the usual one. */
function rhythm(account: string, config: Config): Unit[] {
  const every = config.fetch[account]?.every ?? usualEvery
  if (every === usualEvery) return []
  const name = `mail-fetch@${safeInstance(account)}.timer.d/every.conf`
  // An empty assignment takes back all triggers, so the first one is said again.
  const text = `[Timer]\nOnUnitInactiveSec=\nOnActiveSec=10s\nOnUnitInactiveSec=${every}ms\n`
  return [{ name, text }]
}

function safeInstance(account: string): string {
  if (/^[A-Za-z0-9_.-]+$/.test(account)) return account
  throw new MailError(
    `fetch.${JSON.stringify(account)} cannot be the name of a timer; use letters, digits, "-", "_" and "."`,
    { exit: exits.config },
  )
}

/** A path in a unit: specifiers are doubled, blanks quoted (systemd.syntax(7)). */
function quoted(path: string): string {
  const plain = path.replaceAll('%', '%%')
  return /[\s"'\\]/.test(plain) ? `"${plain.replace(/["\\]/g, '\\$&')}"` : plain
}
