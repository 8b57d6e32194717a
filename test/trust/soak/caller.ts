/** A client of any of the four protocols, in the clear or under TLS, from an address of its own choice on loopback. */
import { connect, type Socket } from 'node:net'
import { connect as secure } from 'node:tls'

export interface Door {
  readonly port: number
  readonly tls?: boolean
  /** The client's address. */
  readonly from?: string
}

export class Caller {
  #socket!: Socket
  #text = ''
  #closed = false
  #wake: () => void = () => {}

  static async open({ port, tls, from }: Door): Promise<Caller> {
    const caller = new Caller()
    const socket = await new Promise<Socket>((resolve, reject) => {
      const made = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        ...(from === undefined ? {} : { localAddress: from }),
      })
      made.once('connect', () => resolve(made))
      made.once('error', reject)
    })
    if (tls) await caller.wrap(socket)
    else caller.#listen(socket)
    return caller
  }

  /** Begins TLS, also in the middle of a session. */
  wrap(socket = this.#socket): Promise<void> {
    for (const event of ['data', 'error', 'close']) socket.removeAllListeners(event)
    return new Promise((resolve, reject) => {
      const wrapped = secure({ socket, rejectUnauthorized: false }, () => resolve())
      wrapped.once('error', reject)
      this.#listen(wrapped)
    })
  }

  #listen(socket: Socket): void {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  say(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** What comes up to and with `end`. @throws Error when the server closes before */
  async until(end: RegExp): Promise<string> {
    for (;;) {
      const found = end.exec(this.#text)
      if (found) {
        const cut = found.index + found[0].length
        const whole = this.#text.slice(0, cut)
        this.#text = this.#text.slice(cut)
        return whole
      }
      if (this.#closed) throw new Error(`closed before ${end}: ${this.#text.slice(-300)}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  ask(text: string, end: RegExp): Promise<string> {
    this.say(text)
    return this.until(end)
  }

  /** Waits until the server has closed. */
  async end(): Promise<void> {
    while (!this.#closed)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    this.#socket.destroy()
  }

  /** Goes without a word. */
  drop(): void {
    this.#socket.destroy()
  }
}
