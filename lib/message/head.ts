/**
 * The header of a message that passes by: gathered until it is whole, then changed and passed on with what follows,
 * so that whoever forwards a message never holds all of it. Lines end in LF, or in CRLF.
 */
import { type HeaderBlock, type HeaderField, readHeader } from './header.js'

/** A header that grows beyond this is taken as it is; what follows counts as the body. */
const longest = 1 << 20

const empty = Buffer.alloc(0)
const CR = 13
const LF = 10

/** Gathers the octets of a message until its header is there. */
export class HeadReader {
  #octets: Buffer = empty

  /**
   * Takes more of the message.
   *
   * @returns the head, once it is whole: with all octets so far, of which some belong to the body
   */
  push(chunk: Buffer): Head | undefined {
    const searched = Math.max(0, this.#octets.length - 2)
    this.#octets = this.#octets.length === 0 ? chunk : Buffer.concat([this.#octets, chunk])
    const { length } = this.#octets
    if (length === 0) return undefined
    return hasEnd(this.#octets, searched) || length > longest ? new Head(this.#octets) : undefined
  }

  /** The message has ended: its header is what there is. */
  end(): Head {
    return new Head(this.#octets)
  }
}

/** Whether an empty line stands at the beginning, or somewhere from `from` on. */
function hasEnd(octets: Buffer, from: number): boolean {
  if (octets[0] === LF || (octets[0] === CR && octets[1] === LF)) return true
  return octets.indexOf('\n\n', from, 'latin1') >= 0 || octets.indexOf('\n\r\n', from, 'latin1') >= 0
}

/** A header, and the beginning of the body behind it. */
export class Head {
  readonly octets: Buffer
  readonly fields: readonly HeaderField[]
  readonly header: HeaderBlock
  /** Where the fields end. */
  readonly #end: number
  /** Whether a line that is no field stands behind them, where an empty one should. */
  readonly #cutShort: boolean

  constructor(octets: Buffer) {
    this.octets = octets
    this.header = readHeader(octets)
    const { fields, bodyStart } = this.header
    const stray = fields.findIndex((field, index) => !isField(field) && !(index === 0 && isFromLine(octets)))
    this.#cutShort = stray >= 0
    this.fields = stray < 0 ? fields : fields.slice(0, stray)
    this.#end = stray < 0 ? bodyStart : (fields[stray] as HeaderField).start
  }

  /** Whether a field of that name, in lower case, is there. */
  has(key: string): boolean {
    return this.fields.some(field => field.key === key)
  }

  /** How many fields of that name, in lower case, there are. */
  count(key: string): number {
    return this.fields.reduce((sum, field) => (field.key === key ? sum + 1 : sum), 0)
  }

  /**
   * What to pass on of the octets so far.
   *
   * @param lines fields to put in front, each with its LF
   * @param drop which of the fields to leave out; mbox's "From " line is always left out
   */
  *rewrite(lines: string, drop: (field: HeaderField) => boolean = () => false): Generator<Buffer> {
    if (lines !== '') yield Buffer.from(lines)
    let from = 0
    for (const field of this.fields) {
      if (isField(field) && !drop(field)) continue
      if (field.start > from) yield this.octets.subarray(from, field.start)
      from = field.end
    }
    if (this.#end > from) yield this.octets.subarray(from, this.#end)
    if (this.#cutShort) yield Buffer.from('\n')
    if (this.#end < this.octets.length) yield this.octets.subarray(this.#end)
  }
}

/** Whether a line with a colon in it is a field: a name is one word of ASCII (RFC 5322 §3.6.8). */
function isField(field: HeaderField): boolean {
  return /^[\x21-\x7e]+$/.test(field.key)
}

/** Whether the message begins with mbox's separator, `From sender date`, which programs that read mbox leave there. */
function isFromLine(octets: Buffer): boolean {
  return octets.toString('latin1', 0, 5) === 'From ' || octets.toString('latin1', 0, 6) === '>From '
}
