/**
 * The Content-* fields of a message or MIME part (RFC 2045 §5, RFC 2183), read from what the world sends: missing
 * semicolons and quotes, names with spaces, comments, fields that make no sense.
 *
 * All strings hold one character an octet, as {@link HeaderBlock.binary} gives them. Types, the encoding and
 * the disposition are in lower case; parameters are as written, each segment of RFC 2231 one of its own:
 * `parameterText()` of words.ts puts them together.
 */
import { type HeaderBlock, unfold } from './header.js'

export interface Parameter {
  readonly name: string
  readonly value: string
}

export interface Parameterised {
  readonly value: string
  readonly parameters: readonly Parameter[]
}

export interface Content {
  readonly type: string
  readonly subtype: string
  readonly parameters: readonly Parameter[]
  /** Content-Transfer-Encoding; `7bit` when there is none. */
  readonly encoding: string
  readonly id: string | undefined
  readonly description: string | undefined
  readonly md5: string | undefined
  readonly disposition: Parameterised | undefined
  readonly languages: readonly string[]
  readonly location: string | undefined
}

/** More parameters than this are passed over. */
const maxParameters = 1000
/** What a field holds beyond this many octets is not looked at. */
const longestValue = 64 * 1024

/**
 * Reads the content fields of a header; of several with one name, the first.
 *
 * @param digest whether it is a part of a multipart/digest, which is a message unless it says otherwise
 */
export function readContent(header: HeaderBlock, digest = false): Content {
  const given: Record<string, string> = {}
  for (const field of header.fields)
    if (field.key.startsWith('content-')) given[field.key] ??= header.binary(field).slice(0, longestValue)
  const disposition = parseParameterised(given['content-disposition'] ?? '')
  return {
    ...parseContentType(given['content-type'], digest),
    encoding: parseParameterised(given['content-transfer-encoding'] ?? '').value || '7bit',
    id: given['content-id'],
    description: given['content-description'],
    md5: given['content-md5'],
    disposition: disposition.value === '' ? undefined : disposition,
    languages: readLanguages(given['content-language'] ?? ''),
    location: given['content-location']?.replace(/\s+/g, ''),
  }
}

/**
 * Reads a Content-Type. What is missing or makes no sense is text/plain in US-ASCII (RFC 2045 §5.2), or
 * message/rfc822 in a digest (RFC 2046 §5.1.5).
 */
export function parseContentType(
  text: string | undefined,
  digest = false,
): Pick<Content, 'type' | 'subtype' | 'parameters'> {
  const { value, parameters } = parseParameterised(text ?? '')
  const [type = '', subtype = ''] = value.split('/')
  if (type !== '' && subtype !== '') return { type, subtype, parameters }
  if (type === 'multipart') return { type, subtype: 'mixed', parameters }
  if (type === 'text') return { type, subtype: 'plain', parameters }
  if (digest) return { type: 'message', subtype: 'rfc822', parameters: [] }
  return { type: 'text', subtype: 'plain', parameters: [{ name: 'charset', value: 'us-ascii' }] }
}

/**
 * A parameter's value by its name in lower case, the segments of RFC 2231 §3 joined but not decoded. Enough for
 * boundary, charset, format and the like, which are ASCII; file names need `parameterText()` of words.ts.
 */
export function joinedParameter(parameters: readonly Parameter[], name: string): string | undefined {
  const whole = parameters.find(parameter => parameter.name.toLowerCase() === name)
  if (whole) return whole.value
  const extended = parameters.find(parameter => parameter.name.toLowerCase() === `${name}*`)
  if (extended) return withoutCharset(extended.value)
  let joined: string | undefined
  const segments = new Map(
    parameters.map(({ name, value }) => [name.toLowerCase().replace(/\*$/, ''), value]),
  )
  for (let segment = 0; segments.has(`${name}*${segment}`); segment++)
    joined = (joined ?? '') + segments.get(`${name}*${segment}`)
  return joined
}

/** Takes charset and language from before an extended value: `us-ascii'en'value`. */
function withoutCharset(value: string): string {
  const [, , text] = /^([^']*)'[^']*'(.*)$/s.exec(value) ?? []
  return text ?? value
}

/** Reads `value; name=value; name="value"`, the value in lower case and without its comments. */
export function parseParameterised(text: string): Parameterised {
  const reader = new Reader(text)
  let value = ''
  for (;;) {
    reader.skipSpace()
    const piece = reader.take(/[^\s;(]+/y)
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

/** The languages of Content-Language (RFC 3282), as written. */
function readLanguages(text: string): string[] {
  return text
    .replace(/\([^()]*\)/g, '')
    .split(/[\s,;]+/)
    .filter(language => language !== '')
    .slice(0, maxParameters)
}

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
      this.take(/\s+/y)
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
      this.take(/[;,\s]+/y)
      this.skipSpace()
      const name = this.take(/[^\s;,=("]+/y)
      this.skipSpace()
      if (this.take(/=/y) === '') {
        // Not a parameter. Something is always taken, so that this ends.
        if (name === '') this.take(/[^;]/y)
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
    const value = this.take(/(?:[^"\\]|\\.)*/sy)
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
      this.take(/[^\s;]+/y)
      end = this.at
      this.take(/\s+/y)
      const next = this.#text[this.at]
      if (next === undefined || next === ';') break
      const word = this.at
      if (next === '(') {
        this.#skipComment()
        if (this.at >= this.#text.length || /[\s;]/.test(this.#text[this.at] ?? '')) break
      } else if (this.take(/[\w!#$%&'*+.^`{|}~-]+=/y) !== '') {
        this.at = word
        break
      }
    }
    return this.#text.slice(start, end)
  }
}
