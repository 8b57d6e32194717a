/**
 * The MIME structure of a stored message as offsets into its octets (RFC 2045, 2046), in one pass, for messages
 * whose lines end in LF, in CRLF or in both. Nothing is decoded, and nothing that anybody can send makes it throw:
 * what makes no sense as MIME is text.
 *
 * Where the RFCs leave a choice:
 * - a line is a boundary when it begins with one (RFC 2046 §5.1.1); of several open boundaries that fit, the longest
 *   is meant, of equal ones the innermost;
 * - a boundary of an outer part ends all parts within it, in their headers too;
 * - after its closing boundary a multipart has no further parts;
 * - the line end before a boundary is the boundary's, unless it belongs to a header;
 * - a multipart without a boundary parameter has no parts;
 * - an encoded message/rfc822, which RFC 2046 §5.2.1 forbids, is a leaf.
 */
import { type Content, readContent } from './content.js'
import { type HeaderBlock, readFields } from './header.js'
import { joinedParameter } from './parameters.js'

/** A message or a part of one. Offsets count from the start of the buffer that was scanned. */
export interface Part extends Content {
  readonly header: HeaderBlock
  /** Where the header starts. For a part this is after its boundary line. */
  readonly start: number
  /** Where the header with its empty line ends. */
  readonly bodyStart: number
  /** Where the body ends, without the line end that belongs to the boundary after it. */
  readonly bodyEnd: number
  /** LFs without a CR in the header: its wire size is `bodyStart - start + headerBareLf`. */
  readonly headerBareLf: number
  /** LFs without a CR in the body: its wire size is `bodyEnd - bodyStart + bodyBareLf`. */
  readonly bodyBareLf: number
  /** Line ends in the body, as BODYSTRUCTURE counts lines. */
  readonly lines: number
  /** The parts of a multipart; it may have none. */
  readonly parts: readonly Part[]
  /** The message within a message/rfc822 or message/global; undefined when it is encoded, or nested too deep. */
  readonly message: Part | undefined
}

export interface ScanLimits {
  /** Parts within parts; what lies deeper stays unparsed. */
  readonly depth?: number
  /** Parts in all; further boundaries are text. */
  readonly parts?: number
}

const CR = 13
const LF = 10
const DASH = 45
/** RFC 2046 §5.1.1 allows 70 characters; longer ones than this are no boundaries. */
const longestBoundary = 1000

/** Finds the parts of a stored message. Takes time in proportion to the octets, and never throws. */
export function scanMessage(octets: Buffer, { depth = 100, parts = 10_000 }: ScanLimits = {}): Part {
  return new Scanner(octets, depth, parts).scan()
}

/** A line that begins with an open boundary. */
interface BoundaryLine {
  /** Whose boundary it is, as an index into the open ones. */
  readonly index: number
  readonly closing: boolean
}

class Scanner {
  readonly #octets: Buffer
  readonly #maxDepth: number
  #partsLeft: number
  /** Start of the line that is read next; the line ends before it are counted in #lines and #bare. */
  #at = 0
  #lines = 0
  #bare = 0
  /** The boundaries, with their two dashes, of the multiparts around this line, outermost first. */
  readonly #open: Buffer[] = []

  constructor(octets: Buffer, maxDepth: number, maxParts: number) {
    this.#octets = octets
    this.#maxDepth = maxDepth
    this.#partsLeft = maxParts
  }

  scan(): Part {
    return this.#entity(false, 0).part
  }

