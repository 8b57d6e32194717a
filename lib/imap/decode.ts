/**
 * The grammar of what clients send (RFC 3501 §9, RFC 9051 §9), over a command that was gathered with its literals.
 *
 * `try…` asks and leaves everything as it was when the answer is no; the rest demands, and throws BAD. Octets stay
 * octets until somebody knows what they are: a mailbox name, UTF-8 text, a password.
 */
import { decodeMutf7 } from '../message/mutf7.js'
import { astringChar, atomChar, flagChar, isOf, keywordChar, listChar, tagChar } from './chars.js'
import { mailboxName, textOf } from './name.js'
import { bad } from './reply.js'
import { largest, parseSet, type SequenceSet } from './set.js'

/** A stretch of a command: text up to the end of a line, or up to a literal's announcement and then the literal. */
export interface Piece {
  readonly text: Buffer
  readonly literal: Buffer | undefined
}

export class Decoder {
  readonly #pieces: Piece[]
  #piece: Piece
  #index = 0
  /** Mailbox names are UTF-8 as they stand, not modified UTF-7 (RFC 6855 §3). */
  utf8 = false
  #at = 0

  constructor(pieces: readonly [Piece, ...Piece[]]) {
    this.#pieces = [...pieces]
    this.#piece = pieces[0]
  }

  /** Adds what was read later: the literals of a command, and what follows them. */
  add(...pieces: readonly Piece[]): void {
    this.#pieces.push(...pieces)
  }

