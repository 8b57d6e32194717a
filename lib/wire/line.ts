/**
 * A peer's octets, read as lines and counted blocks and written in batches, over TCP, TLS or a Unix socket.
 *
 * Reading is pulled: a session asks for the next line when it is done with the last. What a session writes is kept
 * until it next waits for its peer, so that the answers to pipelined commands go out together.
 */
import type { Socket } from 'node:net'
import { plainAddress } from '../sys/sockets.js'

/** A line longer than its limit. The rest of the line has been consumed: the session may answer and go on. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong'
}

/** The peer was silent for too long. */
export class PeerTimeout extends Error {
  override readonly name = 'PeerTimeout'
}

/** The peer went away in the middle of something. */
export class PeerGone extends Error {
  override readonly name = 'PeerGone'
}

const empty = Buffer.alloc(0)
/** How much may wait unread, or unsent, before the other side is made to wait, in octets. */
const highWater = 64 * 1024
/** How long a session may last in all while nobody is logged in, in milliseconds. */
export const strangerTime = 600_000
const CR = 13
const LF = 10

export class Connection {
  /** Short and unique within the process; every log line of the session carries it. */
  readonly id: string
  /** The peer's address in plain form; empty on a Unix socket. A PROXY header may replace it. */
  remoteAddress: string
  remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Called once when the server wants the session to end: say goodbye and close. Not set before there is a session. */
  onShutdown: (() => void) | undefined

