/** An IMAP client that is quick: it looks for nothing but the end of each answer. For measuring servers. */
import { connect, type Socket } from 'node:net'

export class LoadClient {
  readonly #socket: Socket
  #tail = ''
  #tag = 0
  #waiting: { mark: string; resolve: (octets: number) => void; reject: (error: Error) => void } | undefined
  #octets = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#take(chunk))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed')))
  }

  static async login(port: number, user: string): Promise<LoadClient> {
    const client = new LoadClient(connect({ port, host: '127.0.0.1', noDelay: true }))
    await client.#until('* OK')
    await client.run(`LOGIN ${user} pw`)
    return client
  }

  /** Runs a command. @returns how many octets were answered @throws Error unless the answer is OK */
  async run(command: string): Promise<number> {
    const tag = `t${++this.#tag}`
    this.#socket.write(`${tag} ${command}\r\n`)
    return this.#until(`${tag} OK`)
  }

  /** Sends a command with a literal or several (RFC 3502), which do not wait for the server. */
  async append(mailbox: string, ...messages: readonly Buffer[]): Promise<void> {
    const tag = `t${++this.#tag}`
    const literals = messages.flatMap(message => [Buffer.from(` {${message.length}+}\r\n`), message])
    this.#socket.write(
      Buffer.concat([Buffer.from(`${tag} APPEND ${mailbox}`), ...literals, Buffer.from('\r\n')]),
    )
    await this.#until(`${tag} OK`)
  }

  /** Goes into IDLE. @returns its tag */
  async beginIdle(): Promise<string> {
    const tag = `t${++this.#tag}`
    this.#socket.write(`${tag} IDLE\r\n`)
    await this.#until('+ ')
    return tag
  }

  /** Waits in IDLE until a line holds a word, after `begin` has made it come. @returns milliseconds */
  async idle(word: string, begin: () => void): Promise<number> {
    const tag = await this.beginIdle()
    const told = this.#until(word, true)
    const start = performance.now()
    begin()
    await told
    const time = performance.now() - start
    this.#socket.write('DONE\r\n')
    await this.#until(`${tag} OK`)
    return time
  }

  close(): void {
    this.#socket.destroy()
  }

  #until(mark: string, anywhere = false): Promise<number> {
    this.#octets = 0
    this.#tail = ''
    return new Promise((resolve, reject) => {
      this.#waiting = { mark: anywhere ? mark : `\n${mark}`, resolve, reject }
    })
  }

  #take(chunk: Buffer): void {
    const waiting = this.#waiting
    if (!waiting) return
    if (this.#octets === 0) this.#tail = '\n'
    this.#octets += chunk.length
    const seen = this.#tail + chunk.toString('latin1', Math.max(0, chunk.length - 4_000))
    if (seen.includes(waiting.mark)) {
      this.#waiting = undefined
      waiting.resolve(this.#octets)
    } else if (/\nt\d+ (NO|BAD)/.test(seen)) waiting.reject(new Error(seen.slice(-200)))
    this.#tail = seen.slice(-200)
  }
}
