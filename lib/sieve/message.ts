/** The message that a script works on. Editing makes a new version; actions keep the one they were taken with. */
import { decodeUnlabelled } from '../message/charset.js'
import { encodeWords, foldField } from '../message/encode.js'
import { type HeaderBlock, readHeader, unfold } from '../message/header.js'
import { type Part, scanMessage } from '../message/structure.js'
import { wireSize } from '../message/wire.js'
import { decodeWords } from '../message/words.js'

/** One field of a header. */
export class Field {
  /** As written. */
  readonly name: string
  /** In lower case; empty for a line that is no field. */
  readonly key: string
  /** The whole field, its line end included. */
  readonly raw: Buffer
  readonly #valueStart: number
  #value: string | undefined
  #rawValue: string | undefined

  constructor(name: string, raw: Buffer, valueStart: number) {
    this.name = name
    this.key = name.toLowerCase()
    this.raw = raw
    this.#valueStart = valueStart
  }

  /** A new field: what is not ASCII in encoded words, folded. */
  static of(name: string, value: string, lineEnd: '\r\n' | '\n'): Field {
    return new Field(name, Buffer.from(foldField(name, encodeWords(value), lineEnd)), name.length + 1)
  }

  /** The value in Unicode: unfolded, encoded words decoded, without the space around it (RFC 5228 §2.4.2.2). */
  get value(): string {
    this.#value ??= decodeWords(Buffer.from(this.binary, 'latin1')).trim()
    return this.#value
  }

  /** The value unfolded, encoded words as they are: for addresses and dates. */
  get rawValue(): string {
    this.#rawValue ??= decodeUnlabelled(Buffer.from(this.binary, 'latin1'))
    return this.#rawValue
  }

  /** The value unfolded, one character an octet. */
  get binary(): string {
    // A line that goes on after a tab goes on after a space: what was folded is one line again, not a table.
    return unfold(this.raw.toString('latin1', this.#valueStart).replace(/\n\t/g, '\n '))
  }
}

const none: readonly Field[] = []

/** The fields of one header. */
export class FieldSet {
  readonly fields: readonly Field[]
  #named: Map<string, Field[]> | undefined
  readonly #kept = new Map<string, readonly string[]>()

  constructor(fields: readonly Field[]) {
    this.fields = fields
  }

  static of({ octets, fields }: Pick<HeaderBlock, 'octets' | 'fields'>): FieldSet {
    return new FieldSet(
      fields.map(
        ({ name, start, end, valueStart }) =>
          new Field(name, octets.subarray(start, end), valueStart - start),
      ),
    )
  }

  /** Values that tests took out of the header, made once. */
  kept(key: string, make: () => readonly string[]): readonly string[] {
    let values = this.#kept.get(key)
    if (!values) {
      values = make()
      this.#kept.set(key, values)
    }
    return values
  }

  /** The fields of a name in lower case, in order. */
  named(key: string): readonly Field[] {
    if (!this.#named) {
      this.#named = new Map()
      for (const field of this.fields) {
        const same = this.#named.get(field.key)
        if (same) same.push(field)
        else this.#named.set(field.key, [field])
      }
    }
    return this.#named.get(key) ?? none
  }
}

/** One state of the message. Never changes. */
export class Version {
  /** Whether a script changed anything. */
  readonly edited: boolean
  readonly header: FieldSet
  /** What follows the header: the empty line and the body. */
  #rest: Buffer | undefined
  #octets: Buffer | undefined
  /** Reads the whole message, of which so far only the header is here. */
  #read: (() => Buffer) | undefined
  #structure: Part | undefined
  #size: number | undefined

  private constructor(header: FieldSet, rest: Buffer, octets: Buffer | undefined) {
    this.header = header
    this.#rest = rest
    this.#octets = octets
    this.edited = octets === undefined
  }

  /** The message as it came, its lines ended by LF or CRLF. */
  static of(octets: Buffer): Version {
    const block = readHeader(octets)
    return new Version(FieldSet.of(block), octets.subarray(block.fields.at(-1)?.end ?? 0), octets)
  }

  /**
   * As {@link of}, for a message that is somewhere else yet: it is read whole only when something asks for more than
   * its header and its size.
   *
   * @param octets its beginning, with all of the header and the line after it
   * @param size of the whole, its line ends counted as CRLF
   */
  static begun(octets: Buffer, size: number, read: () => Buffer): Version {
    const version = Version.of(octets)
    version.#rest = undefined
    version.#octets = undefined
    version.#read = read
    version.#size = size
    return version
  }

  /** Another message, made of this one. */
  replaced(octets: Buffer): Version {
    const { header, rest } = Version.#split(octets)
    return new Version(header, rest, undefined)
  }

  static #split(octets: Buffer): { header: FieldSet; rest: Buffer } {
    const whole = Version.of(octets)
    return { header: whole.header, rest: whole.#tail }
  }

  /** The same body under another header. */
  withFields(fields: readonly Field[]): Version {
    return new Version(new FieldSet(fields), this.#tail, undefined)
  }

  /** The same header over another body: text with its lines ended as this message's are. */
  withBody(body: Buffer): Version {
    return new Version(this.header, Buffer.concat([Buffer.from(this.lineEnd), body]), undefined)
  }

  /** The fields of a name in lower case, in order. */
  named(key: string): readonly Field[] {
    return this.header.named(key)
  }

  /** The whole message. */
  get octets(): Buffer {
    this.#octets ??=
      this.#read?.() ?? Buffer.concat([...this.header.fields.map(({ raw }) => raw), this.#tail])
    return this.#octets
  }

  get #tail(): Buffer {
    if (!this.#rest) {
      const length = this.header.fields.reduce((sum, { raw }) => sum + raw.length, 0)
      this.#rest = this.octets.subarray(length)
    }
    return this.#rest
  }

  /** Its size with CRLF line ends (RFC 5228 §5.9). */
  get size(): number {
    this.#size ??= wireSize(this.octets)
    return this.#size
  }

  get structure(): Part {
    this.#structure ??= scanMessage(this.octets)
    return this.#structure
  }

  /** The body: what follows the empty line; undefined where no empty line ends the header. */
  get body(): Buffer | undefined {
    const first = this.#tail[0]
    if (first === undefined) return undefined
    return this.#tail.subarray(first === 13 ? 2 : 1)
  }

  /** How its lines end: new ones are written alike. */
  get lineEnd(): '\r\n' | '\n' {
    const first = this.header.fields[0]?.raw ?? this.#tail
    const lf = first.indexOf(10)
    return lf >= 0 && first[lf - 1] !== 13 ? '\n' : '\r\n'
  }
}
