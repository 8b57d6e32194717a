/** One answer to FETCH (RFC 3501 §7.4.2), read leniently: what is not understood is passed over. */
import { parseInternalDate } from '../message/date.js'
import { decodeMutf7 } from '../message/mutf7.js'

/** An answer as it came: text, then a literal, then text … */
export type Parts = readonly (string | Buffer)[]

/** What an answer tells of a message; what it does not tell is undefined. */
export interface Row {
  uid?: number
  size?: number
  flags?: readonly string[]
  /** INTERNALDATE in milliseconds since 1970; undefined too where it cannot be read. */
  date?: number
  /** BODY[], or a piece of it; empty for NIL. */
  octets?: Buffer
  /** Fields of its header. */
  head?: Buffer
  /** EMAILID (RFC 8474), or Gmail's X-GM-MSGID. */
  id?: string
  /** Gmail's labels, in Unicode. */
  labels?: readonly string[]
}

type Value = string | Buffer | null | readonly Value[]

const beginning = /^\* +\d+ +FETCH +\(/i
const nothing = Buffer.alloc(0)
/** A list in a list in a list …: none that is asked for has more. */
const deepest = 20

/** @returns undefined for what is no answer to FETCH, or none that can be read */
export function readRow(parts: Parts): Row | undefined {
  const [text] = parts
  const start = typeof text === 'string' ? beginning.exec(text) : null
  if (!start) return undefined
  const row: Row = {}
  const reader = new Reader(parts, start[0].length)
  for (let name = reader.name(); name !== undefined; name = reader.name()) {
    const value = reader.value()
    if (value === undefined) return undefined
    note(row, name.toUpperCase(), value)
  }
  return reader.isAtEnd ? row : undefined
}

function note(row: Row, name: string, value: Value): void {
  if (name === 'UID') row.uid = numberOf(value)
  else if (name === 'RFC822.SIZE') row.size = numberOf(value)
  else if (name === 'FLAGS') row.flags = textsOf(value)
  else if (name === 'INTERNALDATE') {
    const date = dateOf(textOf(value))
    if (date !== undefined) row.date = date
  } else if (name.startsWith('BODY[]')) row.octets = octetsOf(value)
  else if (name.startsWith('BODY[HEADER')) row.head = octetsOf(value)
  else if (name === 'EMAILID' || name === 'X-GM-MSGID') {
    const [id] = Array.isArray(value) ? textsOf(value) : [textOf(value)]
    if (id) row.id = id
  } else if (name === 'X-GM-LABELS') row.labels = textsOf(value).map(label => decodeMutf7(label) ?? label)
}

/** 0 for what is none. */
function numberOf(value: Value): number {
  const text = textOf(value)
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

function textOf(value: Value): string {
  if (Buffer.isBuffer(value)) return value.toString('latin1')
  return typeof value === 'string' ? value : ''
}

/** The texts of a list; of NIL none. */
function textsOf(value: Value): string[] {
  return Array.isArray(value) ? value.map(textOf).filter(text => text !== '') : []
}

function octetsOf(value: Value): Buffer {
  if (Buffer.isBuffer(value)) return value
  return typeof value === 'string' ? Buffer.from(value, 'latin1') : nothing
}

/** Some servers write dates in other ways than RFC 3501 has it. */
function dateOf(text: string): number | undefined {
  const time = parseInternalDate(text)?.utc ?? Date.parse(text)
  return time > 0 ? time : undefined
}

const spaces = / */y
/** BODY[HEADER.FIELDS (Date)]<0> too. */
const names = /[^\s()[\]{}"]+(?:\[[^\]]*\])?(?:<\d+(?:\.\d+)?>)?/y
const atoms = /[^\s()"]+/y
const quoted = /"((?:[^"\\]|\\.)*)"/sy
const literalAtEnd = /~?\{\d+\+?\}$/y

class Reader {
  readonly #parts: Parts
  #part = 0
  #at: number

  constructor(parts: Parts, at: number) {
    this.#parts = parts
    this.#at = at
  }

  get #text(): string {
    const text = this.#parts[this.#part]
    return typeof text === 'string' ? text : ''
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (!match) return undefined
    this.#at = pattern.lastIndex
    return match
  }

  /** The name of the next item; undefined where there is none. */
  name(): string | undefined {
    this.#match(spaces)
    return this.#match(names)?.[0]
  }

  /** Whether all items were read. */
  get isAtEnd(): boolean {
    this.#match(spaces)
    return this.#part === this.#parts.length - 1 && this.#text[this.#at] === ')'
  }

  /** @returns undefined for what is none */
  value(depth = 0): Value | undefined {
    this.#match(spaces)
    const first = this.#text[this.#at]
    if (first === '(') return depth < deepest ? this.#list(depth) : undefined
    if (first === '"') return this.#match(quoted)?.[1]?.replace(/\\(.)/gs, '$1')
    if ((first === '{' || first === '~') && this.#match(literalAtEnd)) {
      const literal = this.#parts[this.#part + 1]
      this.#part += 2
      this.#at = 0
      return literal
    }
    const atom = this.#match(atoms)?.[0]
    return atom?.toUpperCase() === 'NIL' ? null : atom
  }

  #list(depth: number): Value[] | undefined {
    this.#at++
    const values: Value[] = []
    for (;;) {
      this.#match(spaces)
      if (this.#text[this.#at] === ')') break
      const value = this.value(depth + 1)
      if (value === undefined) return undefined
      values.push(value)
    }
    this.#at++
    return values
  }
}
