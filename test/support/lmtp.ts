/** A client of LMTP: one message after the other, with the reply for each recipient. */
import { connect, type Socket } from 'node:net'

export interface Letter {
  readonly from: string
  readonly to: readonly string[]
  /** Its lines end in LF or CRLF. */
  readonly text: string | Buffer
}

export class Lmtp {
  readonly #socket: Socket
  #text = ''
  #wake: () => void = () => {}
  #closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
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

  static async open(port: number): Promise<Lmtp> {
    const client = new Lmtp(connect({ port, host: '127.0.0.1' }))
    await client.#reply()
    await client.#say('LHLO client.example\r\n')
    return client
  }

  /** @returns the replies of the recipients, in their order: to RCPT where that is a refusal, else to the message */
  async send({ from, to, text }: Letter): Promise<string[]> {
    const rcpts = to.map(address => `RCPT TO:<${address}>\r\n`)
    this.#socket.write(`MAIL FROM:<${from}>\r\n${rcpts.join('')}DATA\r\n`)
    const mail = await this.#reply()
    const answers: string[] = []
    for (const _ of to) answers.push(await this.#reply())
    const data = await this.#reply()
    if (!data.startsWith('354'))
      return answers.map(answer => (answer.startsWith('2') ? data || mail : answer))
    const octets = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1')
    this.#socket.write(
      octets.includes('\r\n')
        ? octets
        : Buffer.from(octets.toString('latin1').replace(/\n/g, '\r\n'), 'latin1'),
    )
    this.#socket.write('.\r\n')
    for (const [i, answer] of answers.entries()) if (answer.startsWith('2')) answers[i] = await this.#reply()
    return answers
  }

  async end(): Promise<void> {
    await this.#say('QUIT\r\n')
    this.#socket.destroy()
  }

  #say(line: string): Promise<string> {
    this.#socket.write(line)
    return this.#reply()
  }

  /** One reply, its lines joined. */
  async #reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r]*\r\n)*\d{3}(?: [^\r]*)?\r\n/.exec(this.#text)
      if (match) {
        this.#text = this.#text.slice(match[0].length)
        return match[0].trimEnd()
      }
      if (this.#closed) throw new Error(`the connection is gone; unread: ${JSON.stringify(this.#text)}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}
