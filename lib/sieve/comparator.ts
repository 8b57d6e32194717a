/** How strings are compared: RFC 5228 §2.7.3 and the collations of RFC 4790 and RFC 5051 that it names. */

export interface Comparator {
  readonly name: string
  /** Equal strings become the same string; parts of a string become parts of the result. */
  fold(text: string): string
  /** The order of two strings: negative, zero or positive. */
  compare(a: string, b: string): number
  /** Whether :contains and :matches have a meaning under it (RFC 4790 §9.1.1 denies it to numbers). */
  readonly substring: boolean
}

/** i;octet: the same octets. RFC 4790 §9.3. Code points sort as their UTF-8 octets do. */
export const octet: Comparator = {
  name: 'i;octet',
  substring: true,
  fold: text => text,
  compare: compareCodePoints,
}

/** i;ascii-casemap: as octets, after a-z became A-Z. RFC 4790 §9.2. The default of every test. */
export const asciiCasemap: Comparator = {
  name: 'i;ascii-casemap',
  substring: true,
  fold: foldAscii,
  compare: (a, b) => compareCodePoints(foldAscii(a), foldAscii(b)),
}

/** i;ascii-numeric: the number that a string begins with; one that begins with none is above all. RFC 4790 §9.1. */
export const asciiNumeric: Comparator = {
  name: 'i;ascii-numeric',
  substring: false,
  fold: text => number(text) ?? 'infinity',
  compare: (a, b) => compareNumbers(number(a), number(b)),
}

/** i;unicode-casemap: titlecase, then decomposed. RFC 5051 §2. */
export const unicodeCasemap: Comparator = {
  name: 'i;unicode-casemap',
  substring: true,
  fold: foldUnicode,
  compare: (a, b) => compareCodePoints(foldUnicode(a), foldUnicode(b)),
}

const allAscii = /^[\0-\x7f]*$/

function foldAscii(text: string): string {
  return allAscii.test(text) ? text.toUpperCase() : text.replace(/[a-z]+/g, letters => letters.toUpperCase())
}

/** RFC 5051 asks for simple titlecase; upper case after decomposition tells the same strings apart but for a few digraphs. */
function foldUnicode(text: string): string {
  return text.normalize('NFKD').toUpperCase().normalize('NFKD')
}

/** The leading digits without leading zeros; undefined when there are none. */
function number(text: string): string | undefined {
  return /^0*(?=\d)(\d+)/.exec(text)?.[1]
}

function compareNumbers(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return a.length - b.length || (a < b ? -1 : Number(a > b))
}

/** UTF-16 sorts astral characters before U+E000; UTF-8, and so RFC 4790, after it. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
