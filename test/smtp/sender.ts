/** Sends many messages over many connections, as fast as the server takes them: for proofs of load and for figures. */
import { connect, type Socket } from 'node:net'

export interface Load {
  readonly port: number
  /** Connections at a time. */
  readonly sessions: number
  readonly count: number
  /** The recipients of message number i. */
  readonly recipients: (i: number) => readonly string[]
  /** Its text, with CRLF, without the final dot. */
  readonly text: (i: number) => string | Buffer
  readonly sender?: string
  /** Whether MAIL, RCPT and DATA go out together; one by one otherwise, as smtp-source(1) sends. */
  readonly pipelined?: boolean
  /** Whether each message has a connection of its own. */
  readonly reconnect?: boolean
}

/** @returns the numbers of the messages that got their 250, in the order they got it; ends early when connections break */
export async function sendLoad(load: Load): Promise<number[]> {
  const accepted: number[] = []
  let next = 0
  const take = () => (next < load.count ? next++ : undefined)
  const session = async () => {
    let line = await Line.open(load.port)
    try {
      for (let i = take(); i !== undefined; i = take()) {
        if (await sendOne(line, load, i)) accepted.push(i)
        if (!load.reconnect) continue
        await line.say('QUIT\r\n', 1)
        line.end()
        line = await Line.open(load.port)
      }
      await line.say('QUIT\r\n', 1)
    } catch {
      // The server has gone: what it did not acknowledge is not ours to count.
    } finally {
      line.end()
    }
  }
  await Promise.all(Array.from({ length: load.sessions }, session))
  return accepted
}

async function sendOne(line: Line, load: Load, i: number): Promise<boolean> {
  const commands = [
    `MAIL FROM:<${load.sender ?? 'sender@x.example'}>\r\n`,
    ...load.recipients(i).map(recipient => `RCPT TO:<${recipient}>\r\n`),
    'DATA\r\n',
  ]
  if (load.pipelined) await line.say(commands.join(''), commands.length)
  else for (const command of commands) await line.say(command, 1)
  const text = load.text(i)
  const octets = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  const [last = ''] = await line.say(Buffer.concat([octets, Buffer.from('.\r\n')]), 1)
  return last.startsWith('250')
}

/** One connection: something is said, and so many one-line replies are waited for. */
class Line {
  readonly #socket: Socket
  #replies: string[] = []
  #rest = ''
  #wanted = 0
  #done: (replies: string[]) => void = () => {}
  #failed: (error: Error) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#take(chunk.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => this.#failed(new Error('the connection is gone')))
  }

  static async open(port: number): Promise<Line> {
    const line = new Line(connect({ port, host: '127.0.0.1' }))
    await line.say('', 1)
    await line.say('HELO client.example\r\n', 1)
    return line
  }

  say(octets: string | Buffer, replies: number): Promise<string[]> {
    this.#replies = []
    this.#wanted = replies
    return new Promise((resolve, reject) => {
      this.#done = resolve
      this.#failed = reject
      if (octets.length > 0) this.#socket.write(octets)
      if (this.#socket.destroyed) reject(new Error('the connection is gone'))
    })
  }

  end(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\r\n')
    this.#rest = lines.pop() ?? ''
    this.#replies.push(...lines)
    if (this.#replies.length >= this.#wanted) this.#done(this.#replies)
  }
}
