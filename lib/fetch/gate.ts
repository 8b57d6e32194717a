/**
 * The gate in front of a provider's IMAP server: octets go through it only when they are commands that cannot change
 * anything there. It reads what is about to be sent as the server will read it and knows nothing of who made it, so
 * that the promise holds whatever a library, or a mistake of ours, tries to say.
 *
 * What passes: the commands of {@link harmless}, `UID SEARCH`, and FETCH of items that do not set \Seen (RFC 3501
 * §6.4.5: BODY.PEEK and not BODY). Commands that select a mailbox for writing, and all that store, append, copy,
 * move, expunge, create, rename, delete or subscribe, are refused, and with them the whole connection.
 *
 * Gate and server must never disagree about what is a command and what is a literal's octets: a literal is held back
 * until the server has asked for it, and one that does not wait (LITERAL+) is refused. COMPRESS is refused too: a
 * gate that cannot read what goes out proves nothing.
 */
import { exits, MailError } from '../sys/error.js'

const empty = Buffer.alloc(0)
/** Longest line, and longest literal, of a command of ours, in octets: far more than any of them needs. */
const longest = 64 * 1024

/** Commands that change nothing at the server, whatever their arguments (RFC 3501, 2971, 5161, 5465, 3691). */
const harmless = new Set(
  'CAPABILITY NOOP LOGOUT STARTTLS LOGIN AUTHENTICATE ID ENABLE NAMESPACE LIST LSUB STATUS EXAMINE IDLE NOTIFY UNSELECT'.split(
    ' ',
  ),
)

/** A section of BODY.PEEK[…]: nothing in it can end it but the bracket. */
const section = '\\[[0-9A-Z. ()"_-]*\\](?:<\\d+\\.\\d+>)?'
const item = `(?:UID|FLAGS|INTERNALDATE|RFC822\\.SIZE|ENVELOPE|BODYSTRUCTURE|BODY|MODSEQ|EMAILID|THREADID|SAVEDATE|X-GM-MSGID|X-GM-THRID|X-GM-LABELS|PREVIEW|(?:BODY|BINARY)\\.PEEK${section}|BINARY\\.SIZE\\[[0-9.]*\\])`
const set = '[0-9:*,$]+'
const modifiers = '(?: \\((?:CHANGEDSINCE \\d+(?: VANISHED)?|PARTIAL -?\\d+:-?\\d+| )+\\))?'
/** FETCH as a whole line; a literal in it is refused, since its octets would come after the verdict. */
const fetch = new RegExp(
  `^(?:UID )?FETCH ${set} (?:${item}|\\(${item}(?: ${item})*\\)|ALL|FAST|FULL)${modifiers}$`,
  'i',
)
const search = /^UID SEARCH /i
const base64 = /^[A-Za-z0-9+/]*={0,2}$/
const commandLine = /^([!-'),-z|}~]{1,64}) (.+)$/s
const literalAtEnd = /\{(\d{1,9})(\+?)\}$/

/** Something was about to be sent that could change the provider's mailbox. Nothing of it was. */
export class GateError extends MailError {
  override readonly name = 'GateError'

  constructor(what: string) {
    super(`refused to send ${what} to the provider: it is no command that only reads`, {
      exit: exits.software,
    })
  }
}

/** What the next octets are: a command, an answer in a login, the end of IDLE, a literal not yet asked for, or one that was. */
type Expecting = 'command' | 'sasl' | 'done' | 'asking' | 'literal'

/** One connection's gate. */
export class Gate {
  #expecting: Expecting = 'command'
  /** Whether the line is the rest of a command that began before a literal. */
  #begun = false
  /** Octets of a literal that are still to come. */
  #literal = 0
  #pending = Buffer.alloc(0)
  /** The tag of the command whose answer is waited for. */
  #tag = ''
  #closed = false

  /**
   * Takes octets that a client wants to send.
   *
   * @returns those that may be sent now: whole lines and pieces of literals; what is no whole line yet is kept back
   * @throws GateError and lets nothing through ever after
   */
  push(chunk: Uint8Array): Buffer {
    if (this.#closed) throw new GateError('anything more')
    try {
      return this.#read(chunk)
    } catch (error) {
      this.#closed = true
      throw error
    }
  }

  /**
   * Tells the gate a line that the server sent, without its CRLF.
   *
   * @returns octets that may be sent now that were held back: a literal that the server asks for
   * @throws GateError as push() does
   */
  answered(line: string): Buffer {
    const ends = line.startsWith(`${this.#tag} `)
    if (this.#expecting === 'sasl' && ends) this.#expecting = 'command'
    if (this.#expecting === 'asking' && line.startsWith('+')) this.#expecting = 'literal'
    if (this.#expecting === 'asking' && ends) {
      this.#expecting = 'command'
      this.#begun = false
    }
    return this.push(empty)
  }

  #read(chunk: Uint8Array): Buffer {
    this.#pending = Buffer.concat([this.#pending, chunk])
    let end = 0
    while (this.#expecting !== 'asking') {
      if (this.#expecting === 'literal') {
        const part = Math.min(this.#literal, this.#pending.length - end)
        this.#literal -= part
        end += part
        if (this.#literal > 0) break
        this.#expecting = 'command'
      }
      const lf = this.#pending.indexOf(10, end)
      if (lf < 0) break
      if (this.#pending[lf - 1] !== 13) throw new GateError('a line that ends in a bare LF')
      this.#line(this.#pending.toString('latin1', end, lf - 1))
      end = lf + 1
    }
    const out = this.#pending.subarray(0, end)
    this.#pending = this.#pending.subarray(end)
    if (this.#pending.length > 2 * longest) throw new GateError('a line without an end')
    return out
  }

  #line(text: string): void {
    if (/[\0\r]/.test(text)) throw new GateError('a line with NUL or CR in it')
    if (this.#expecting === 'sasl') {
      if (text !== '*' && !base64.test(text)) throw new GateError('something else in the middle of a login')
    } else if (this.#expecting === 'done') {
      if (!/^DONE$/i.test(text)) throw new GateError('something else than DONE')
      this.#expecting = 'command'
    } else this.#command(text)
  }

  #command(text: string): void {
    const verb = this.#begun ? '' : judge(text)
    if (!this.#begun) this.#tag = text.slice(0, text.indexOf(' '))
    const [literal, size, plus] = literalAtEnd.exec(text) ?? []
    this.#begun = literal !== undefined
    if (literal !== undefined) {
      if (verb === 'FETCH') throw new GateError('a FETCH with a literal')
      if (plus === '+') throw new GateError('a literal that nobody asked for')
      this.#literal = Number(size)
      if (this.#literal > longest) throw new GateError('a literal that long')
      this.#expecting = 'asking'
    } else if (verb === 'IDLE') this.#expecting = 'done'
    else if (verb === 'AUTHENTICATE') this.#expecting = 'sasl'
  }
}

/** Judges a command by its first line. @returns its verb in upper case @throws GateError */
export function judge(line: string): string {
  const [, , command = ''] = commandLine.exec(line) ?? []
  const verb = (/^[A-Z0-9]+/i.exec(command)?.[0] ?? '').toUpperCase()
  const rest = command.slice(verb.length)
  if (harmless.has(verb) && (rest === '' || rest.startsWith(' '))) return verb
  if (search.test(command)) return 'UID SEARCH'
  if (fetch.test(command)) return 'FETCH'
  throw new GateError(
    verb === 'UID' || verb === 'FETCH' ? `"${command.slice(0, 60)}"` : verb || 'something unreadable',
  )
}
