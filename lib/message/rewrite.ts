/**
 * Changing the header of a message that passes through, all else octet for octet.
 *
 * mailsplit tells where the header ends, and sees no more than that: it drops the header of a part that has no empty
 * line after it, and octets where a line end falls between two chunks. Its limit of 1 MiB of header, an EMAXLEN
 * error, is lifted, so no message is refused for its shape. Should it fail all the same, the reader gets the error
 * before the first octet, and may send the message as it is.
 */
import { type MimeNode, Splitter } from 'mailsplit'
import { foldField } from './encode.js'
import { type HeaderBlock, readHeader } from './header.js'

const LF = 10

/** One change to a header. Names are compared without case; values are ASCII, encoded where need be, not folded. */
export type HeaderChange =
  /** Takes out every field of that name. */
  | { readonly remove: string }
  /** Puts a field in the place of the first of its name, takes out the others; without any, it is the last field. */
  | { readonly set: string; readonly value: string }
  /** Puts a field before all others. */
  | { readonly add: string; readonly value: string }

/**
 * Passes a message on with its header changed, all else octet for octet; lines of new fields end as the message's
 * first line does. Made for `pipeline(source, message => rewriteHeader(message, change), target)`.
 *
 * @param change is called once, with the header as it came
 */
export async function* rewriteHeader(
  message: AsyncIterable<Buffer>,
  change: (header: HeaderBlock) => readonly HeaderChange[],
): AsyncGenerator<Buffer> {
  const head = new Head()
  let split: readonly [header: Buffer, rest: Buffer] | undefined
  for await (const chunk of message) {
    if (split) {
      yield chunk
      continue
    }
    split = await head.push(chunk)
    if (split) {
      yield changeHeader(split[0], change)
      yield split[1]
    }
  }
  if (!split) yield changeHeader(await head.end(), change)
}

/** The beginning of a message, kept until its header is whole. */
class Head {
  readonly #splitter = new Splitter({ maxHeadSize: Number.POSITIVE_INFINITY, ignoreEmbedded: true })
  readonly #chunks: Buffer[] = []
  #root: MimeNode | undefined
  #failure: Error | undefined

  constructor() {
    this.#splitter.on('data', (node: MimeNode) => {
      this.#root ??= node
    })
    // More than 1000 parts in the first chunk are an error, too, but one that comes after the header.
    this.#splitter.on('error', (error: Error) => {
      this.#failure = error
    })
  }

  /** Takes the next octets. @returns the header and what there is of the body, once the header has ended */
  async push(chunk: Buffer): Promise<[header: Buffer, rest: Buffer] | undefined> {
    this.#chunks.push(chunk)
    // mailsplit takes the square of a run of CRs. As spaces they are as long, and end no line either.
    const told = Buffer.from(chunk.toString('latin1').replace(/\r(?=\r)/g, ' '), 'latin1')
    await new Promise(written => this.#splitter.write(told, written))
    const header = this.#header()
    if (!header) return undefined
    const whole = Buffer.concat(this.#chunks)
    return [whole.subarray(0, header), whole.subarray(header)]
  }

  /** The message has ended, and all of it is header. */
  async end(): Promise<Buffer> {
    await new Promise(ended => this.#splitter.end(ended))
    this.#header()
    return Buffer.concat(this.#chunks)
  }

  /** The length of the header, if it has ended. */
  #header(): number | undefined {
    if (!this.#root && this.#failure) throw this.#failure
    return this.#root?.getHeaders().length
  }
}

/** The octets of a header after changes, made one after the other. */
export function changeHeader(
  octets: Buffer,
  change: (header: HeaderBlock) => readonly HeaderChange[],
): Buffer {
  const lineEnd = /^[^\n]*\r\n/.test(octets.toString('latin1')) ? '\r\n' : '\n'
  let changed = octets
  for (const step of change(readHeader(octets))) changed = changeOnce(readHeader(changed), step, lineEnd)
  return changed
}

function changeOnce(header: HeaderBlock, change: HeaderChange, lineEnd: string): Buffer {
  const { octets, fields } = header
  if ('add' in change)
    return Buffer.concat([Buffer.from(foldField(change.add, change.value, lineEnd)), octets])
  const key = ('set' in change ? change.set : change.remove).toLowerCase()
  const pieces: Buffer[] = []
  let pending = 'set' in change ? Buffer.from(foldField(change.set, change.value, lineEnd)) : undefined
  for (const field of fields) {
    if (field.key !== key) pieces.push(octets.subarray(field.start, field.end))
    else if (pending) {
      pieces.push(pending)
      pending = undefined
    }
  }
  const end = fields.at(-1)?.end ?? header.start
  if (pending) {
    // The last line of a message without a body may lack its end.
    if (end > 0 && octets[end - 1] !== LF) pieces.push(Buffer.from(lineEnd))
    pieces.push(pending)
  }
  return Buffer.concat([...pieces, octets.subarray(end)])
}
