/**
 * Text as a search sees it: decoded, and in a form in which equal letters are equal whatever their case, width or
 * composition (Hangul in syllables or in jamo, é in one character or two).
 */
import { decodeCharset } from './charset.js'
import type { HeaderBlock } from './header.js'
import { plainText } from './html.js'
import { joinedParameter } from './parameters.js'
import type { Part } from './structure.js'
import { decodeTransfer } from './transfer.js'
import { decodeWords } from './words.js'

/** The form in which texts are compared: a substring of one is looked for in the other. */
export function foldText(text: string): string {
  if (!/[^\x00-\x7f]/.test(text)) return text.toLowerCase()
  // Lower case can take a letter apart (İ), so that it is put together after.
  return text.toLowerCase().normalize('NFKC').toLowerCase()
}

/** The fields of a header, decoded and folded: a line a field. */
export function headerText(header: HeaderBlock): string {
  return foldText(
    header.fields
      .map(field => `${field.name}: ${decodeWords(Buffer.from(header.binary(field), 'latin1'))}`)
      .join('\n'),
  )
}

/**
 * The texts in the body of a message, or of a part, decoded and folded: its text parts, HTML without its mark-up, the headers of its
 * parts and of messages within it. What else is attached is no text.
 */
export function* bodyTexts(octets: Buffer, part: Part): Generator<string> {
  if (part.message) {
    yield headerText(part.message.header)
    yield* bodyTexts(octets, part.message)
    return
  }
  for (const inner of part.parts) {
    yield headerText(inner.header)
    yield* bodyTexts(octets, inner)
  }
  if (part.type === 'text' || part.type === 'message') yield partText(octets, part)
}

/** Where texts are decoded: nobody looks at what the last one was when the next one is. */
const room = Buffer.allocUnsafeSlow(256 * 1024)

/** The text of one part, decoded and folded. */
function partText(octets: Buffer, part: Part): string {
  const decoded = decodeTransfer(octets.subarray(part.bodyStart, part.bodyEnd), part.encoding, room)
  const text = decodeCharset(decoded, joinedParameter(part.parameters, 'charset'))
  return foldText(part.subtype === 'html' || part.subtype === 'xhtml' ? plainText(text) : text)
}
