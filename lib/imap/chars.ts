/** The character classes of RFC 3501 §9, as one table. */

/** ATOM-CHAR: neither ( ) { SP CTL % * " \ ] nor 8-bit. */
export const atomChar = 1
/** ASTRING-CHAR: ATOM-CHAR and ]. */
export const astringChar = 2
/** list-char: ASTRING-CHAR, % and *. */
export const listChar = 4
/** ASTRING-CHAR without +. */
export const tagChar = 8
/** What stands in a keyword: ASTRING-CHAR, since keywords with ] are met in the world. */
export const flagChar = 16
/** What the words of FETCH are made of, which run on into [ and <. */
export const keywordChar = 32

const classes = new Uint8Array(256)
for (let octet = 0x21; octet < 0x7f; octet++) {
  const char = String.fromCharCode(octet)
  if ('(){"\\'.includes(char)) continue
  let mask = listChar
  if (char !== '%' && char !== '*') {
    mask |= astringChar | flagChar
    if (char !== ']') mask |= atomChar
    if (char !== '+') mask |= tagChar
  }
  if (/[\w.-]/.test(char)) mask |= keywordChar
  classes[octet] = mask
}

/** Whether an octet belongs to any of the classes in `mask`. */
export function isOf(octet: number, mask: number): boolean {
  return ((classes[octet] as number) & mask) !== 0
}

/** Whether every character of a text belongs to one of the classes; false for the empty text. */
export function allOf(text: string, mask: number): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7e || !isOf(code, mask)) return false
  }
  return text !== ''
}
