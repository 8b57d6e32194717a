/** The client's side of POP3 (RFC 1939, 2449, 5034), over the gated socket. */
import type { Duplex } from 'node:stream'
import { MailError } from '../sys/error.js'
import { PopText } from './pop-text.js'
import { ConnectionLost, connectionTrouble } from './trouble.js'

/** Longest first line of an answer, and the text of a listing, in octets: more than any server sends. */
const longestLine = 64 * 1024
const longestListing = 256 * 1024 * 1024

/** The server answered -ERR. */
export class PopRefusal extends MailError {
  override readonly name = 'PopRefusal'
  /** What it said, without -ERR. */
  readonly said: string

  constructor(host: string, said: string) {
    super(`${host} says: ${said}`, { exit: 75 })
    this.said = said
  }
}

/** One connection. Commands are answered in the order in which they were sent. */
export class PopClient {
  readonly #host: string
  readonly #timeout: number
  #socket: Duplex
  #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)

  /** @param timeout longest silence in milliseconds */
  constructor(host: string, socket: Duplex, timeout: number) {
    this.#host = host
    this.#timeout = timeout
    this.#socket = socket
    this.#chunks = chunksOf(socket)
  }

  /** Goes on over another socket: TLS. @throws MailError where the server said something before that */
  replaceSocket(socket: Duplex): void {
    if (this.#buffer.length > 0)
      throw new MailError(`${this.#host} sent something in the clear behind its answer to STLS`, { exit: 76 })
    this.#socket = socket
    this.#chunks = chunksOf(socket)
  }

  /** Sends a line. */
  say(line: string): void {
    this.#socket.write(`${line}\r\n`, 'utf8')
  }

  /** Sends a command. @returns what stands behind +OK @throws PopRefusal, ConnectionLost */
  async ask(line: string): Promise<string> {
    this.say(line)
    return this.answer()
  }

  /** Reads the first line of an answer. @returns what stands behind +OK @throws PopRefusal, ConnectionLost */
  async answer(): Promise<string> {
    const line = await this.line()
    const [, sign = '', said = ''] = /^(\+OK|-ERR)(?: +(.*))?$/is.exec(line.trimEnd()) ?? []
    if (/^\+OK$/i.test(sign)) return said
    if (sign !== '') throw new PopRefusal(this.#host, said)
    throw new ConnectionLost(`${this.#host} does not speak POP3: ${line.slice(0, 80)}`)
  }

  /** Reads one line. */
  async line(): Promise<string> {
    let end = this.#buffer.indexOf(10)
    while (end < 0) {
      if (this.#buffer.length > longestLine)
        throw new ConnectionLost(`${this.#host} sends a line without an end`)
      this.#buffer = Buffer.concat([this.#buffer, await this.#more()])
      end = this.#buffer.indexOf(10)
    }
    const line = this.#buffer.toString('utf8', 0, end).replace(/\r$/, '')
    this.#buffer = this.#buffer.subarray(end + 1)
    return line
  }

  /** The text of an answer, in pieces; to be read to its end. */
  async *text(): AsyncGenerator<Buffer, void> {
    const text = new PopText()
    let chunk = this.#buffer
    this.#buffer = Buffer.alloc(0)
    for (;;) {
      const piece = text.push(chunk)
      if (text.ended) this.#buffer = text.rest
      if (piece.length > 0) yield piece
      if (text.ended) return
      chunk = await this.#more()
    }
  }

  /** The text of an answer as lines: a listing. */
  async lines(): Promise<string[]> {
    const pieces: Buffer[] = []
    let size = 0
    for await (const piece of this.text()) {
      pieces.push(piece)
      size += piece.length
      if (size > longestListing) throw new ConnectionLost(`${this.#host} sends a listing without an end`)
    }
    const lines = Buffer.concat(pieces).toString('utf8').split(/\r?\n/)
    return lines.filter(line => line !== '')
  }

  close(): void {
    this.#socket.destroy()
  }

  async #more(): Promise<Buffer> {
    const timer = setTimeout(() => {
      this.#socket.destroy(new ConnectionLost(`${this.#host} says nothing any more`))
    }, this.#timeout)
    try {
      const { value, done } = await this.#chunks.next()
      if (done) throw new ConnectionLost(`no connection with ${this.#host}`)
      return value
    } catch (error) {
      throw connectionTrouble(this.#host, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Without ending the socket when nobody reads on, since TLS may be put on it. */
function chunksOf(socket: Duplex): AsyncIterator<Buffer> {
  // What breaks while nobody reads is told to the next who does.
  socket.on('error', () => {})
  return socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
}
