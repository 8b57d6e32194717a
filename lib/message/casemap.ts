/**
 * The collation i;unicode-casemap (RFC 5051), by which SORT and THREAD compare texts (RFC 5256 §7): each character in
 * title case and taken apart, and what comes out ordered as its UTF-8 octets are.
 *
 * Hangul syllables are taken apart too, as Unicode's own rules do and UnicodeData.txt does not list: a subject is the
 * same whether it came composed or from macOS.
 */

/** Letters that have a third form, in which they begin a word: upper, title and lower case of each. */
const digraphs = new Map(
  ['Ǆǅǆ', 'Ǉǈǉ', 'Ǌǋǌ', 'Ǳǲǳ'].flatMap(forms => [...forms].map(form => [form, forms.charAt(1)])),
)

/** A text in the form in which equal texts are the same string. {@link compareCasemapped} orders such. */
export function casemap(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text.toUpperCase()
  let mapped = ''
  for (const char of text) mapped += char < '\x80' ? char.toUpperCase() : titleOf(char).normalize('NFKD')
  return mapped
}

/** The simple title case of one character, as UnicodeData.txt lists it: always one character. */
function titleOf(char: string): string {
  const digraph = digraphs.get(char)
  if (digraph !== undefined) return digraph
  // Georgian has capitals, and does not begin words with them.
  if (/[\u10d0-\u10ff]/.test(char)) return char
  const upper = char.toUpperCase()
  if (upper.length <= char.length) return upper
  const code = char.codePointAt(0) as number
  // Greek with iota below: upper case writes the iota beside it, title case keeps it.
  if (code >= 0x1f80 && code <= 0x1faf && (code & 8) === 0) return String.fromCodePoint(code + 8)
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9)
  return char
}

/** Orders by the UTF-8 octets, which is by code points; both texts mapped already. */
export function compareCasemapped(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const difference = inOrder(a.charCodeAt(at)) - inOrder(b.charCodeAt(at))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Surrogates stand for characters above all others. */
function inOrder(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
