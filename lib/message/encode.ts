/** Text beyond ASCII in header fields: encoded words (RFC 2047) and parameters (RFC 2231), always in UTF-8. */

/** Room for the encoded text in an encoded word of at most 75 characters: `=?UTF-8?B?` and `?=` take 12. */
const wordRoom = 63
/** RFC 2047 §5 (3): what may stand for itself in an encoded word wherever it is used. */
const plainInWord = /[A-Za-z0-9!*+/-]/

/**
 * Text for an unstructured field such as Subject: as it is when it is printable ASCII, else as encoded words joined
 * by spaces. Not folded: see {@link foldField}.
 */
export function encodeWords(text: string): string {
  const line = text.replace(/[\x00-\x1f\x7f]+/g, ' ')
  return /^[\x20-\x7e]*$/.test(line) && !line.includes('=?') ? line : encodePhrase(line)
}

/** Text as encoded words joined by spaces, whether it needs it or not; each holds whole characters only. */
export function encodePhrase(text: string): string {
  const foreign = text.match(/[^\x20-\x7e]/gu)?.length ?? 0
  const base64 = foreign * 3 > text.length
  const words: string[] = []
  let word = ''
  let room = 0
  for (const char of text) {
    const size = base64 ? Buffer.byteLength(char) * (4 / 3) : encodeQ(char).length
    if (word !== '' && size > room) {
      words.push(word)
      word = ''
    }
    if (word === '') room = base64 ? 60 : wordRoom
    word += char
    room -= size
  }
  if (word !== '') words.push(word)
  return words
    .map(part =>
      base64 ? `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=` : `=?UTF-8?Q?${encodeQ(part)}?=`,
    )
    .join(' ')
}

function encodeQ(text: string): string {
  let encoded = ''
  for (const char of text) {
    if (plainInWord.test(char)) encoded += char
    else if (char === ' ') encoded += '_'
    else encoded += hex(char, '=')
  }
  return encoded
}

const digits = Array.from({ length: 256 }, (_, octet) => octet.toString(16).toUpperCase().padStart(2, '0'))

function hex(char: string, sign: string): string {
  const code = char.charCodeAt(0)
  if (code < 128) return `${sign}${digits[code]}`
  return [...Buffer.from(char)].map(octet => `${sign}${digits[octet]}`).join('')
}

/**
 * A parameter of a Content-* field: `name=token`, `name="text"`, or for text beyond ASCII, or longer than a line,
 * the segments of RFC 2231 separated by `; `.
 */
export function encodeParameter(name: string, value: string): string {
  const line = value.replace(/[\x00-\x1f\x7f]+/g, ' ')
  if (/^[\x20-\x7e]*$/.test(line) && line.length + name.length <= 70) {
    return /^[\w!#$&+.^`{|}~-]+$/.test(line)
      ? `${name}=${line}`
      : `${name}="${line.replace(/["\\]/g, '\\$&')}"`
  }
  const segments = ["utf-8''"]
  for (const char of line) {
    const encoded =
      /[A-Za-z0-9!#$&+.^_`{|}~-]/.test(char) && char.length === 1 && char < '\x7f' ? char : hex(char, '%')
    const last = segments.length - 1
    if ((segments[last] ?? '').length + encoded.length > 60) segments.push(encoded)
    else segments[last] += encoded
  }
  if (segments.length === 1) return `${name}*=${segments[0]}`
  return segments.map((segment, index) => `${name}*${index}*=${segment}`).join('; ')
}

/**
 * A whole header field with its line ends, folded at spaces so that lines have 78 characters where the text has
 * spaces enough (RFC 5322 §2.1.1). A word longer than a line stays whole; line ends in the value become spaces, so
 * that no value adds a field.
 */
export function foldField(name: string, value: string, lineEnd = '\r\n'): string {
  const [first = '', ...words] = value
    .replace(/[\0\r\n]+/g, ' ')
    .trim()
    .split(/(?<=\S)(?=[ \t])/)
  const lines: string[] = []
  let line = `${name}: ${first}`
  // A word comes with the space before it, so no line is nothing but space, which would end the header for some.
  for (const word of words) {
    if (line.length + word.length > 78) {
      lines.push(line)
      line = word
    } else line += word
  }
  return [...lines, line].join(lineEnd) + lineEnd
}
