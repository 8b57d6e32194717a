/**
 * A field's value with parameters, `value; name=value; name="value"` (RFC 2045 §5.1, RFC 2231), read from what the
 * world sends: missing semicolons and quotes, names with spaces, comments anywhere.
 *
 * Strings are passed through as given: one character an octet where they come from {@link HeaderBlock.binary}.
 */
import { unfold } from './header.js'

export interface Parameter {
  readonly name: string
  readonly value: string
}

export interface Parameterised {
  readonly value: string
  readonly parameters: readonly Parameter[]
}

/** More parameters than this are passed over. */
export const maxParameters = 100
/** What a field holds beyond this many octets is not looked at. */
export const longestValue = 64 * 1024

/** What short values that were read lately say: most are `text/plain; charset=utf-8`, `8bit` and the like. */
const recent = new Map<string, Parameterised>()
const mostRecent = 500
const longestRecent = 80

/** Reads `value; name=value; name="value"`, the value in lower case and without its comments. */
export function parseParameterised(text: string): Parameterised {
  // A boundary does not come twice.
  if (text.length > longestRecent || text.includes('oundary')) return parse(text)
  let known = recent.get(text)
  if (!known) {
    known = parse(text)
    if (recent.size >= mostRecent) recent.clear()
    recent.set(text, known)
  }
  return known
}

function parse(text: string): Parameterised {
  const reader = new Reader(text)
  let value = ''
  for (;;) {
    reader.skipSpace()
    const piece = reader.take(valuePiece)
    // `text/plain charset=x` has lost its semicolon, `text / plain` has not.
    const joined = value === '' || value.endsWith('/') || piece.startsWith('/')
    if (piece === '' || !joined) {
      reader.at -= piece.length
      break
    }
    value += piece
  }
  return { value: value.toLowerCase(), parameters: reader.parameters() }
}

/** A piece of a parameter's value (RFC 2231 §3): percent-encoded or as it is. */
export interface Segment {
  readonly value: string
  readonly isEncoded: boolean
}

/** The segments `name*`, or `name*0`, `name*1*` and so on as far as none is missing; `name` is in lower case. */
export function findSegments(parameters: readonly Parameter[], name: string): Segment[] {
  const single = findParameter(parameters, `${name}*`)
  if (single !== undefined) return [{ value: single, isEncoded: true }]
  const segments: Segment[] = []
  for (;;) {
    const key: string = `${name}*${segments.length}`
    const encoded = findParameter(parameters, `${key}*`)
    const value = encoded ?? findParameter(parameters, key)
    if (value === undefined) return segments
    segments.push({ value, isEncoded: encoded !== undefined })
  }
}

/** The value of the first parameter of that name in lower case, as it was written. */
export function findParameter(parameters: readonly Parameter[], name: string): string | undefined {
  return parameters.find(parameter => parameter.name.toLowerCase() === name)?.value
}

/**
 * A parameter's value by its name in lower case, its segments joined but not decoded. Enough for boundary, charset,
 * format and the like, which are ASCII; file names need `parameterText()` of words.ts.
 */
export function joinedParameter(parameters: readonly Parameter[], name: string): string | undefined {
  const [first, ...rest] = findSegments(parameters, name)
  if (!first) return findParameter(parameters, name)
  const start = first.isEncoded ? (/^[^']*'[^']*'(.*)$/s.exec(first.value)?.[1] ?? first.value) : first.value
  return start + rest.map(({ value }) => value).join('')
}

/**
 * The parameters with segments joined, for readers that know only `name` and `name*`, as the clients of
 * BODYSTRUCTURE are (Dovecot does so too): a value of which any segment is encoded is encoded as a whole.
 */
export function joinSegments(parameters: readonly Parameter[]): readonly Parameter[] {
  if (!parameters.some(({ name }) => name.includes('*'))) return parameters
  const joined = new Set<string>()
  return parameters.flatMap(parameter => {
    const base = /^([^*]+)\*\d+\*?$/.exec(parameter.name)?.[1]
    const segments = base ? findSegments(parameters, base.toLowerCase()) : []
    if (!base || segments.length === 0) return [parameter]
    if (joined.has(base.toLowerCase())) return []
    joined.add(base.toLowerCase())
    const isEncoded = segments.some(segment => segment.isEncoded)
    const value = segments.map(segment =>
      isEncoded && !segment.isEncoded ? percent(segment.value) : segment.value,
    )
    return [{ name: isEncoded ? `${base}*` : base, value: value.join('') }]
  })
}

function percent(binary: string): string {
  return binary.replace(
    /[^A-Za-z0-9!#$&+.^_`{|}~-]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

// Written out where they are used, each would be made anew each time.
const spaces = /\s+/y
const valuePiece = /[^\s;(]+/y
const separators = /[;,\s]+/y
const nameWord = /[^\s;,=("]+/y
const equals = /=/y
const anything = /[^;]/y
const quotedText = /(?:[^"\\]|\\.)*/sy
const unquotedWord = /[^\s;]+/y
const nextName = /[\w!#$%&'*+.^`{|}~-]+=/y

/** Goes through the text of a field; every octet is looked at a fixed number of times. */
class Reader {
  at = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = unfold(text.slice(0, longestValue))
  }

  /** Takes what a sticky expression matches here, possibly nothing. */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.#text)?.[0] ?? ''
    this.at += found.length
    return found
  }

  /** Skips white space and comments. */
  skipSpace(): void {
    for (;;) {
      this.take(spaces)
      if (this.#text[this.at] !== '(') return
      this.#skipComment()
    }
  }

  /** Skips a comment; comments nest, and one that does not end goes to the end. */
  #skipComment(): void {
    let depth = 0
    for (; this.at < this.#text.length; this.at++) {
      const char = this.#text[this.at]
      if (char === '\\') this.at++
      else if (char === '(') depth++
      else if (char === ')' && --depth === 0) {
        this.at++
        return
      }
    }
  }

  parameters(): Parameter[] {
    const parameters: Parameter[] = []
    while (this.at < this.#text.length && parameters.length < maxParameters) {
      this.take(separators)
      this.skipSpace()
      const name = this.take(nameWord)
      this.skipSpace()
      if (this.take(equals) === '') {
        // Not a parameter. Something is always taken, so that this ends.
        if (name === '') this.take(anything)
        continue
      }
      this.skipSpace()
      const value = this.#text[this.at] === '"' ? this.#quoted() : this.#unquoted()
      if (name !== '') parameters.push({ name, value })
    }
    return parameters
  }

  /** A quoted string; one that does not end goes to the end (of the text, so nothing follows it). */
  #quoted(): string {
    this.at++
    const value = this.take(quotedText)
    this.at++
    return value.includes('\\') ? value.replace(/\\(.)/gs, '$1') : value
  }

  /**
   * A value without quotes may hold spaces, and parentheses that are no comment (`name=photo (1).png`): it ends at
   * a semicolon, a comment or what looks like the next name.
   */
  #unquoted(): string {
    const start = this.at
    let end = start
    for (;;) {
      this.take(unquotedWord)
      end = this.at
      this.take(spaces)
      const next = this.#text[this.at]
      if (next === undefined || next === ';') break
      const word = this.at
      if (next === '(') {
        this.#skipComment()
        if (this.at >= this.#text.length || /[\s;]/.test(this.#text[this.at] ?? '')) break
      } else if (this.take(nextName) !== '') {
        this.at = word
        break
      }
    }
    return this.#text.slice(start, end)
  }
}
