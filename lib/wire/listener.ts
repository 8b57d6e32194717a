/** What every server does between accept() and its own protocol: numbering, limits, TLS from the first octet, goodbye. */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { Networks } from '../sys/network.js'
import { type Address, isLoopback, listen } from '../sys/sockets.js'
import { Connection, LineTooLong, PeerGone, PeerTimeout } from './line.js'
import { readProxyHeader } from './proxy.js'
import { type Identity, startTls } from './tls.js'

/** How a listener is protected: from the first octet, by STARTTLS before anything else, by STARTTLS at will, not. */
export type TlsMode = 'implicit' | 'required' | 'offered' | 'off'

export interface ListenerOptions {
  readonly address: Address
  readonly tls: TlsMode
  /** Needed unless `tls` is off. */
  readonly identity: Identity | undefined
  readonly log: Log
  /** Most connections at a time, in all and from one address (loopback and Unix sockets are not counted by address). */
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  /** Peers that send a PROXY header first; nobody unless given. */
  readonly proxies?: Networks | undefined
  /** What is sent to a connection over the limit, its CRLF included; nothing by default. */
  readonly busy?: string
  /** Speaks the protocol until the peer leaves. Ending, by return or throw, closes the connection. */
  serve(connection: Connection, log: Log): Promise<void>
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  readonly #byAddress = new Map<string, number>()
  /** Called whenever the last connection has ended. */
  onIdle: () => void = () => {}

  constructor(options: ListenerOptions) {
    this.#options = options
    // Who has said all and closes its half (`nc -N`, a script's pipe) still gets its answers: the session ends when the
    // last of what came is answered, and the connection with it.
    const how = { noDelay: true, allowHalfOpen: true }
    this.#server = createServer(how, socket => this.#accept(socket))
  }

  /** Opens the address. @throws MailError (69), see {@link listen} */
  async open(): Promise<void> {
    await listen(this.#server, this.#options.address)
    this.#server.on('error', error => this.#options.log.error('accept-failed', { reason: describe(error) }))
  }

  /** The port that is listened on, also where 0 was asked for; 0 for a Unix socket. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Asks one session to end, and ends it when it has not after `grace` milliseconds. @returns whether it is one of ours */
  async end(session: string, grace: number): Promise<boolean> {
    const connection = [...this.#connections].find(({ id }) => id === session)
    if (!connection) return false
    connection.onShutdown?.()
    const timer = setTimeout(() => connection.destroy(), grace)
    await connection.closed
    clearTimeout(timer)
    return true
  }

  /**
   * Accepts nobody any more, asks every session to end, and after `grace` milliseconds ends those that did not. Who
   * was accepted and is still shaking hands is let in, and asked to end after half of that time: what takes our place
   * will not answer this peer, who would find the door shut in its face.
   */
  async close(grace: number): Promise<void> {
    this.#server.close()
    const all = [...this.#connections]
    const asked = new Set<Connection>()
    const ask = () => {
      for (const connection of all)
        if (connection.onShutdown && !asked.has(connection)) {
          asked.add(connection)
          connection.onShutdown()
        }
    }
    ask()
    const timers = [
      setTimeout(ask, grace / 2),
      setTimeout(() => {
        for (const connection of all) connection.destroy()
      }, grace),
    ]
    await Promise.all(all.map(connection => connection.closed))
    for (const timer of timers) clearTimeout(timer)
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, randomBytes(5).toString('hex'))
    this.#connections.add(connection)
    this.#run(connection, this.#options.log.with({ session: connection.id })).finally(() => {
      connection.close()
      this.#connections.delete(connection)
      if (this.#connections.size === 0) this.onIdle()
    })
  }

  async #run(connection: Connection, log: Log): Promise<void> {
    try {
      if (this.#options.proxies?.has(connection.remoteAddress)) {
        const peer = await readProxyHeader(connection)
        connection.remoteAddress = peer?.address ?? connection.remoteAddress
        connection.remotePort = peer?.port ?? connection.remotePort
      }
      await this.#counted(connection, log)
    } catch (error) {
      if (error instanceof PeerTimeout || error instanceof PeerGone || error instanceof LineTooLong)
        log.info('disconnected', { address: connection.remoteAddress, reason: describe(error) })
      else log.error('session-failed', { address: connection.remoteAddress, reason: stackOf(error) })
    }
  }

  async #counted(connection: Connection, log: Log): Promise<void> {
    const { maxConnections = 1_000, maxConnectionsPerAddress = 100, busy = '', identity, tls } = this.#options
    const address = connection.remoteAddress
    const known = this.#byAddress.get(address) ?? 0
    if (
      this.#connections.size > maxConnections ||
      (!isLoopback(address) && known >= maxConnectionsPerAddress)
    ) {
      log.warning('too-many-connections', { address, connections: this.#connections.size })
      connection.write(busy)
      return
    }
    this.#byAddress.set(address, known + 1)
    try {
      log.debug('connected', { address, port: connection.localPort })
      if (tls === 'implicit' && identity) await startTls(connection, identity, 'keep')
      await this.#options.serve(connection, log)
    } finally {
      log.debug('ended', { address })
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left > 0) this.#byAddress.set(address, left)
      else this.#byAddress.delete(address)
    }
  }
}

/** A bug's stack belongs in the log, in one line. */
function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
