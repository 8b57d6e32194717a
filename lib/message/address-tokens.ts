/** The tokens of an address list (RFC 5322 §3.2), found in time in proportion to the text, whatever it holds. */

export interface Token {
  readonly kind: 'word' | 'quoted' | '.' | '@' | ',' | ';' | ':' | '<' | '>'
  readonly text: string
  /** Whether white space or a comment came before it. */
  readonly space: boolean
}

/** Goes through the text of an address list. Comments count as white space; the first one is kept for the taker. */
export class Tokens {
  /** Where the next token is looked for. */
  at = 0
  readonly #text: string
  /** Openings that were found to have no end: from then on they are passed over, so that time stays linear. */
  readonly #endless = new Set<string>()
  #comment: string | undefined

  constructor(text: string) {
    this.#text = text
  }

  /** The first comment since this was last asked. */
  takeComment(): string | undefined {
    const comment = this.#comment
    this.#comment = undefined
    return comment
  }

  /** The next token; undefined at the end. */
  next(): Token | undefined {
    const text = this.#text
    let space = false
    while (this.at < text.length) {
      const kind = kinds[text.charCodeAt(this.at)] ?? WORD
      if (kind === SPACE) {
        space = true
        this.at++
      } else if (kind === SPECIAL) {
        const char = text[this.at++] as Token['kind']
        return { kind: char, text: char, space }
      } else if (kind === WORD) return { kind: 'word', text: this.#word(), space }
      else {
        const opened = this.#opened(space)
        if (opened) return opened
        space ||= kind === COMMENT
      }
    }
    return undefined
  }

  /** A run of word characters; an encoded word is one, even with a comma that RFC 2047 §5 does not allow in it. */
  #word(): string {
    const text = this.#text
    const start = this.at
    let at = start
    if (text.startsWith('=?', start)) {
      encodedWord.lastIndex = start
      at += encodedWord.exec(text)?.[0].length ?? 0
    }
    if (at === start) for (at++; at < text.length && (kinds[text.charCodeAt(at)] ?? WORD) === WORD; ) at++
    this.at = at
    return text.slice(start, at)
  }

  /** Reads a quoted string, a comment or an address literal. An opening without an end is passed over. */
  #opened(space: boolean): Token | undefined {
    const start = this.at
    const char = this.#text[start]
    if (char === '(' && this.#skipComment()) return undefined
    this.at++
    if (char === '"') {
      const end = this.#endOf('"', '"')
      if (end > 0) return { kind: 'quoted', text: unquote(this.#text.slice(start + 1, end)), space }
    } else if (char === '[') {
      const end = this.#endOf('[', ']')
      if (end > 0) return { kind: 'word', text: this.#text.slice(start, end + 1), space }
    }
    return undefined
  }

  /** Goes after the next closing character. @returns its offset, or 0 when there is none */
  #endOf(open: string, close: string): number {
    if (this.#endless.has(open)) return 0
    for (let at = this.at; at < this.#text.length; at++) {
      const char = this.#text[at]
      if (char === '\\') at++
      else if (char === close) {
        this.at = at + 1
        return at
      }
    }
    this.#endless.add(open)
    return 0
  }

  /** Goes after a comment and keeps its text. @returns whether there was one */
  #skipComment(): boolean {
    if (this.#endless.has('(')) return false
    let depth = 0
    for (let at = this.at; at < this.#text.length; at++) {
      const char = this.#text[at]
      if (char === '\\') at++
      else if (char === '(') depth++
      else if (char === ')' && --depth === 0) {
        this.#comment ??= unquote(this.#text.slice(this.at + 1, at)).trim() || undefined
        this.at = at + 1
        return true
      }
    }
    this.#endless.add('(')
    return false
  }
}

const encodedWord = /=\?[^?\s]+\?[bq]\?[^?\s]*\?=/iy

const WORD = 0
const SPACE = 1
const SPECIAL = 2
const OPENING = 3
const COMMENT = 4
/** What a character begins, by its code; beyond ASCII all are of words. */
const kinds = new Uint8Array(128)
for (const char of '\t\n\v\f\r ') kinds[char.charCodeAt(0)] = SPACE
for (const char of '.@,;:<>') kinds[char.charCodeAt(0)] = SPECIAL
for (const char of '"[\\') kinds[char.charCodeAt(0)] = OPENING
kinds['('.charCodeAt(0)] = COMMENT

function unquote(text: string): string {
  const line = text.replace(/\r?\n/g, '')
  return line.includes('\\') ? line.replace(/\\(.)/gs, '$1') : line
}
