/** The text of a message's body, as the body test and extracttext see it (RFC 5173 §5, RFC 5703 §7). */
import { decodeCharset, decodeUnlabelled } from '../message/charset.js'
import { plainText } from '../message/html.js'
import { joinedParameter, parseParameterised } from '../message/parameters.js'
import type { Part } from '../message/structure.js'
import { decodeTransfer } from '../message/transfer.js'
import type { Version } from './message.js'
import { childrenOf, descend } from './mime.js'

/** Octets as text: UTF-8 if they are that. Lines end in CRLF, as keys of a script do. */
export function rawText(octets: Buffer): string {
  return crlf(decodeUnlabelled(octets))
}

function crlf(text: string): string {
  return text.includes('\n') ? text.replace(/\r?\n/g, '\r\n') : text
}

/** A part's content with its transfer encoding undone; text in Unicode. */
export function contentOf(version: Version, part: Part): string {
  const octets = decodeTransfer(version.octets.subarray(part.bodyStart, part.bodyEnd), part.encoding)
  if (part.type !== 'text' && !isHtml(part)) return rawText(octets)
  return crlf(decodeCharset(octets, joinedParameter(part.parameters, 'charset')))
}

/** The same as plain text, where it is HTML. */
export function textOf(version: Version, part: Part): string {
  const content = contentOf(version, part)
  return isHtml(part) ? plainText(content) : content
}

function isHtml({ type, subtype }: Part): boolean {
  return type === 'text' ? subtype === 'html' || subtype === 'xhtml' : subtype === 'xhtml+xml'
}

/** Whether a part's type is one, and its encoding known: else nobody can say what its octets are. */
function isWellFormed({ header, encoding }: Part): boolean {
  const type = header.first('content-type')
  const one = type === undefined || parseParameterised(type).value.split('/').length <= 2
  return one && /^(7bit|8bit|binary|base64|quoted-printable)$/.test(encoding)
}

/** RFC 5173 §5.3: every part that is text, HTML without its mark-up. */
export function texts(version: Version): readonly string[] {
  return descend(version.structure)
    .filter(part => (part.type === 'text' || isHtml(part)) && isWellFormed(part))
    .map(part => textOf(version, part))
}

/** RFC 5173 §5.2: what the parts of some types hold; of parts that hold others, what is around these. */
export function contents(version: Version, types: readonly string[]): readonly string[] {
  return descend(version.structure)
    .filter(part => types.some(type => isType(part, type.toLowerCase())))
    .filter(part => part.type === 'multipart' || isWellFormed(part))
    .flatMap(part => {
      if (part.message) return [rawText(version.octets.subarray(part.message.start, part.message.bodyStart))]
      return part.type === 'multipart' ? around(version, part) : [contentOf(version, part)]
    })
}

function isType({ type, subtype }: Part, wanted: string): boolean {
  if (wanted === '') return true
  return wanted.includes('/') ? wanted === `${type}/${subtype}` : wanted === type
}

/** The prologue and the epilogue of a multipart. */
function around({ octets }: Version, part: Part): readonly string[] {
  const children = childrenOf(part)
  const first = children[0]
  const last = children.at(-1)
  if (!first || !last) return [rawText(octets.subarray(part.bodyStart, part.bodyEnd))]
  // Before the first part stands its boundary line, and before that the line end that belongs to it.
  const before = octets.subarray(part.bodyStart, first.start)
  const boundary = before.subarray(0, -1).lastIndexOf(10) + 1
  const prologue = withoutLineEnd(before.subarray(0, boundary))
  const after = octets.subarray(last.bodyEnd, part.bodyEnd)
  const closing = after.indexOf('--')
  const end = closing < 0 ? -1 : after.indexOf(10, closing)
  const epilogue = end < 0 ? Buffer.alloc(0) : after.subarray(end + 1)
  return epilogue.length > 0 ? [rawText(prologue), rawText(epilogue)] : [rawText(prologue)]
}

function withoutLineEnd(octets: Buffer): Buffer {
  if (octets.at(-1) !== 10) return octets
  return octets.subarray(0, octets.at(-2) === 13 ? -2 : -1)
}
