/**
 * BODY=BINARYMIME (RFC 3030 §3): a message whose parts may be any octets. Messages are stored with LF as their line
 * end, which would change such parts, so what is labelled binary becomes base64 while it comes in, and what holds
 * such parts becomes 8bit; §3 has servers convert where they cannot pass a message on. The rest stays as it is.
 */
import { type Content, readContent } from '../message/content.js'
import { type HeaderBlock, readHeader } from '../message/header.js'
import { joinedParameter } from '../message/parameters.js'
import { LineDecoder } from '../wire/crlf.js'
import { SmtpError } from './reply.js'

const empty = Buffer.alloc(0)
const CR = 13
const LF = 10
const DASH = 45

/** Octets of one header, or of a line that begins with a boundary: what is gathered before it is understood. */
const longestHeader = 256 * 1024
const longestDelimiter = 4_096
const longestBoundary = 1_000
/** Parts within parts, as lib/message/structure.ts reads them. */
const deepest = 100

/** An open multipart. */
interface Level {
  /** With the two dashes in front. */
  readonly delimiter: Buffer
  readonly digest: boolean
}

/** Takes the octets of a message, chunk by chunk, and gives out its stored form. */
export class BinaryMimeDecoder {
  readonly #lines = new LineDecoder()
  readonly #open: Level[] = []
  #mode: 'header' | 'text' | 'binary' = 'header'
  /** What came and was not understood yet: a few octets, or a line. */
  #held: Buffer = empty
  /** Whether #held begins a line, which may be a boundary's. */
  #atLineStart = true
  /** Whether a line end stands before #held that is the part's own only if no boundary follows. */
  #lineEndWaits = false
  #header: Buffer[] = []
  #headerSize = 0
  /** Whether the header being read is that of a part of a multipart/digest. */
  #inDigest = false
  #base64 = new Base64Lines()
  #out: Buffer[] = []

  /**
   * @returns what is certain by now
   * @throws SmtpError 554 5.6.3 for what cannot be converted
   */
  push(chunk: Buffer): Buffer {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    return this.#run(false)
  }

  /** The message has ended. @throws SmtpError 554 5.6.3 */
  end(): Buffer {
    const octets = this.#run(true)
    if (this.#mode === 'header') this.#endHeader()
    this.#endBinary()
    const rest = this.#lines.end()
    return Buffer.concat([octets, this.#take(), rest])
  }

  #run(final: boolean): Buffer {
    while (this.#held.length > 0 && (this.#mode === 'header' ? this.#headerLine(final) : this.#body(final)));
    return this.#take()
  }

  #take(): Buffer {
    const out = this.#out.length === 1 ? (this.#out[0] as Buffer) : Buffer.concat(this.#out)
    this.#out = []
    return out
  }

  /** @returns whether there was a line to read */
  #headerLine(final: boolean): boolean {
    const lf = this.#held.indexOf(LF)
    if (lf < 0 && !final) {
      if (this.#headerSize + this.#held.length > longestHeader) throw impossible('a header is too large')
      return false
    }
    const line = this.#held.subarray(0, lf < 0 ? this.#held.length : lf + 1)
    const level = this.#levelOf(line)
    if (level >= 0) {
      this.#endHeader()
      this.#delimiter(line, level)
      return true
    }
    this.#held = this.#held.subarray(line.length)
    this.#header.push(line)
    this.#headerSize += line.length
    if (this.#headerSize > longestHeader) throw impossible('a header is too large')
    if (line[0] === LF || (line[0] === CR && line[1] === LF)) this.#endHeader()
    return true
  }

  /** The header that was gathered goes out, and says what follows. */
  #endHeader(): void {
    const octets = this.#lines.push(Buffer.concat(this.#header))
    this.#header = []
    this.#headerSize = 0
    this.#atLineStart = true
    const header = readHeader(octets)
    const content = readContent(header, this.#inDigest)
    this.#inDigest = false
    const binary = content.encoding === 'binary'
    if (isContainer(content)) {
      this.#enter(content, binary)
      this.#out.push(binary ? relabelled(header, '8bit') : octets)
      return
    }
    if (binary && content.type === 'message' && /^(partial|external-body)$/.test(content.subtype))
      throw impossible(`a message/${content.subtype} cannot be binary`)
    this.#mode = binary ? 'binary' : 'text'
    this.#out.push(binary ? relabelled(header, 'base64') : octets)
  }

  /** Into a multipart or a message, whose own parts are looked at. */
  #enter({ type, subtype, parameters }: Content, binary: boolean): void {
    this.#mode = type === 'message' ? 'header' : 'text'
    if (type === 'message') return
    const boundary = joinedParameter(parameters, 'boundary')
    const known = boundary !== undefined && boundary !== '' && boundary.length <= longestBoundary
    if (!known && binary) throw impossible('a multipart has no boundary')
    if (!known) return
    if (this.#open.length >= deepest) throw impossible('its parts are nested too deeply')
    this.#open.push({ delimiter: Buffer.from(`--${boundary}`, 'latin1'), digest: subtype === 'digest' })
  }

  /** Passes on octets of a body, up to a boundary. @returns whether there is more to do */
  #body(final: boolean): boolean {
    if (this.#atLineStart && this.#open.length > 0) {
      const line = this.#possibleDelimiter(final)
      if (!line) return false
      const level = this.#levelOf(line)
      if (level >= 0) {
        this.#delimiter(line, level)
        return true
      }
    }
    this.#atLineStart = false
    if (this.#lineEndWaits) this.#content(lineEnd)
    this.#lineEndWaits = false
    const found = this.#open.length > 0 ? this.#candidate() : -1
    if (found >= 0) {
      const binary = this.#mode === 'binary'
      this.#content(this.#held.subarray(0, binary ? found - 1 : found + 1))
      this.#lineEndWaits = binary
      this.#held = this.#held.subarray(found + 1)
      this.#atLineStart = true
      return true
    }
    const certain =
      final || this.#open.length === 0 ? this.#held.length : this.#held.length - tailOf(this.#held)
    this.#content(this.#held.subarray(0, certain))
    this.#held = this.#held.subarray(certain)
    return false
  }

  /** The line that #held begins with, if it may be a boundary's; nothing of it if not. @returns undefined to wait */
  #possibleDelimiter(final: boolean): Buffer | undefined {
    const [first, second] = this.#held
    if (first !== DASH || (second !== DASH && second !== undefined)) return empty
    const lf = this.#held.indexOf(LF)
    if (lf >= 0) return this.#held.subarray(0, lf + 1)
    if (final) return this.#held
    return this.#held.length > longestDelimiter ? this.#held.subarray(0, longestDelimiter) : undefined
  }

  /** Where the LF stands that ends a line before one with two dashes; in binary data only CR LF is a line end. */
  #candidate(): number {
    for (let at = 0; ; at++) {
      at = this.#held.indexOf('\n--', at, 'latin1')
      if (at < 0 || this.#mode === 'text' || this.#held[at - 1] === CR) return at
    }
  }

  /** Whose boundary a line begins with, the longest where there are several; -1 for nobody's. */
  #levelOf(line: Buffer): number {
    if (line[0] !== DASH || line[1] !== DASH) return -1
    let found = -1
    let longest = 0
    for (const [level, { delimiter }] of this.#open.entries()) {
      const { length } = delimiter
      if (length < longest || line.length < length || line.compare(delimiter, 0, length, 0, length) !== 0)
        continue
      found = level
      longest = length
    }
    return found
  }

  /** A boundary: what it separates begins anew, or has ended. */
  #delimiter(line: Buffer, level: number): void {
    if (line.length >= longestDelimiter) throw impossible('a boundary is too long')
    this.#endBinary()
    this.#lineEndWaits = false
    const { delimiter, digest } = this.#open[level] as Level
    const { length } = delimiter
    const closing = line[length] === DASH && line[length + 1] === DASH
    this.#open.length = closing ? level : level + 1
    this.#mode = closing ? 'text' : 'header'
    this.#inDigest = digest
    this.#atLineStart = true
    this.#out.push(this.#lines.push(line))
    this.#held = this.#held.subarray(line.length)
  }

