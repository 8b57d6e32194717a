/** Undoing a Content-Transfer-Encoding (RFC 2045 §6). What is not valid is passed over, never refused. */

const LF = 10
const CR = 13
const EQUALS = 61

/**
 * The octets of a part's body as they were before they were encoded.
 *
 * @param encoding in lower case; any but base64 and quoted-printable leaves the octets as they are
 * @param room where the result may be put, for those who need it no longer than until the next call
 */
export function decodeTransfer(octets: Buffer, encoding: string, room?: Buffer): Buffer {
  if (encoding === 'base64') return decodeBase64(octets)
  return encoding === 'quoted-printable' ? decodeQuotedPrintable(octets, room) : octets
}

/** Node passes over line ends and strange characters by itself, but ends at a "=": texts put together have more. */
function decodeBase64(octets: Buffer): Buffer {
  const text = octets.toString('latin1')
  const padding = text.indexOf('=')
  if (padding < 0 || !/[A-Za-z0-9+/]/.test(text.slice(padding))) return Buffer.from(text, 'base64')
  return Buffer.concat(text.split(/=+/).map(piece => Buffer.from(piece, 'base64')))
}

/** RFC 2045 §6.7: soft line ends go, space at the end of a line goes, "=XX" is an octet, any other "=" is itself. */
function decodeQuotedPrintable(octets: Buffer, room?: Buffer): Buffer {
  const { length } = octets
  const out = room && room.length >= length ? room : Buffer.allocUnsafe(length)
  let filled = 0
  // Space before this was encoded, and stays.
  let kept = 0
  for (let at = 0; at < length; at++) {
    const octet = octets[at]!
    if (octet === EQUALS) {
      const after = lineEndAfter(octets, at + 1)
      const value = after > 0 ? -1 : hexAt(octets, at + 1)
      if (after > 0) at = after - 1
      else if (value >= 0) {
        out[filled++] = value
        at += 2
      } else out[filled++] = octet
      kept = filled
    } else if (octet === LF || octet === CR) {
      while (filled > kept && (out[filled - 1] === 32 || out[filled - 1] === 9)) filled--
      out[filled++] = octet
      kept = filled
    } else out[filled++] = octet
  }
  return out.subarray(0, filled)
}

/** Where a line goes on after a soft line end, whose "=" may be followed by space; 0 when it is none. */
function lineEndAfter(octets: Buffer, start: number): number {
  let at = start
  while (octets[at] === 32 || octets[at] === 9) at++
  if (octets[at] === CR && octets[at + 1] === LF) return at + 2
  return octets[at] === LF || at >= octets.length ? at + 1 : 0
}

function hexAt(octets: Buffer, at: number): number {
  const high = hexDigit(octets[at])
  const low = hexDigit(octets[at + 1])
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexDigit(octet: number | undefined): number {
  if (octet === undefined) return -1
  if (octet >= 48 && octet <= 57) return octet - 48
  const letter = octet | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}
