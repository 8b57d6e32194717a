/**
 * The beginning of what a message says, as a list of messages shows it below the subject (RFC 8970): decoded, on one
 * line, without what it quotes of others.
 */
import { decodeCharset } from './charset.js'
import { plainText } from './html.js'
import { joinedParameter } from './parameters.js'
import type { Part } from './structure.js'
import { decodeTransfer } from './transfer.js'

/** RFC 8970 §3.1: no more characters than this. */
const longest = 200
/** So much of a part is looked at, in octets: pages of style sheets may come before the first word of HTML. */
const readable = 512 * 1024
/** Characters that take no room: senders fill the preview of others' programs with them. */
const invisible =
  /\u034f|[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]/g

/**
 * @param octets the message as stored
 * @param part its structure
 * @returns at most 200 characters; empty when there is no text
 */
export function previewOf(octets: Buffer, part: Part): string {
  // A message that is nothing but an attached text says what that says.
  const leaves = part.type === 'text' ? [part] : readableLeaves(part)
  for (const leaf of leaves) {
    const preview = shorten(textOf(octets, leaf))
    if (preview !== '') return preview
  }
  return ''
}

/** Text parts in the order in which they are worth showing. Attachments, and messages within, are none. */
function* readableLeaves(part: Part): Generator<Part> {
  if (part.disposition?.value === 'attachment' || part.message) return
  if (part.type === 'text') {
    if (/^(plain|html|xhtml|enriched)$/.test(part.subtype)) yield part
    return
  }
  const { parts } = part
  const plain = part.subtype === 'alternative' ? parts.filter(({ subtype }) => subtype === 'plain') : []
  for (const inner of [...plain, ...parts.filter(other => !plain.includes(other))])
    yield* readableLeaves(inner)
}

function textOf(octets: Buffer, part: Part): string {
  const end = Math.min(part.bodyEnd, part.bodyStart + readable)
  const decoded = decodeTransfer(octets.subarray(part.bodyStart, end), part.encoding)
  const text = decodeCharset(decoded, joinedParameter(part.parameters, 'charset'))
  return part.subtype === 'plain' ? withoutQuotes(text) : plainText(text)
}

/** A reply's own words; what it quotes where it has none. */
function withoutQuotes(text: string): string {
  const lines = text.split(/\r\n|[\r\n]/)
  const signature = lines.indexOf('-- ')
  const said = signature < 0 ? lines : lines.slice(0, signature)
  const own = said.filter(line => !line.startsWith('>'))
  return own.some(line => /[^\s]/.test(line)) ? own.join(' ') : lines.join(' ')
}

function shorten(text: string): string {
  const line = text
    .replace(invisible, '')
    .replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ')
    .trim()
  if (line.length <= longest) return line
  let characters = 0
  let end = 0
  for (const character of line) {
    if (characters++ === longest) break
    end += character.length
  }
  return line.slice(0, end).trimEnd()
}
