/** A small SMTP server for tests, over real sockets, that misbehaves as it is told. */
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export interface Received {
  readonly mail: string
  readonly recipients: readonly string[]
  /** As sent, dots unstuffed, the end left out. */
  readonly text: string
  readonly connection: number
}

export interface SinkOptions {
  readonly extensions?: readonly string[]
  readonly greeting?: string
  readonly tls?: 'implicit' | 'offered'
  /**
   * The answer to a command, or to the end of a message (`.`): a reply without its CRLF, `cut` to break the
   * connection, `silence`; undefined for the usual one.
   */
  readonly answer?: (command: string, connection: number) => string | undefined
  /** Breaks the connection when that many octets of a message have come. */
  readonly cutAfter?: number
}

const pem = (name: string) => readFileSync(`fixtures/tls/${name}.pem`)

export class Sink {
  readonly #options: SinkOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly received: Received[] = []
  /** All commands, in order, of all connections. */
  readonly commands: string[] = []
  connections = 0
  /** Most connections at one time. */
  most = 0

  private constructor(options: SinkOptions) {
    this.#options = options
    this.#server = createServer(socket => this.#accept(socket))
  }

  static async start(options: SinkOptions = {}, port = 0, host = '127.0.0.1'): Promise<Sink> {
    const sink = new Sink(options)
    await new Promise<void>(resolve => sink.#server.listen(port, host, resolve))
    return sink
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Ends all connections, leaving the server open. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.hangUp()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    this.most = Math.max(this.most, this.#sockets.size)
    socket.on('close', () => this.#sockets.delete(socket))
    const session = new Conversation(this, this.#options, this.connections)
    if (this.#options.tls === 'implicit') session.begin(secure(socket))
    else session.begin(socket)
  }
}

function secure(socket: Socket): Socket {
  return new TLSSocket(socket, { isServer: true, cert: pem('localhost'), key: pem('localhost-key') })
}

class Conversation {
  readonly #sink: Sink
  readonly #options: SinkOptions
  readonly #number: number
  #socket!: Socket
  #buffer = ''
  /** The beginning of a long message. */
  #aside: string[] = []
  #secured = false
  #data = false
  #mail = ''
  #recipients: string[] = []

  constructor(sink: Sink, options: SinkOptions, number: number) {
    this.#sink = sink
    this.#options = options
    this.#number = number
  }

  begin(socket: Socket): void {
    this.#secured = socket instanceof TLSSocket
    this.#attach(socket)
    this.#reply(this.#options.greeting ?? '220 sink.example ESMTP')
  }

  #attach(socket: Socket): void {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', chunk => {
      this.#buffer += chunk.toString('latin1')
      this.#work()
    })
  }

  #work(): void {
    while (!this.#socket.destroyed) {
      if (this.#data && this.#buffer.length > (this.#options.cutAfter ?? Number.POSITIVE_INFINITY))
        return void this.#socket.destroy()
      const mark = this.#data ? '\r\n.\r\n' : '\r\n'
      const end = this.#buffer.indexOf(mark)
      if (end < 0) return this.#putAside()
      const text = this.#aside.splice(0).join('') + this.#buffer.slice(0, end)
      this.#buffer = this.#buffer.slice(end + mark.length)
      if (this.#data) this.#message(`${text}\r\n`)
      else this.#command(text)
    }
  }

  #putAside(): void {
    if (!this.#data || this.#buffer.length < 1_000_000) return
    this.#aside.push(this.#buffer.slice(0, -8))
    this.#buffer = this.#buffer.slice(-8)
  }

  #command(line: string): void {
    this.#sink.commands.push(line)
    const reply = this.#options.answer?.(line, this.#number) ?? this.#usual(line)
    this.#reply(reply)
    const fine = /^2/.test(reply)
    if (/^MAIL/i.test(line) && fine) [this.#mail, this.#recipients] = [line, []]
    if (/^RCPT/i.test(line) && fine) this.#recipients.push(line)
    if (/^STARTTLS/i.test(line) && fine) {
      for (const event of ['data', 'error']) this.#socket.removeAllListeners(event)
      this.#attach(secure(this.#socket))
      this.#secured = true
    }
    if (/^DATA/i.test(line) && /^3/.test(reply)) this.#data = true
    if (/^QUIT/i.test(line)) this.#socket.end()
  }

  #usual(line: string): string {
    const { extensions = ['PIPELINING', '8BITMIME', 'SIZE 10000000'], tls } = this.#options
    if (/^EHLO/i.test(line)) {
      const all = ['sink.example', ...extensions]
      if (tls === 'offered' && !this.#secured) all.push('STARTTLS')
      return all.map((text, i) => `250${i === all.length - 1 ? ' ' : '-'}${text}`).join('\r\n')
    }
    if (/^DATA/i.test(line)) return this.#recipients.length > 0 ? '354 go on' : '503 5.5.1 nobody to send to'
    if (/^AUTH PLAIN/i.test(line)) return '235 2.7.0 welcome'
    return /^QUIT/i.test(line) ? '221 2.0.0 bye' : '250 2.0.0 OK'
  }

  #message(text: string): void {
    this.#data = false
    const reply = this.#options.answer?.('.', this.#number) ?? '250 2.0.0 taken'
    if (/^2/.test(reply) || reply === 'silence')
      this.#sink.received.push({
        mail: this.#mail,
        recipients: this.#recipients,
        text: text.replace(/(^|\r\n)\.(?=\.)/g, '$1'),
        connection: this.#number,
      })
    this.#reply(reply)
  }

  #reply(reply: string): void {
    if (reply === 'cut') this.#socket.destroy()
    else if (reply !== 'silence') this.#socket.write(`${reply}\r\n`)
  }
}
