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

/** In a string: what a plain copy of it would get wrong. */
const special = /[\\\n\0]/
const newline = 10
const space = 32
const quote = 34
const hash = 35
const slash = 47
const colon = 58

/** Patterns would be shorter; a program that reads one script and ends has no time to compile them. */
function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

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
    const code = text.charCodeAt(this.#index)
    if (code === quote) return this.#quoted(at)
    const isTag = code === colon
    if (isTag || isLetter(code)) {
      const word = this.#word(isTag ? this.#index + 1 : this.#index)
      if (word !== '') {
        if (isTag) return { kind: 'tag', text: word, at }
        if (word === 'text' && text.charCodeAt(this.#index) === colon) return this.#multiline(at)
        return { kind: 'identifier', text: word, at }
      }
    }
    if (isDigit(code)) return this.#number(at)
    const mark = text.charAt(this.#index)
    if (!marks.includes(mark)) return this.#garbage(at)
    this.#index++
    return { kind: mark as Mark, at }
  }

  /** Takes the word that begins there, in lower case; empty where none does. */
  #word(start: number): string {
    const text = this.#text
    if (!isLetter(text.charCodeAt(start))) return ''
    let end = start + 1
    for (let code = text.charCodeAt(end); isLetter(code) || isDigit(code); code = text.charCodeAt(end)) end++
    this.#index = end
    return text.slice(start, end).toLowerCase()
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
    const text = this.#text
    for (;;) {
      const code = text.charCodeAt(this.#index)
      if (code === space || code === 9 || code === 13) this.#index++
      else if (code === newline) {
        this.#line++
        this.#lineStart = ++this.#index
      } else if (code === hash) {
        const end = text.indexOf('\n', this.#index)
        this.#index = end < 0 ? text.length : end
      } else if (code === slash && text.startsWith('/*', this.#index)) this.#skipComment()
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
    const close = text.indexOf('"', this.#index + 1)
    const plain = close < 0 ? '' : text.slice(this.#index + 1, close)
    if (close >= 0 && !special.test(plain)) {
      this.#index = close + 1
      return { kind: 'string', value: plain, multiline: false, at }
    }
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
