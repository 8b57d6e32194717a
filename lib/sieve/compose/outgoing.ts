/** Mail that a script sends, as data: who hands it to a queue is somebody else. */
import { encodeWords, foldField } from '../../message/encode.js'

export interface Outgoing {
  /** Envelope sender; empty for the null reverse-path. */
  readonly from: string
  readonly to: readonly string[]
  /** The message, its lines ended by CRLF. */
  readonly data: Buffer
  /** NOTIFY of RFC 3461: `NEVER`, or some of `SUCCESS,FAILURE,DELAY`; absent: the queue's default. */
  readonly notify?: string
  readonly ret?: 'FULL' | 'HDRS'
  readonly by?: { readonly time: string; readonly mode: 'N' | 'R'; readonly trace: boolean }
}

/** What composing needs beside the action: the rest is in the context. */
export interface Making {
  /** What no other message is called: the left side of a Message-ID, and part of boundaries. */
  readonly unique: string
}

export const CRLF = '\r\n'

/** A header of fields in order; those whose value is undefined are left out. */
export function header(fields: readonly (readonly [name: string, value: string | undefined])[]): string {
  return fields.map(([name, value]) => (value === undefined ? '' : foldField(name, value))).join('')
}

/** Text for an unstructured field. */
export function unstructured(text: string, longest = 998): string {
  const line = text.replace(/[\0-\x1f\x7f]+/g, ' ').trim()
  return encodeWords([...line].slice(0, longest).join(''))
}

/** Text as the content of a text/plain part: its header, and its lines. Lines too long for SMTP are quoted-printable. */
export function plainPart(text: string): string {
  const lines = text.replace(/\r?\n/g, CRLF)
  const ascii = /^[\0-\x7f]*$/.test(lines)
  const long = lines.split(CRLF).some(line => Buffer.byteLength(line) > 990)
  const encoding = long ? 'quoted-printable' : ascii ? '7bit' : '8bit'
  const head = header([
    ['Content-Type', `text/plain; charset=${ascii ? 'us-ascii' : 'utf-8'}`],
    ['Content-Transfer-Encoding', encoding],
  ])
  return `${head}${CRLF}${long ? quoted(lines) : lines}`
}

/** RFC 2045 §6.7. */
function quoted(text: string): string {
  return text
    .split(CRLF)
    .map(line => {
      const encoded = [...Buffer.from(line)].map((octet, i, all) => quoteOctet(octet, i === all.length - 1))
      let length = 0
      return encoded
        .map(piece => {
          length += piece.length
          if (length <= 75) return piece
          length = piece.length
          return `=${CRLF}${piece}`
        })
        .join('')
    })
    .join(CRLF)
}

function quoteOctet(octet: number, last: boolean): string {
  const plain = (octet >= 33 && octet <= 126 && octet !== 61) || ((octet === 32 || octet === 9) && !last)
  return plain ? String.fromCharCode(octet) : `=${octet.toString(16).toUpperCase().padStart(2, '0')}`
}

/** A multipart's content: its parts between boundaries. */
export function multipart(boundary: string, parts: readonly string[]): string {
  return `${parts.map(part => `--${boundary}${CRLF}${part}${CRLF}`).join('')}--${boundary}--${CRLF}`
}
