/**
 * The gate in front of a provider's POP3 server. What passes are the commands of {@link harmless}; DELE, and all that
 * is not known to change nothing, is refused, and with it the whole connection. QUIT removes only what DELE marked
 * (RFC 1939 §6), and nothing ever was.
 *
 * What a provider itself does with a message that was read over POP3 (Gmail can be told to archive it) is not in a
 * client's hands.
 */
import { GateError } from './gate.js'

/** Commands that change nothing (RFC 1939, 2449, 2595, 5034). */
const harmless = new Set('CAPA STLS USER PASS AUTH STAT LIST UIDL RETR TOP NOOP QUIT'.split(' '))
/** Longest command of ours, in octets: an access token may be long. */
const longest = 16 * 1024
const base64 = /^[A-Za-z0-9+/]*={0,2}$/

/** Judges a command. @returns its verb in upper case @throws GateError */
export function judgePop(line: string): string {
  const verb = (/^[a-z]+(?= |$)/i.exec(line)?.[0] ?? '').toUpperCase()
  if (harmless.has(verb)) return verb
  throw new GateError(verb || 'something unreadable')
}

/** Whether an answer to this command has a text behind its first line, when that says +OK. */
function hasText(line: string): boolean {
  return /^(?:CAPA|LIST|UIDL) *$/i.test(line) || /^(?:RETR|TOP)\b/i.test(line)
}

/** One connection's gate. */
export class PopGate {
  /** Commands that were sent and not answered yet; the greeting is an answer to none. */
  readonly #asked: string[] = ['']
  #pending = Buffer.alloc(0)
  /** Whether a login by AUTH is under way, and whether the server waits for its next line. */
  #sasl = false
  #challenged = false
  #closed = false

  /** Takes octets that a client wants to send. @returns those that may be @throws GateError, and then always */
  push(chunk: Uint8Array): Buffer {
    if (this.#closed) throw new GateError('anything more')
    try {
      return this.#read(chunk)
    } catch (error) {
      this.#closed = true
      throw error
    }
  }

  #read(chunk: Uint8Array): Buffer {
    this.#pending = Buffer.concat([this.#pending, chunk])
    let end = 0
    for (let lf = this.#pending.indexOf(10); lf >= 0; lf = this.#pending.indexOf(10, end)) {
      if (this.#pending[lf - 1] !== 13) throw new GateError('a line that ends in a bare LF')
      this.#line(this.#pending.toString('latin1', end, lf - 1))
      end = lf + 1
    }
    const out = this.#pending.subarray(0, end)
    this.#pending = this.#pending.subarray(end)
    if (this.#pending.length > longest) throw new GateError('a line without an end')
    return out
  }

  #line(text: string): void {
    if (/[\0\r\n]/.test(text)) throw new GateError('a line with NUL or CR in it')
    if (this.#sasl) {
      // Ahead of the server's question it could be taken for a command.
      if (!this.#challenged || (text !== '*' && !base64.test(text)))
        throw new GateError('something else in the middle of a login')
      this.#challenged = false
      return
    }
    this.#sasl = judgePop(text) === 'AUTH'
    this.#asked.push(text)
  }

  /** Tells the gate the first line of an answer. @returns nothing: what may go out goes out at once */
  answered(line: string): Buffer {
    this.#challenged = this.#sasl && line.startsWith('+') && !/^\+OK/i.test(line)
    if (this.#challenged) return Buffer.alloc(0)
    const asked = this.#asked.shift() ?? ''
    if (/^AUTH\b/i.test(asked)) this.#sasl = false
    this.#text = /^\+OK/i.test(line) && hasText(asked)
    return Buffer.alloc(0)
  }

  #text = false

  /** Whether what comes next is the text of an answer. */
  get expectsText(): boolean {
    return this.#text
  }

  /** The text has come. */
  endText(): void {
    this.#text = false
  }
}

const endOfText = '\r\n.\r\n'

/** Finds the first lines of answers in what a server sends; texts are passed over unread. */
export class PopLines {
  readonly #gate: PopGate
  readonly #take: (line: string) => void
  /** The line so far; or the last octets of a text. */
  #part = ''

  constructor(gate: PopGate, take: (line: string) => void) {
    this.#gate = gate
    this.#take = take
  }

  /** Takes the next octets. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; )
      at = this.#gate.expectsText ? this.#text(chunk, at) : this.#line(chunk, at)
  }

  #line(chunk: Buffer, at: number): number {
    const lf = chunk.indexOf(10, at)
    const end = lf < 0 ? chunk.length : lf
    this.#part = (this.#part + chunk.toString('latin1', at, end)).slice(0, 1024)
    if (lf < 0) return end
    const line = this.#part.replace(/\r$/, '')
    this.#take(line)
    // An empty text is a dot behind the line's own end.
    this.#part = this.#gate.expectsText ? '\r\n' : ''
    return lf + 1
  }

  #text(chunk: Buffer, at: number): number {
    const before = this.#part.length
    const seam = this.#part + chunk.toString('latin1', at, at + endOfText.length - 1)
    const near = seam.indexOf(endOfText)
    const far = near < 0 ? chunk.indexOf(endOfText, at, 'latin1') : -1
    if (near < 0 && far < 0) {
      this.#part = (this.#part + chunk.toString('latin1', Math.max(at, chunk.length - 4))).slice(-4)
      return chunk.length
    }
    this.#gate.endText()
    this.#part = ''
    return near < 0 ? far + endOfText.length : at + near + endOfText.length - before
  }
}