  /** Reads a message or part from here to the boundary line that ends it, which is left to be read. */
  #entity(digest: boolean, depth: number): { part: Part; ended: BoundaryLine | undefined } {
    this.#partsLeft--
    const start = this.#at
    const bareBefore = this.#bare
    let ended = this.#skipHeader()
    const bodyStart = this.#at
    const header = readFields(this.#octets, start, bodyStart)
    const content = readContent(header, digest)
    const counted = { lines: this.#lines, bare: this.#bare }

    const parts: Part[] = []
    let message: Part | undefined
    const opens = depth < this.#maxDepth
    const boundary = opens && !ended ? boundaryOf(content) : undefined
    if (boundary) ended = this.#multipart(boundary, content.subtype === 'digest', depth, parts)
    else if (opens && this.#partsLeft > 0 && holdsMessage(content))
      ({ part: message, ended } = this.#entity(false, depth + 1))
    else if (!ended) ended = this.#skipBody()

    const body = this.#endOfBody(Math.max(bodyStart, (message ?? parts.at(-1))?.bodyEnd ?? 0), ended)
    const part = makePart(content, {
      header,
      start,
      bodyStart,
      bodyEnd: body.end,
      headerBareLf: counted.bare - bareBefore,
      bodyBareLf: body.bare - counted.bare,
      lines: body.lines - counted.lines,
      parts,
      message,
    })
    return { part, ended }
  }

  /** Reads a multipart's body into `parts`. @returns the boundary line of an outer part that ends it */
  #multipart(boundary: Buffer, digest: boolean, depth: number, parts: Part[]): BoundaryLine | undefined {
    const own = this.#open.push(boundary) - 1
    let ended = this.#skipBody()
    while (ended?.index === own && !ended.closing) {
      this.#skipLine()
      // A boundary line that the message's end cuts off opens no part.
      if (this.#octets[this.#at - 1] !== LF) ended = undefined
      else if (this.#partsLeft > 0) {
        const inner = this.#entity(digest, depth + 1)
        parts.push(inner.part)
        ended = inner.ended
      } else ended = this.#skipBody()
    }
    this.#open.length = own
    if (ended?.index !== own) return ended
    this.#skipLine()
    return this.#skipBody()
  }

  /** Where a body ends and what is counted there: before the line end that is the boundary's, but not before `least`. */
  #endOfBody(least: number, ended: BoundaryLine | undefined): { end: number; lines: number; bare: number } {
    const end = this.#at
    if (!ended || end <= least) return { end, lines: this.#lines, bare: this.#bare }
    const bare = this.#octets[end - 2] !== CR
    return { end: end - (bare ? 1 : 2), lines: this.#lines - 1, bare: this.#bare - (bare ? 1 : 0) }
  }

  /** Goes to the line after the header's empty line, or to the boundary line that ends the header early. */
  #skipHeader(): BoundaryLine | undefined {
    while (this.#at < this.#octets.length) {
      const ended = this.#boundary(this.#at)
      if (ended) return ended
      const first = this.#octets[this.#at]
      const empty = first === LF || (first === CR && this.#octets[this.#at + 1] === LF)
      this.#skipLine()
      if (empty) return undefined
    }
    return undefined
  }

  #skipLine(): void {
    const lf = this.#octets.indexOf(LF, this.#at)
    if (lf >= 0) {
      this.#lines++
      if (this.#octets[lf - 1] !== CR) this.#bare++
    }
    this.#at = lf < 0 ? this.#octets.length : lf + 1
  }

  /** Goes to the next boundary line, which may be this one. This is where the time goes. */
  #skipBody(): BoundaryLine | undefined {
    const octets = this.#octets
    let at = this.#at
    let lines = 0
    let bare = 0
    let ended: BoundaryLine | undefined
    for (;;) {
      if (octets[at] === DASH) ended = this.#boundary(at)
      if (ended) break
      // A call costs as much as many octets: empty lines do without.
      const lf = octets[at] === LF ? at : octets.indexOf(LF, at)
      if (lf < 0) {
        at = octets.length
        break
      }
      lines++
      if (octets[lf - 1] !== CR) bare++
      at = lf + 1
    }
    this.#at = at
    this.#lines += lines
    this.#bare += bare
    return ended
  }

  /** Whether the line at `at` begins with an open boundary. */
  #boundary(at: number): BoundaryLine | undefined {
    const octets = this.#octets
    if (octets[at] !== DASH || octets[at + 1] !== DASH) return undefined
    let index = -1
    let longest = 0
    for (let open = this.#open.length - 1; open >= 0; open--) {
      const boundary = this.#open[open] as Buffer
      const { length } = boundary
      // The first and last octets decide most of the time, and the native comparison is not cheap to call.
      if (length <= longest || octets[at + 2] !== boundary[2]) continue
      if (octets[at + length - 1] !== boundary[length - 1]) continue
      if (octets.compare(boundary, 0, length, at, at + length) !== 0) continue
      index = open
      longest = length
    }
    if (index < 0) return undefined
    return { index, closing: octets[at + longest] === DASH && octets[at + longest + 1] === DASH }
  }
}

/** Copies field by field: spreading an object of this size takes V8 as long as scanning the part. */
function makePart(content: Content, place: Omit<Part, keyof Content>): Part {
  return {
    type: content.type,
    subtype: content.subtype,
    parameters: content.parameters,
    encoding: content.encoding,
    id: content.id,
    description: content.description,
    md5: content.md5,
    disposition: content.disposition,
    languages: content.languages,
    location: content.location,
    header: place.header,
    start: place.start,
    bodyStart: place.bodyStart,
    bodyEnd: place.bodyEnd,
    headerBareLf: place.headerBareLf,
    bodyBareLf: place.bodyBareLf,
    lines: place.lines,
    parts: place.parts,
    message: place.message,
  }
}

function boundaryOf({ type, parameters }: Content): Buffer | undefined {
  if (type !== 'multipart') return undefined
  const boundary = joinedParameter(parameters, 'boundary')
  if (!boundary || boundary.length > longestBoundary) return undefined
  return Buffer.from(`--${boundary}`, 'latin1')
}

function holdsMessage({ type, subtype, encoding }: Content): boolean {
  if (type !== 'message' || (subtype !== 'rfc822' && subtype !== 'global')) return false
  return encoding === '7bit' || encoding === '8bit' || encoding === 'binary'
}
