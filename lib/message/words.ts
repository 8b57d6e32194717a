/** Reading text beyond ASCII out of header fields: encoded words (RFC 2047) and parameters (RFC 2231). */
import { isAscii } from 'node:buffer'
import { decodeCharset, decodeUnlabelled } from './charset.js'
import { findParameter, findSegments, type Parameter } from './parameters.js'

/** An encoded word; white space within it, which RFC 2047 §2 does not allow, is sent all the same. */
const encodedWord = /=\?([^?\s]*)\?([bq])\?([^?]*)\?=/gi

interface Word {
  readonly charset: string
  readonly encoding: string
  text: string
}

/**
 * The text of a field's value, its encoded words decoded, fit to be shown: without line ends and NULs.
 *
 * Neighbours of one charset are joined before they are decoded, since some senders cut within a character; the
 * white space between encoded words goes (RFC 2047 §6.2).
 *
 * @param value unfolded. A Buffer holds the octets as sent, and what is 8-bit in it is UTF-8 or else the hint
 * @param hint the charset of octets that have no label and are not UTF-8: that of the message's text, say
 */
export function decodeWords(value: string | Buffer, hint?: string): string {
  const isRaw = typeof value !== 'string'
  const text = isRaw ? value.toString('latin1') : value
  if (isRaw && isAscii(value) && !text.includes('=?')) return printable(text)
  const plain = (run: string) => (isRaw ? decodeUnlabelled(Buffer.from(run, 'latin1'), hint) : run)
  if (!text.includes('=?')) return printable(plain(text))
  let decoded = ''
  let at = 0
  let pending: Word[] = []
  for (const match of text.matchAll(encodedWord)) {
    const between = text.slice(at, match.index)
    at = match.index + match[0].length
    if (pending.length === 0 || /\S/.test(between)) {
      decoded += wordsText(pending, isRaw) + plain(between)
      pending = []
    }
    const [, charset = '', encoding = '', word = ''] = match
    pending.push({ charset: charset.toLowerCase(), encoding: encoding.toLowerCase(), text: word })
  }
  return printable(decoded + wordsText(pending, isRaw) + plain(text.slice(at)))
}

/** Decodes encoded words that stand next to one another. */
function wordsText(words: readonly Word[], isRaw: boolean): string {
  let text = ''
  for (let first = 0, next = 0; first < words.length; first = next) {
    const charset = words[first]?.charset
    while (next < words.length && words[next]?.charset === charset) next++
    text += decodeCharset(wordsOctets(words.slice(first, next), isRaw), charset)
  }
  return text
}

function wordsOctets(words: readonly Word[], isRaw: boolean): Buffer {
  const whole: Word[] = []
  for (const word of words) {
    const last = whole.at(-1)
    // A sender that cuts base64 itself: the first half is no whole number of octets and is not padded.
    const isCut =
      last?.encoding === 'b' && word.encoding === 'b' && /^[^=]*$/.test(last.text) && last.text.length % 4 > 0
    if (last && isCut) last.text += word.text
    else whole.push({ ...word })
  }
  return Buffer.concat(
    whole.map(({ encoding, text }) =>
      encoding === 'b' ? Buffer.from(text, 'base64') : decodeQ(Buffer.from(text, isRaw ? 'latin1' : 'utf8')),
    ),
  )
}

/** RFC 2047 §4.2. */
function decodeQ(octets: Buffer): Buffer {
  return Buffer.from(fromHex(octets.toString('latin1').replaceAll('_', ' '), /=([0-9a-f]{2})/gi), 'latin1')
}

function fromHex(binary: string, escaped: RegExp): string {
  return binary.replace(escaped, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function printable(text: string): string {
  return /[\0\r\n]/.test(text) ? text.replace(/[\0\r\n]+/g, ' ') : text
}

/**
 * The decoded value of a parameter, such as `filename`: put together from its segments and decoded by RFC 2231, or
 * by RFC 2047, which is not allowed there and much used.
 *
 * @param name in lower case
 * @param hint as in {@link decodeWords}
 */
export function parameterText(
  parameters: readonly Parameter[],
  name: string,
  hint?: string,
): string | undefined {
  const segments = findSegments(parameters, name)
  if (!segments.some(segment => segment.isEncoded)) {
    const plain =
      segments.length > 0 ? segments.map(({ value }) => value).join('') : findParameter(parameters, name)
    return plain === undefined ? undefined : decodeWords(Buffer.from(plain, 'latin1'), hint)
  }
  let charset = ''
  const binary = segments.map(({ value, isEncoded }, index) => {
    if (!isEncoded) return value
    // Only the first has the charset and the language before its text (RFC 2231 §4.1).
    const [, label, text] = (index === 0 && /^([^']*)'[^']*'(.*)$/s.exec(value)) || []
    charset = label ?? charset
    return fromHex(text ?? value, /%([0-9a-f]{2})/gi)
  })
  return printable(decodeCharset(Buffer.from(binary.join(''), 'latin1'), charset, hint))
}
