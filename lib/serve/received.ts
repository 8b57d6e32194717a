/** What a mail server writes into a header: the Received line, and what a sender's program left out. */
import { formatDate } from '../message/date.js'
import type { Head } from '../message/head.js'
import type { Peer } from '../smtp/session.js'

export interface ReceivedOptions {
  readonly hostname: string
  readonly id: string
  readonly peer: Peer
  /** Written where there is one recipient only: others might be blind copies. */
  readonly recipient: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

/** The Received line (RFC 5321 §4.4), with its LF. */
export function receivedLine(options: ReceivedOptions): string {
  const { hostname, id, peer, recipient, now } = options
  const address = peer.address === '' ? 'local socket' : addressLiteral(peer.address)
  const tls = peer.tls === undefined ? '' : `\n\t(using ${peer.tls})`
  const whom = recipient === undefined ? '' : `\n\tfor <${recipient}>`
  return (
    `Received: from ${peer.helo === '' ? 'unknown' : peer.helo} (${address})${tls}\n` +
    `\tby ${hostname} (Postern) with ${peer.protocol} id ${id}${whom};\n` +
    `\t${localDate(now)}\n`
  )
}

function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`
}

let zoned: { readonly second: number; readonly text: string } | undefined

/** A date in this machine's zone; made once a second. */
export function localDate(now: number): string {
  const second = Math.floor(now / 1000)
  if (zoned?.second !== second) zoned = { second, text: formatDate(now, -new Date(now).getTimezoneOffset()) }
  return zoned.text
}

export interface MissingOptions {
  readonly hostname: string
  readonly id: string
  /** The envelope's sender; empty for a bounce. */
  readonly sender: string
  readonly fullName: string | undefined
  readonly now: number
}

/** The fields that RFC 5322 §3.6 asks for and a device forgot: Date, From, and a Message-ID. */
export function missingFields(head: Head, options: MissingOptions): string {
  const { hostname, id, sender, fullName, now } = options
  let lines = ''
  if (!head.has('from') && sender !== '') lines += `From: ${nameAddress(fullName, sender)}\n`
  if (!head.has('date')) lines += `Date: ${localDate(now)}\n`
  if (!head.has('message-id')) lines += `Message-ID: <${id}@${hostname}>\n`
  return lines
}

/** `Ann Example <ann@x.example>`; a name that would need encoding is left out. */
function nameAddress(name: string | undefined, address: string): string {
  if (name === undefined || !/^[\x20-\x7e]+$/.test(name)) return address
  const phrase = /^[\w !#$%&'*+/=?^`{|}~-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`
  return `${phrase} <${address}>`
}