  #socket: Socket
  #buffer: Buffer = empty
  /** Where the search for the next line's end goes on, in #buffer. */
  #scanned = 0
  #output: (string | Uint8Array)[] = []
  #outputSize = 0
  /** Called when what was lent of #output is sent. */
  #lent: (() => void)[] = []
  /** When reading ends, however much the peer says, in milliseconds of the monotonic clock. */
  #deadline = Number.POSITIVE_INFINITY
  /** What wakes who waits for octets, and all who wait until octets are sent; both may wait at once. */
  #wakeReader: ((byClock?: boolean) => void) | undefined
  readonly #wakeWriters = new Set<() => void>()
  /** Rings at `#ringsAt`; who waits for octets is woken by it at `#silentAt`, in milliseconds of the monotonic clock. */
  #clock: NodeJS.Timeout | undefined
  #ringsAt = 0
  #silentAt = 0
  /** Whether nothing more will arrive, and whether nothing more can be sent: a peer may close its half only. */
  #ended = false
  #closed = false
  #paused = false
  readonly #handlers = {
    data: (chunk: Buffer) => this.#received(chunk),
    end: () => this.#over(),
    close: () => this.#gone(),
    drain: () => this.#wakeAllWriters(),
  }

  constructor(socket: Socket, id: string) {
    this.id = id
    this.#socket = socket
    this.remoteAddress = plainAddress(socket.remoteAddress)
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = plainAddress(socket.localAddress)
    this.localPort = socket.localPort ?? 0
    this.#attach()
  }

  /** The socket as it is now: plain, or TLS after {@link replaceSocket}. */
  get socket(): Socket {
    return this.#socket
  }

  /**
   * Gives the peer so long, in milliseconds, for all that it has to say: until it has proved who it is, say, so that
   * one octet now and then does not hold the connection for ever. Undefined takes the bound away.
   */
  limitTo(time: number | undefined): void {
    this.#deadline = time === undefined ? Number.POSITIVE_INFINITY : performance.now() + time
  }

  /** Octets that have arrived and were not read yet. */
  get buffered(): number {
    return this.#buffer.length
  }

  /** Whether nothing more will arrive; what is {@link buffered} can still be read, and answered. */
  get ended(): boolean {
    return this.#ended
  }

  /**
   * Reads one line, without its CRLF (a bare LF ends a line too; where that matters, in DATA, lines are not read so).
   * Who sends commands and does not read the answers is read no further: the answers would be gathered in memory.
   *
   * @param limit longest line in octets, its end included
   * @param timeout longest silence in milliseconds
   * @returns undefined when the peer closed; an unfinished last line is dropped
   * @throws LineTooLong after the rest of the line is consumed, so the session may go on
   * @throws PeerTimeout
   */
  async readLine(limit: number, timeout: number): Promise<Buffer | undefined> {
    if (this.#socket.writableLength > highWater) await this.#untilSent(timeout)
    for (let tooLong = false; ; ) {
      const end = this.#buffer.indexOf(LF, this.#scanned)
      if (end >= 0) {
        const line = this.#take(end + 1)
        if (tooLong || line.length > limit) throw new LineTooLong(`line of more than ${limit} octets`)
        return line.subarray(0, line.length > 1 && line[line.length - 2] === CR ? -2 : -1)
      }
      this.#scanned = this.#buffer.length
      if (this.#buffer.length > limit) {
        tooLong = true
        this.#take(this.#buffer.length)
      }
      if (!(await this.#more(timeout))) return undefined
    }
  }

  /**
   * Reads what is there, at least one octet and at most `max`: a literal, a BDAT chunk, message data.
   *
   * @returns undefined when the peer closed
   * @throws PeerTimeout
   */
  async readSome(max: number, timeout: number): Promise<Buffer | undefined> {
    while (this.#buffer.length === 0) if (!(await this.#more(timeout))) return undefined
    return this.#take(Math.min(max, this.#buffer.length))
  }

  /** Gives octets back that were read too far; they are read next. */
  unread(octets: Buffer): void {
    if (octets.length === 0) return
    this.#buffer = this.#buffer.length === 0 ? octets : Buffer.concat([octets, this.#buffer])
    this.#scanned = 0
  }

  /**
   * Reads exactly `count` octets.
   *
   * @throws PeerGone when the peer closed before that many came
   * @throws PeerTimeout
   */
  async readExactly(count: number, timeout: number): Promise<Buffer> {
    const whole = Buffer.allocUnsafe(count)
    for (let filled = 0; filled < count; ) {
      const some = await this.readSome(count - filled, timeout)
      if (!some) throw new PeerGone('the connection closed in the middle of a literal')
      some.copy(whole, filled)
      filled += some.length
    }
    return whole
  }

  /** Keeps octets for the peer; they go out when the session waits next, or when there are many of them. */
  write(data: string | Uint8Array): void {
    if (this.#closed || data.length === 0) return
    this.#output.push(data)
    this.#outputSize += data.length
    if (this.#outputSize > highWater) this.flush()
  }

  /**
   * Writes octets out of memory that the caller wants to use again: they are not copied on their way.
   *
   * @param back called once when they are sent, or never will be; until then they must stay as they are
   */
  lend(octets: Uint8Array, back: () => void): void {
    if (this.#closed) return back()
    this.#lent.push(back)
    this.write(octets)
  }

  /** Sends what was written. */
  flush(): void {
    if (this.#output.length === 0) return
    const output = this.#output
    const lent = this.#lent
    this.#output = []
    this.#outputSize = 0
    if (lent.length > 0) this.#lent = []
    if (this.#closed || this.#socket.destroyed) for (const back of lent) back()
    else if (lent.length > 0) this.#sendApart(output, lent)
    else if (output.every(piece => typeof piece === 'string')) this.#socket.write(output.join(''))
    else
      this.#socket.write(
        Buffer.concat(output.map(piece => (typeof piece === 'string' ? Buffer.from(piece) : piece))),
      )
  }

  /** One system call for pieces that stand where they are; lent memory mostly goes back before this returns. */
  #sendApart(output: readonly (string | Uint8Array)[], lent: readonly (() => void)[]): void {
    const socket = this.#socket
    const giveBack = () => {
      for (const back of lent) back()
    }
    socket.cork()
    const last = output.length - 1
    let isBack = false
    for (const [i, piece] of output.entries())
      if (i < last) socket.write(piece)
      else socket.write(piece, () => isBack || giveBack())
    socket.uncork()
    if (socket.writableLength > 0) return
    isBack = true
    giveBack()
  }

  /**
   * Waits while the peer reads more slowly than the session writes: between two messages of a long answer, so that
   * a slow reader does not fill this machine's memory.
   *
   * @throws PeerTimeout @throws PeerGone when there is nobody left to write to
   */
  async drain(timeout: number): Promise<void> {
    if (this.#outputSize >= highWater) this.flush()
    await this.#untilSent(timeout)
    if (this.#closed && this.#socket.destroyed)
      throw new PeerGone('the connection closed in the middle of an answer')
  }

  async #untilSent(timeout: number): Promise<void> {
    while (this.#socket.writableLength > highWater && !this.#closed) {
      const left = Math.max(0, this.#deadline - performance.now())
      const timedOut = await this.#wait(Math.min(timeout, left), 'drain')
      if (timedOut) throw new PeerTimeout('the peer does not read')
    }
  }

  /** Sends what was written and closes; the peer gets all of it unless it has stopped reading. */
  close(): void {
    this.flush()
    this.#ended = true
    this.#closed = true
    this.#buffer = empty
    this.#socket.end()
    const socket = this.#socket
    setTimeout(() => socket.destroy(), 2_000).unref()
    this.#wakeBoth()
  }

  /** Closes without another octet. */
  destroy(): void {
    this.#ended = true
    this.#closed = true
    this.#buffer = empty
    this.#socket.destroy()
    this.#wakeBoth()
  }

  /**
   * Goes on over another socket laid around the first, as TLS is. What the peer sent ahead in the clear is dropped,
   * so that nobody on the way can slip commands into the protected session (RFC 3207 §4.2); where TLS was to begin
   * at once, after a PROXY header, it is the beginning of the handshake and is kept.
   */
  replaceSocket(wrap: (socket: Socket) => Socket, ahead: 'drop' | 'keep' = 'drop'): Socket {
    this.flush()
    for (const [event, handler] of Object.entries(this.#handlers)) this.#socket.off(event, handler)
    if (ahead === 'keep' && this.#buffer.length > 0) {
      this.#socket.pause()
      this.#socket.unshift(this.#buffer)
    }
    this.#buffer = empty
    this.#scanned = 0
    this.#socket = wrap(this.#socket)
    this.#attach()
    return this.#socket
  }

  /** Resolves when the socket is gone. */
  get closed(): Promise<void> {
    return this.#socket.destroyed
      ? Promise.resolve()
      : new Promise(resolve => this.#socket.once('close', () => resolve()))
  }

  #attach(): void {
    this.#socket.setNoDelay(true)
    for (const [event, handler] of Object.entries(this.#handlers)) this.#socket.on(event, handler)
    // A broken connection is an ended one: who waits is told by `close`, which follows.
    this.#socket.on('error', () => {})
  }

  #received(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    if (!this.#wakeReader && this.#buffer.length > highWater) {
      this.#paused = true
      this.#socket.pause()
    }
    this.#wakeReader?.()
  }

  #gone(): void {
    clearTimeout(this.#clock)
    this.#clock = undefined
    this.#closed = true
    this.#over()
  }

  #over(): void {
    this.#ended = true
    this.#wakeBoth()
  }

  #wakeBoth(): void {
    this.#wakeReader?.()
    this.#wakeAllWriters()
  }

  #wakeAllWriters(): void {
    for (const wake of this.#wakeWriters) wake()
  }

  #take(count: number): Buffer {
    const taken = this.#buffer.subarray(0, count)
    this.#buffer = count === this.#buffer.length ? empty : this.#buffer.subarray(count)
    this.#scanned = 0
    return taken
  }

  /** Waits for octets to arrive. @returns false when none will */
  async #more(timeout: number): Promise<boolean> {
    this.flush()
    const had = this.#buffer.length
    while (this.#buffer.length === had) {
      if (this.#ended) return false
      const left = Math.max(0, this.#deadline - performance.now())
      if (left === 0) throw new PeerTimeout('the peer took too long')
      if ((await this.#wait(Math.min(timeout, left))) && timeout <= left)
        throw new PeerTimeout('the peer was silent for too long')
    }
    return true
  }

  /** Sleeps until something happens on the socket. @returns whether it was the clock that woke us */
  #wait(timeout: number, forDrain?: 'drain'): Promise<boolean> {
    if (this.#paused && !forDrain) {
      this.#paused = false
      this.#socket.resume()
    }
    return new Promise(resolve => {
      if (forDrain) {
        const wake = (byClock: boolean) => {
          clearTimeout(timer)
          this.#wakeWriters.delete(sent)
          resolve(byClock)
        }
        const sent = () => wake(false)
        const timer = setTimeout(wake, timeout, true)
        this.#wakeWriters.add(sent)
      } else {
        this.#wakeReader = (byClock = false) => {
          this.#wakeReader = undefined
          resolve(byClock)
        }
        this.#wakeAt(performance.now() + timeout)
      }
    })
  }

  /**
   * Wakes the reader at that time, unless octets do. The clock goes on from one wait to the next, and is only made
   * anew to ring earlier: a wait for each line of a session would set and stop it each time.
   */
  #wakeAt(time: number): void {
    this.#silentAt = time
    if (this.#clock && this.#ringsAt <= time) return
    clearTimeout(this.#clock)
    this.#ringsAt = time
    this.#clock = setTimeout(() => this.#ring(), time - performance.now()).unref()
  }

  #ring(): void {
    this.#clock = undefined
    if (!this.#wakeReader) return
    if (performance.now() < this.#silentAt) this.#wakeAt(this.#silentAt)
    else this.#wakeReader(true)
  }
}
