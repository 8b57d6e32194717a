/** The words of a script: RFC 5228 §8.1. Errors are noted and reading goes on behind them. */
import type { Problems } from './problem.js'
import type { Position } from './syntax.js'

export type Token =
  | { readonly kind: 'identifier' | 'tag'; readonly text: string; readonly at: Position }
  | { readonly kind: 'number'; readonly value: number; readonly at: Position }
  | { readonly kind: 'string'; readonly value: string; readonly multiline: boolean; readonly at: Position }
  | { readonly kind: Mark | 'end' | 'garbage'; readonly at: Position }

export type Mark = ';' | '{' | '}' | '(' | ')' | '[' | ']' | ','

const marks = ';{}()[],'
/** RFC 5228 §2.4.1 wants 2^31-1 at least; this is as far as a JavaScript number counts every one. */
const largest = Number.MAX_SAFE_INTEGER
const quantifiers: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

export class Lexer {
  readonly #text: string
  readonly #problems: Problems
  #index = 0
  #line = 1
  #lineStart = 0

  constructor(text: string, problems: Problems) {
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text
    this.#problems = problems
  }

  /** The next token; after the last one, `end` again and again. */
  next(): Token {
    this.#skipSpace()
    const at = this.#here()
    const text = this.#text
    if (this.#index >= text.length) return { kind: 'end', at }
    const character = text[this.#index] as string
    if (marks.includes(character)) {
      this.#index++
      return { kind: character as Mark, at }
    }
    if (character === '"') return this.#quoted(at)
    if (/[0-9]/.test(character)) return this.#number(at)
    const word = this.#match(/:?[A-Za-z_][A-Za-z0-9_]*/y)
    if (word?.startsWith(':')) return { kind: 'tag', text: word.slice(1).toLowerCase(), at }
    if (word?.toLowerCase() === 'text' && text[this.#index] === ':') return this.#multiline(at)
    if (word) return { kind: 'identifier', text: word.toLowerCase(), at }
    return this.#garbage(at)
  }

  #here(): Position {
    return { line: this.#line, column: this.#index - this.#lineStart + 1 }
  }

  /** Takes what a sticky pattern matches here. */
  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#index
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#advance(found.length)
    return found
  }

  /** Goes on by so many characters, counting the lines in them. */
  #advance(count: number): void {
    const end = this.#index + count
    for (;;) {
      const newline = this.#text.indexOf('\n', this.#index)
      if (newline < 0 || newline >= end) break
      this.#index = newline + 1
      this.#line++
      this.#lineStart = this.#index
    }
    this.#index = end
  }

  #skipSpace(): void {
    for (;;) {
      this.#match(/[ \t\r\n]+/y)
      if (this.#text[this.#index] === '#') this.#match(/[^\n]*/y)
      else if (this.#text.startsWith('/*', this.#index)) this.#skipComment()
      else return
    }
  }

  #skipComment(): void {
    const at = this.#here()
    const end = this.#text.indexOf('*/', this.#index + 2)
    if (end < 0) this.#problems.error(at, 'this comment has no end; close it with */')
    this.#advance((end < 0 ? this.#text.length : end + 2) - this.#index)
  }

  #number(at: Position): Token {
    const digits = this.#match(/[0-9]+/y) ?? ''
    const quantifier = this.#match(/[KMGkmg](?![A-Za-z0-9_])/y)
    const stray = this.#match(/[A-Za-z0-9_]+/y)
    if (stray !== undefined)
      this.#problems.error(at, `${digits}${stray} is no number; a size may end in K, M or G`)
    let value = Number(digits) * (quantifier ? (quantifiers[quantifier.toUpperCase()] ?? 1) : 1)
    if (value > largest) {
      this.#problems.error(at, `the number ${digits}${quantifier ?? ''} is too large`)
      value = largest
    }
    return { kind: 'number', value, at }
  }

  #quoted(at: Position): Token {
    const text = this.#text
    let end = this.#index + 1
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
    if (end >= text.length) {
      this.#problems.error(at, 'this string has no end; close it with "')
      this.#advance(text.length - this.#index)
      return { kind: 'end', at }
    }
    const body = text.slice(this.#index + 1, end)
    this.#advance(end + 1 - this.#index)
    return this.#string(body.replace(/\\([\s\S])/g, '$1'), false, at)
  }

  #multiline(at: Position): Token {
    this.#advance(1)
    this.#match(/[ \t]*(?:#[^\n]*)?\r?/y)
    if (this.#match(/\n/y) === undefined) {
      this.#problems.error(at, 'text: must be followed by the end of the line')
      return { kind: 'garbage', at }
    }
    const lines: string[] = []
    for (;;) {
      const line = this.#match(/[^\n]*(?:\n|$)/y) ?? ''
      if (/^\.\r?\n?$/.test(line)) break
      if (!line.endsWith('\n')) {
        this.#problems.error(at, 'this text has no end; close it with a line that is only a dot')
        return { kind: 'end', at }
      }
      lines.push(line.startsWith('.') ? line.slice(1) : line)
    }
    return this.#string(lines.join(''), true, at)
  }

  /** Lines inside a string end in CRLF (RFC 5228 §8.1), whichever way the file was saved. */
  #string(raw: string, multiline: boolean, at: Position): Token {
    if (raw.includes('\0')) this.#problems.error(at, 'a string may not hold a NUL')
    return { kind: 'string', value: raw.replace(/\r?\n/g, '\r\n'), multiline, at }
  }

  #garbage(at: Position): Token {
    const found = this.#match(/[^\s;{}()[\],"#A-Za-z0-9_]+/y) ?? this.#match(/[\s\S]/y) ?? ''
    this.#problems.error(at, `${JSON.stringify(found.slice(0, 20))} has no meaning in Sieve`)
    return { kind: 'garbage', at }
  }
}
