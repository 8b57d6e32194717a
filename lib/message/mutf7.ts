/** Modified UTF-7, in which IMAP and Maildir++ write mailbox names (RFC 3501 §5.1.3). */

/** A mailbox name in modified UTF-7. Halves of characters, which have no form in it, become U+FFFD. */
export function encodeMutf7(name: string): string {
  if (/^[\x20-\x25\x27-\x7e]*$/.test(name)) return name
  return name
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/&|[^\x20-\x7e]+/g, run => (run === '&' ? '&-' : `&${encodeRun(run)}-`))
}

/**
 * The name that modified UTF-7 stands for, or undefined for what is not valid: 8-bit octets, control characters,
 * shifts that do not end or that follow one another, ASCII written in base64, halves of characters, stray bits.
 * Each name has thus one form only. A valid name may hold control characters, NUL too: whoever makes paths of
 * names must refuse them.
 */
export function decodeMutf7(text: string): string | undefined {
  if (/^[\x20-\x25\x27-\x7e]*$/.test(text)) return text
  const name = text.replace(/&([^&-]*)-/g, (_, run: string) => (run === '' ? '&' : decodeRun(run)))
  return encodeMutf7(name) === text ? name : undefined
}

function encodeRun(run: string): string {
  const utf16 = Buffer.from(run, 'utf16le').swap16()
  return utf16.toString('base64').replace(/=+$/, '').replaceAll('/', ',')
}

function decodeRun(run: string): string {
  const utf16 = Buffer.from(run.replaceAll(',', '/'), 'base64')
  return utf16
    .subarray(0, utf16.length & ~1)
    .swap16()
    .toString('utf16le')
}
