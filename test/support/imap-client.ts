/** An IMAP client of few words, for tests: it sends commands and keeps count of the messages as RFC 3501 §7 says. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'

export interface Reply {
  readonly status: 'OK' | 'NO' | 'BAD'
  /** The tagged line behind the status. */
  readonly text: string
  /** Untagged lines without `* `, one character an octet, literals in their places. */
  readonly untagged: readonly string[]
}

export class ImapClient {
  readonly #socket: Socket
  #pending = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}
  #tag = 0
  /** UIDs by sequence number less one, as far as they are known (0 is not yet known). */
  readonly uids: number[] = []
  /** What went wrong while it listened. */
  trouble: unknown
  /** Called with each untagged line. */
  onUntagged: (line: string) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#pending = Buffer.concat([this.#pending, chunk])
      this.#wake()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
    socket.on('error', () => {})
  }

  /** Connects in the clear, reads the greeting and logs in. */
  static async login(port: number, user: string, password: string): Promise<ImapClient> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const made = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(made))
      made.once('error', reject)
    })
    const client = new ImapClient(socket)
    await client.#line()
    await client.ok(`LOGIN "${user}" "${password}"`)
    return client
  }

  /** Sends a command; `literal` goes after it as a literal that does not wait. */
  async command(text: string, literal?: Buffer): Promise<Reply> {
    const tag = this.send(text, literal)
    const untagged: string[] = []
    for (;;) {
      const line = await this.#line()
      if (line === undefined) throw new Error(`the server closed at "${text}" after ${untagged.slice(-3)}`)
      if (line.startsWith('* ')) {
        untagged.push(line.slice(2))
        this.#take(line.slice(2), text)
      } else if (line.startsWith(`${tag} `)) {
        const [, status, rest = ''] = /^\S+ (OK|NO|BAD)(?: (.*))?$/s.exec(line) ?? []
        assert.ok(status, `no status in "${line}"`)
        return { status: status as Reply['status'], text: rest, untagged }
      } else assert.ok(line.startsWith('+ '), `unexpected line "${line}" at "${text}"`)
    }
  }

  /** {@link command}, which must succeed. @returns the untagged lines */
  async ok(text: string, literal?: Buffer): Promise<readonly string[]> {
    const reply = await this.command(text, literal)
    assert.equal(reply.status, 'OK', `${text}: ${reply.status} ${reply.text}`)
    return reply.untagged
  }

  /** Sends without waiting for anything. @returns the tag */
  send(text: string, literal?: Buffer): string {
    const tag = `t${++this.#tag}`
    const head = `${tag} ${text}${literal ? ` {${literal.length}+}` : ''}\r\n`
    this.#socket.write(literal ? Buffer.concat([Buffer.from(head), literal, Buffer.from('\r\n')]) : head)
    return tag
  }

  /** IDLE for a while, in milliseconds. */
  async idle(time: number): Promise<void> {
    const done = this.command('IDLE')
    setTimeout(() => this.#socket.write('DONE\r\n'), time)
    const { status } = await done
    assert.equal(status, 'OK')
  }

  /** Follows what comes without a command, until the end; no command may be sent any more. */
  listen(): void {
    const follow = async () => {
      for (let line = await this.#line(); line !== undefined; line = await this.#line())
        this.#take(line.slice(2), 'listening')
    }
    follow().catch(error => {
      this.trouble = error
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Follows EXISTS, EXPUNGE and the UIDs in FETCH; what contradicts what was said before fails the test. */
  #take(line: string, command: string): void {
    const [, digits = '', word, rest = ''] = /^(\d+) (EXISTS|EXPUNGE|FETCH)(.*)$/s.exec(line) ?? []
    const number = Number(digits)
    if (word === 'EXISTS') {
      assert.ok(number >= this.uids.length, `${line} where there were ${this.uids.length} (${command})`)
      while (this.uids.length < number) this.uids.push(0)
    } else if (word === 'EXPUNGE') {
      assert.doesNotMatch(command, /^(FETCH|STORE|SEARCH)\b/i, `${line} during ${command}`)
      assert.ok(number >= 1 && number <= this.uids.length, `${line} of ${this.uids.length}`)
      this.uids.splice(number - 1, 1)
    } else if (word === 'FETCH') {
      assert.ok(number >= 1 && number <= this.uids.length, `${line} of ${this.uids.length}`)
      const uid = Number(/[ (]UID (\d+)/.exec(rest)?.[1] ?? 0)
      const known = this.uids[number - 1]
      if (uid !== 0 && known !== 0)
        assert.equal(uid, known, `the UID of message ${number} changed (${command})`)
      if (uid !== 0) this.uids[number - 1] = uid
    }
    const vanished = /^VANISHED ([\d:,]+)/.exec(line)?.[1]
    if (vanished !== undefined) this.#vanish(vanished)
    this.onUntagged(line)
  }

  /** RFC 7162 §3.2.10: messages that go, by their UIDs, which need not have been told. */
  #vanish(set: string): void {
    for (const part of set.split(',')) {
      const [from = 0, to = from] = part.split(':').map(Number)
      for (let uid = from; uid <= to; uid++) {
        const known = this.uids.indexOf(uid)
        // UIDs ascend: before the first higher one, and behind the last lower one.
        const higher = this.uids.findIndex(each => each > uid)
        const end = higher < 0 ? this.uids.length : higher
        const at = known >= 0 ? known : this.uids[end - 1] === 0 ? end - 1 : -1
        assert.ok(at >= 0, `${uid} vanished where it never was`)
        this.uids.splice(at, 1)
      }
    }
  }

  /** A line with its literals, one character an octet; undefined when the server has closed. */
  async #line(): Promise<string | undefined> {
    let line = ''
    for (;;) {
      const end = await this.#find()
      if (end === undefined) return undefined
      line += this.#cut(end + 1).toString('latin1')
      const [whole, size] = /\{(\d+)\}\r\n$/.exec(line) ?? []
      if (whole === undefined) return line.slice(0, -2)
      while (this.#pending.length < Number(size)) if (!(await this.#arrival())) return undefined
      line = line.slice(0, -whole.length) + this.#cut(Number(size)).toString('latin1')
    }
  }

  async #find(): Promise<number | undefined> {
    for (;;) {
      const end = this.#pending.indexOf(10)
      if (end >= 0) return end
      if (!(await this.#arrival())) return undefined
    }
  }

  #cut(count: number): Buffer {
    const cut = this.#pending.subarray(0, count)
    this.#pending = this.#pending.subarray(count)
    return cut
  }

  #arrival(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer within a minute')), 60_000)
      this.#wake = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }
}