  #content(octets: Buffer): void {
    this.#out.push(this.#mode === 'binary' ? this.#base64.push(octets) : this.#lines.push(octets))
  }

  #endBinary(): void {
    this.#out.push(this.#base64.end())
  }
}

const lineEnd = Buffer.from('\r\n')

/** How many of the last octets may begin what {@link BinaryMimeDecoder} looks for: CR LF "--". */
function tailOf(octets: Buffer): number {
  const tail = octets.toString('latin1', Math.max(0, octets.length - 3))
  return /(?:\r\n-?|\r|\n-?)$/.exec(tail)?.[0].length ?? 0
}

/** Whether it has parts of its own, and is not encoded, as such may not be (RFC 2045 §6.4). */
function isContainer({ type, subtype, encoding }: Content): boolean {
  const plain = encoding === '7bit' || encoding === '8bit' || encoding === 'binary'
  return plain && (type === 'multipart' || (type === 'message' && /^(rfc822|global)$/.test(subtype)))
}

/** The header with another Content-Transfer-Encoding, in the place of the first. */
function relabelled({ octets, fields }: HeaderBlock, encoding: string): Buffer {
  const pieces: Buffer[] = []
  let from = 0
  for (const { key, start, end } of fields) {
    if (key !== 'content-transfer-encoding') continue
    pieces.push(octets.subarray(from, start))
    if (from === 0) pieces.push(Buffer.from(`Content-Transfer-Encoding: ${encoding}\n`))
    from = end
  }
  return Buffer.concat([...pieces, octets.subarray(from)])
}

/** Base64 in lines of 76 characters (RFC 2045 §6.8), as the octets come. */
class Base64Lines {
  #rest: Buffer = empty

  push(octets: Buffer): Buffer {
    const whole = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets])
    const size = whole.length - (whole.length % 57)
    this.#rest = Buffer.from(whole.subarray(size))
    return Buffer.from(whole.toString('base64', 0, size).replace(/.{76}/g, '$&\n'), 'latin1')
  }

  /** The last line. What comes next begins anew. */
  end(): Buffer {
    if (this.#rest.length === 0) return empty
    const line = Buffer.from(`${this.#rest.toString('base64')}\n`, 'latin1')
    this.#rest = empty
    return line
  }
}

/** RFC 3463 §3.7: conversion required but not supported. */
function impossible(why: string): SmtpError {
  return new SmtpError(554, '5.6.3', `The message cannot be stored as it is, nor be converted: ${why}`)
}
