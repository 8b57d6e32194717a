/** The listeners of one server: opened at addresses or over systemd's sockets, changed by a reload, closed. */
import type { ListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { describe, exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Networks } from '../sys/network.js'
import { type Address, formatAddress } from '../sys/sockets.js'
import { Listener, type ListenerOptions } from '../wire/listener.js'
import type { Parts } from './parts.js'
import type { Door, Running, ServerName } from './service.js'

/** Whether a name is that of a server with listeners. */
export function isServer(name: string): name is ServerName {
  return name === 'smtpd' || name === 'imapd' || name === 'pop3d' || name === 'sieved'
}

/** The listeners that the configuration gives a service. */
export function listenersOf(config: Config, name: string): readonly ListenerConfig[] {
  return isServer(name) ? config[name].listen : []
}

interface Open {
  settings: ListenerConfig
  readonly listener: Listener
}

export class Doors {
  readonly #name: ServerName
  readonly #parts: Parts
  readonly #log: Log
  readonly #running: Running
  readonly #sockets: Map<string, number[]>
  /** By the address in the configuration. */
  readonly #open = new Map<string, Open>()
  /** Called whenever the last connection of a listener has ended. */
  onIdle: () => void = () => {}

  /** @param sockets those that systemd handed over and nobody has taken yet; what is used is removed */
  constructor(name: ServerName, parts: Parts, log: Log, running: Running, sockets: Map<string, number[]>) {
    this.#name = name
    this.#parts = parts
    this.#log = log
    this.#running = running
    this.#sockets = sockets
  }

  /** Opens all listeners. @throws MailError when one cannot be opened; those before it stay open until {@link close} */
  async open(): Promise<void> {
    for (const settings of listenersOf(this.#parts.config, this.#name)) await this.#add(settings)
  }

  /** Follows a changed configuration; what cannot be opened is logged. */
  async reload(grace: number): Promise<void> {
    const wanted = new Map(
      listenersOf(this.#parts.config, this.#name).map(each => [formatAddress(each.address), each]),
    )
    for (const [address, { listener }] of [...this.#open])
      if (!wanted.has(address)) {
        this.#open.delete(address)
        this.#log.info('closed', { address })
        // Its sessions may take their time; new ones must not wait for them.
        void listener.close(grace)
      }
    for (const [address, settings] of wanted) {
      const known = this.#open.get(address)
      if (known) known.settings = settings
      else
        await this.#add(settings).catch(error => {
          this.#log.error('listen-failed', { address, reason: describe(error) })
        })
    }
  }

  get connections(): number {
    let sum = 0
    for (const { listener } of this.#open.values()) sum += listener.connections
    return sum
  }

  /** Ends one session. @param grace how long it may take, in milliseconds @returns whether it is one of ours */
  async end(session: string, grace: number): Promise<boolean> {
    const ended = [...this.#open.values()].map(({ listener }) => listener.end(session, grace))
    return (await Promise.all(ended)).includes(true)
  }

  /** The port of each listener, in the order of the configuration: for tests that listen on port 0. */
  get ports(): number[] {
    return [...this.#open.values()].map(({ listener }) => listener.port)
  }

  async close(grace: number): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ listener }) => listener.close(grace)))
  }

  async #add(settings: ListenerConfig): Promise<void> {
    const name = formatAddress(settings.address)
    const inherited = this.#inherited(settings)
    const entry: Open = {
      settings,
      listener: new Listener(this.#optionsOf(inherited ?? settings.address, () => entry.settings)),
    }
    await entry.listener.open()
    entry.listener.onIdle = () => this.onIdle()
    this.#open.set(this.#open.has(name) ? `${name}#${this.#open.size}` : name, entry)
    if (inherited) refuseOtherPort(entry)
    this.#log.info('listening', { address: name, port: entry.listener.port, tls: settings.tls })
  }

  /** Getters, since a reload changes the answers while the listener stays. */
  #optionsOf(address: Address, settings: () => ListenerConfig): ListenerOptions {
    const parts = this.#parts
    const running = this.#running
    const server = this.#name
    const door: Door = {
      get listener() {
        return settings()
      },
      get identity() {
        return settings().tls === 'off' ? undefined : parts.identity(settings().minimum)
      },
    }
    return {
      address,
      log: this.#log,
      get tls() {
        return settings().tls
      },
      get identity() {
        return door.identity
      },
      get maxConnections() {
        return parts.config[server].max_connections
      },
      get maxConnectionsPerAddress() {
        return parts.config[server].max_connections_per_address
      },
      get proxies() {
        return networksOf(parts.config[server].proxies)
      },
      busy: running.busy ?? '',
      serve: async (connection, log) => running.serve?.(connection, log, door as never),
    }
  }

  /** systemd's socket of the listener's name; else the next one that has none of these names. */
  #inherited({ socket }: ListenerConfig): Address | undefined {
    const named = new Set(listenersOf(this.#parts.config, this.#name).map(each => each.socket))
    const candidates = socket
      ? this.#sockets.get(socket)
      : [...this.#sockets].find(([name, fds]) => !named.has(name) && fds.length > 0)?.[1]
    const fd = candidates?.shift()
    return fd === undefined ? undefined : { fd }
  }
}

const networks = new WeakMap<readonly string[], Networks>()

/** A list of the configuration as a set; made once for each. */
function networksOf(list: readonly string[]): Networks {
  const known = networks.get(list) ?? new Networks(list)
  networks.set(list, known)
  return known
}

/** Sockets in another order than the listeners would give the rules of one port to another. */
function refuseOtherPort({ settings, listener }: Open): void {
  const { address } = settings
  if (!('port' in address) || address.port === 0 || address.port === listener.port) return
  throw new MailError(
    `systemd handed over port ${listener.port} for the listener ${formatAddress(address)}; ` +
      'put the ListenStream= lines in the order of the configuration, or name the sockets (FileDescriptorName=, socket =)',
    { exit: exits.config },
  )
}
