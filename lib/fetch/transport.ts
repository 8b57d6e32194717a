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

/** Cuts what the server sends into lines; `take` gets each. */
type MakeLines = (take: (line: string) => void) => { push(chunk: Buffer): void }

/** A stream that a client takes for its socket. */
export class GatedSocket extends Duplex {
  readonly #socket: Socket
  readonly #gate: SocketGate
  readonly #witness: Witness | undefined
  readonly #lines: { push(chunk: Buffer): void }
  #detached = false

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
    if (!this.push(chunk)) this.#socket.pause()
  }
  readonly #onEnd = (): void => void this.push(null)
  readonly #onClose = (): void => void this.destroy()
  readonly #onError = (error: Error): void => void this.destroy(error)
  readonly #onTimeout = (): void => void this.emit('timeout')

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
    if (!this.#detached) this.#socket.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#detached) this.#socket.destroy()
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
  return {
    connect({ secure }, onConnect) {
      const socket = secure
        ? connectTls({ host, port, ...identity() }, onConnect)
        : connectPlain({ host, port, noDelay: true }, onConnect)
      return new GatedSocket(socket, gate, makeLines, witness)
    },
    upgrade(plain, _options, onSecure) {
      if (!(plain instanceof GatedSocket)) throw new TypeError('this is no socket of ours')
      const socket = connectTls({ socket: plain.detach(), host, ...identity() }, onSecure)
      return new GatedSocket(socket, gate, makeLines, witness)
    },
  }
}
