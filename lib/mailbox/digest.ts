/** What searching asks of a header most often, found once and kept in the cache: addresses, subject, date. */
import { dayOf, parseDate } from '../message/date.js'
import { findBody, type HeaderBlock, readFields, readHeader } from '../message/header.js'
import type { TextField } from '../message/query.js'
import { foldText } from '../message/searchable.js'
import { decodeWords } from '../message/words.js'
import { glanceAt, readMessage } from './message.js'
import type { State } from './state.js'

/** Under which kind it stands in the cache; another number when what it holds changes. */
const kind = 'digest1'
/** Most headers end within so many octets. */
const usualHeader = 8_192
/** Between fields; text that is folded holds no NUL. */
const mark = '\0'
const fields: readonly TextField[] = ['from', 'to', 'cc', 'bcc', 'subject']

/** The folded fields, and the day of the Date field in its own zone, as the cache has them. */
export class Digest {
  readonly #octets: Buffer
  #parts: string[] | undefined

  /** @param octets the fields in their order and the day as a decimal number, a mark between them */
  constructor(octets: Buffer) {
    this.#octets = octets
  }

  get #all(): readonly string[] {
    this.#parts ??= this.#octets.toString('utf8').split(mark)
    return this.#parts
  }

  /** Days since 1970-01-01; undefined when there is no date. */
  get sentDay(): number | undefined {
    const day = this.#all[fields.length]
    return day ? Number(day) : undefined
  }

  /** Whether a field holds a text. @param text folded @param octets the same in UTF-8 */
  holds(field: TextField, text: string, octets: Buffer): boolean {
    // Of most messages this is all that is looked at.
    if (!this.#octets.includes(octets)) return false
    return (this.#all[fields.indexOf(field)] ?? '').includes(text)
  }
}

/** The digest of a message; undefined when it is gone. */
export function digestOf(state: State, uid: number): Digest | undefined {
  const known = state.cache.get(uid, kind)
  if (known) return new Digest(known)
  const header = readHead(state, uid)
  if (!header) return undefined
  const octets = makeDigest(header)
  state.cache.put(uid, kind, octets)
  return new Digest(octets)
}

/** The header of a message, without reading more of it than that; undefined when it is gone. */
export function readHead(state: State, uid: number): HeaderBlock | undefined {
  const head = glanceAt(state, uid, usualHeader)
  if (!head) return undefined
  const end = findBody(head)
  if (end === head.length && head.length === usualHeader) {
    const octets = readMessage(state, uid)
    return octets && readHeader(octets)
  }
  return readFields(Buffer.from(head.subarray(0, end)), 0, end)
}

function makeDigest(header: HeaderBlock): Buffer {
  const texts = fields.map(name =>
    header.fields
      .filter(field => field.key === name)
      .map(field => foldText(decodeWords(Buffer.from(header.binary(field), 'latin1'))))
      .join('\n')
      .replaceAll(mark, ''),
  )
  const date = parseDate(header.first('Date') ?? '')
  return Buffer.from([...texts, date ? dayOf(date) : ''].join(mark))
}
