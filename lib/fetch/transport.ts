/** The socket to a provider's server, behind the gate: what a client writes goes through it or nowhere. */
import { connect as connectPlain, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, type SecureContext, TLSSocket } from 'node:tls'
import { Gate } from './gate.js'
import { ServerLines } from './lines.js'
import { PopGate, PopLines } from './pop-gate.js'

/** Sees what goes over the connection: octets as they are sent, and the server's lines without their literals. */
export interface Witness {
  sent(octets: Buffer): void
  answered(line: string): void
}

/** What stands between a client and the server: lets out what may go, and hears the server's answers. */
export interface SocketGate {
  push(chunk: Uint8Array): Buffer
  answered(line: string): Buffer
}

/** What takes in for a while what the server sends, in place of the client. */
export interface Diversion {
  /** @returns a promise where no more is to come until it is kept @throws what breaks the connection */
  push(chunk: Buffer): Promise<void> | undefined
  /** The connection is over. */
  closed(error: Error): void
}

/** Cuts what the server sends into lines; `take` gets each. */
type MakeLines = (take: (line: string) => void) => { push(chunk: Buffer): void }

/** A stream that a client takes for its socket. */
export class GatedSocket extends Duplex {
  readonly #socket: Socket
  readonly #gate: SocketGate
  readonly #witness: Witness | undefined
  readonly #lines: { push(chunk: Buffer): void }
  #detached = false
  #diversion: Diversion | undefined
  /** Whether nothing is read since what came is not taken yet. */
  #holds = false

  constructor(socket: Socket, gate: SocketGate, makeLines: MakeLines, witness?: Witness) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    this.#gate = gate
    this.#witness = witness
    this.#lines = makeLines(line => this.#answered(line))
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
    socket.on('error', this.#onError)
    socket.on('timeout', this.#onTimeout)
  }

  /** Octets received so far, TLS taken away. */
  get received(): number {
    return this.#socket.bytesRead
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#lines.push(chunk)
    } catch (error) {
      this.destroy(error as Error)
      return
    }
    if (!this.#diversion) this.give(chunk)
    else this.#divert(this.#diversion, chunk)
  }

  #divert(to: Diversion, chunk: Buffer): void {
    try {
      const taking = to.push(chunk)
      if (!taking) return
      this.#holds = true
      this.#socket.pause()
      void taking.finally(() => {
        this.#holds = false
        this._read()
      })
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  /** Gives to somebody else what comes, or, without one, to the client again. */
  divert(to: Diversion | undefined): void {
    this.#diversion = to
  }

  /** Gives octets to the client. */
  give(octets: Buffer): void {
    if (!this.push(octets)) this.#socket.pause()
  }
  readonly #onEnd = (): void => void this.push(null)
  readonly #onClose = (): void => void this.destroy()
  readonly #onError = (error: Error): void => void this.destroy(error)
  readonly #onTimeout = (): void => {
    // While nothing is read, nothing comes, and the server is not to be blamed.
    if (this.#holds) this.#socket.setTimeout(this.#socket.timeout ?? 0)
    else this.emit('timeout')
  }

  #answered(line: string): void {
    this.#witness?.answered(line)
    this.#send(this.#gate.answered(line))
  }

  #send(octets: Buffer, done?: (error?: Error | null) => void): void {
    if (octets.length === 0) return done?.()
    this.#witness?.sent(octets)
    this.#socket.write(octets, done)
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    let octets: Buffer
    try {
      octets = this.#gate.push(chunk)
    } catch (error) {
      done(error as Error)
      return
    }
    this.#send(octets, done)
  }

  override _read(): void {
    if (!this.#detached && !this.#holds) this.#socket.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#detached) this.#socket.destroy()
    this.#diversion?.closed(error ?? new Error('the connection was closed'))
    this.#diversion = undefined
    done(error)
  }

  /** Lets go of the socket below, for TLS to be put on it. */
  detach(): Socket {
    this.#detached = true
    const socket = this.#socket
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    socket.off('error', this.#onError).off('timeout', this.#onTimeout)
    return socket
  }

  setTimeout(time: number): this {
    this.#socket.setTimeout(time)
    return this
  }

  setKeepAlive(enable?: boolean, delay?: number): this {
    this.#socket.setKeepAlive(enable, delay)
    return this
  }

  /** @returns null where there is no TLS */
  getCipher(): { name: string; standardName: string; version: string } | null {
    return this.#socket instanceof TLSSocket ? this.#socket.getCipher() : null
  }

  get authorized(): boolean {
    return this.#socket instanceof TLSSocket && this.#socket.authorized
  }
}

export interface TransportOptions {
  readonly host: string
  readonly port: number
  /** Whose certificates are believed; asked for where there is TLS. */
  trust(): SecureContext
  readonly witness?: Witness | undefined
}

/** What opens gated sockets, and puts TLS on them. */
export interface GatedTransport {
  connect(how: { secure: boolean }, onConnect: () => void): GatedSocket
  upgrade(plain: Duplex, options: unknown, onSecure: () => void): GatedSocket
  /** The last that was opened. */
  readonly socket: GatedSocket | undefined
}

/** Opens gated sockets to an IMAP server: in the shape that the client library wants its connections in. */
export function gatedTransport(options: TransportOptions): GatedTransport {
  return transportThrough(options, new Gate(), take => new ServerLines(take))
}

/** Opens gated sockets to a POP3 server. */
export function popTransport(options: TransportOptions): GatedTransport {
  const gate = new PopGate()
  return transportThrough(options, gate, take => new PopLines(gate, take))
}

function transportThrough(
  { host, port, witness, ...options }: TransportOptions,
  gate: SocketGate,
  makeLines: MakeLines,
): GatedTransport {
  const identity = () => ({
    servername: /^[\d.]+$|:/.test(host) ? '' : host,
    secureContext: options.trust(),
  })
  let current: GatedSocket | undefined
  const gated = (socket: Socket) => {
    current = new GatedSocket(socket, gate, makeLines, witness)
    return current
  }
  return {
    get socket() {
      return current
    },
    connect({ secure }, onConnect) {
      const socket = secure
        ? connectTls({ host, port, ...identity() }, onConnect)
        : connectPlain({ host, port, noDelay: true }, onConnect)
      return gated(socket)
    },
    upgrade(plain, _options, onSecure) {
      if (!(plain instanceof GatedSocket)) throw new TypeError('this is no socket of ours')
      const socket = connectTls({ socket: plain.detach(), host, ...identity() }, onSecure)
      return gated(socket)
    },
  }
}