  /** Puts a literal at the end of the last piece, which had announced it. */
  addLiteral(literal: Buffer): void {
    const last = this.#pieces.length - 1
    const filled = { text: (this.#pieces[last] as Piece).text, literal }
    this.#pieces[last] = filled
    if (last === this.#index) this.#piece = filled
  }

  /** Whether text and literals are used up. */
  get atEnd(): boolean {
    return this.#at >= this.#piece.text.length && this.#piece.literal === undefined
  }

  /** Nothing but blanks may be left. */
  end(): void {
    while (this.tryChar(' '));
    if (!this.atEnd) throw bad('There is more than this command takes.')
  }

  /** The next octet, -1 at the end of a stretch of text. */
  get #next(): number {
    return this.#piece.text[this.#at] ?? -1
  }

  /** Looks at the next character without taking it; '' at the end and before a literal. */
  get peek(): string {
    return this.#next < 0 ? '' : String.fromCharCode(this.#next)
  }

  /** What is left of this stretch of text, to look ahead. */
  get rest(): string {
    return this.#piece.text.toString('latin1', this.#at)
  }

  tryChar(char: string): boolean {
    if (this.#next !== char.charCodeAt(0)) return false
    this.#at++
    return true
  }

  /** Takes exactly these characters, whatever their case. */
  tryText(text: string): boolean {
    const end = this.#at + text.length
    if (this.#piece.text.toString('latin1', this.#at, end).toUpperCase() !== text) return false
    this.#at = end
    return true
  }

  char(char: string): void {
    if (!this.tryChar(char)) throw bad(`"${char}" is missing ${this.#where()}.`)
  }

  space(): void {
    if (!this.tryChar(' '))
      throw bad(this.atEnd ? 'An argument is missing.' : `A blank is missing ${this.#where()}.`)
  }

  /** Takes a blank, unless the command is over. */
  trySpace(): boolean {
    return this.tryChar(' ')
  }

  #where(): string {
    return this.atEnd ? 'at the end' : `at octet ${this.#at + 1}`
  }

  /** One or more characters of a class; undefined when there is none. */
  #tryRun(mask: number): string | undefined {
    const { text } = this.#piece
    let end = this.#at
    while (end < text.length && isOf(text[end] as number, mask)) end++
    if (end === this.#at) return undefined
    const run = text.toString('latin1', this.#at, end)
    this.#at = end
    return run
  }

  tryTag(): string | undefined {
    return this.#tryRun(tagChar)
  }

  tryAtom(): string | undefined {
    return this.#tryRun(atomChar)
  }

  /** @param what the argument's name, for the client's author */
  atom(what: string): string {
    const atom = this.#tryRun(atomChar)
    if (atom === undefined) throw bad(`${what} is missing ${this.#where()}.`)
    return atom
  }

  /** An atom in upper case: a keyword of the grammar. */
  word(what: string): string {
    return this.atom(what).toUpperCase()
  }

  /** Letters, digits, dots and dashes, in upper case; what follows may be a bracket. */
  keyword(what: string): string {
    const run = this.#tryRun(keywordChar)
    if (run === undefined) throw bad(`${what} is missing ${this.#where()}.`)
    return run.toUpperCase()
  }

  /** Takes this word, whatever its case, and only if it ends here. */
  tryWord(word: string): boolean {
    const start = this.#at
    if (this.#tryRun(atomChar)?.toUpperCase() === word) return true
    this.#at = start
    return false
  }

  /** A quoted string or a literal. */
  tryString(): Buffer | undefined {
    if (this.#next === 0x22) return this.#quoted()
    if (this.#next >= 0 || this.#piece.literal === undefined) return undefined
    const { literal } = this.#piece
    this.#index++
    this.#piece = this.#pieces[this.#index] ?? { text: Buffer.alloc(0), literal: undefined }
    this.#at = 0
    return literal
  }

  #quoted(): Buffer {
    const { text } = this.#piece
    const start = this.#at + 1
    for (let at = start, escapes = 0; at < text.length; at++) {
      const octet = text[at]
      if (octet === 0x22) {
        this.#at = at + 1
        const inside = text.subarray(start, at)
        return escapes === 0 ? inside : withoutEscapes(inside, escapes)
      }
      if (octet !== 0x5c) continue
      escapes++
      at++
    }
    throw bad('A quoted string does not end.')
  }

  string(what: string): Buffer {
    const string = this.tryString()
    if (string === undefined) throw bad(`${what} must be a string ${this.#where()}.`)
    return string
  }

  /** NIL here is nothing. */
  nstring(what: string): Buffer | undefined {
    return this.tryWord('NIL') ? undefined : this.string(what)
  }

  /** NIL here is a word of three letters. */
  astring(what: string): Buffer {
    const string = this.tryString()
    if (string) return string
    const run = this.#tryRun(astringChar)
    if (run === undefined) throw bad(`${what} is missing ${this.#where()}.`)
    return Buffer.from(run, 'latin1')
  }

  /** An astring as UTF-8 text. */
  text(what: string): string {
    return textOf(this.astring(what), what)
  }

  number(what: string, max = largest): number {
    const digits = this.atom(what)
    const number = Number(digits)
    if (!/^\d{1,19}$/.test(digits) || number > max) throw bad(`${what} is no number.`)
    return number
  }

  nzNumber(what: string, max = largest): number {
    const number = this.number(what, max)
    if (number === 0) throw bad(`${what} may not be 0.`)
    return number
  }

  set(): SequenceSet {
    const text = this.#tryRun(listChar | astringChar)
    const set = text === undefined ? undefined : parseSet(text)
    if (!set) throw bad('That is no sequence set.')
    return set
  }

  /** A mailbox name as people read it; INBOX in upper case whatever the client wrote (RFC 3501 §5.1). */
  mailbox(): string {
    return mailboxName(this.astring('The mailbox name'), this.utf8)
  }

  /** A pattern of LIST, in which `%` and `*` need no quotes. */
  pattern(): string {
    const octets = this.tryString() ?? Buffer.from(this.#tryRun(listChar | astringChar) ?? '', 'latin1')
    const raw = octets.toString()
    return this.utf8 ? raw : (decodeMutf7(raw) ?? raw)
  }

  /** `(a b c)`, each item by `item`. */
  list<T>(item: () => T): T[] {
    const items: T[] = []
    this.char('(')
    if (this.tryChar(')')) return items
    do items.push(item())
    while (this.trySpace())
    this.char(')')
    return items
  }

  /** A flag or keyword, as written. */
  flag(): string {
    const slash = this.tryChar('\\') ? '\\' : ''
    const name = this.#tryRun(flagChar)
    if (name === undefined) throw bad(`A flag is missing ${this.#where()}.`)
    return slash + name
  }
}

function withoutEscapes(octets: Buffer, escapes: number): Buffer {
  const plain = Buffer.allocUnsafe(octets.length - escapes)
  let length = 0
  for (let at = 0; at < octets.length; at++) {
    if (octets[at] === 0x5c) at++
    plain[length++] = octets[at] as number
  }
  return plain
}
