/**
 * Sender rewriting: a smarthost that lets us send from one address only gets that one, in the envelope and in From,
 * and the address it was is where replies go. Pure.
 */
import { type Address, formatAddress, formatMailbox, parseAddressList } from '../message/address.js'
import { foldField } from '../message/encode.js'
import { readHeader } from '../message/header.js'
import { domainOf } from './route.js'

export interface Rewriting {
  /** The only address a smarthost lets us send from; absent where it takes any. */
  readonly from?: string
  /** Addresses in the outside world by address here, or by `@domain`; in lower case. */
  readonly senders: ReadonlyMap<string, string>
}

/**
 * The address that a sender has in the outside world: its own in the map, that of its domain, the smarthost's, or
 * itself.
 */
export function outsideAddress(address: string, { from, senders }: Rewriting): string {
  if (address === '') return ''
  const key = address.toLowerCase()
  const mapped = senders.get(key) ?? senders.get(`@${domainOf(key)}`) ?? from ?? address
  return mapped.toLowerCase() === key ? address : mapped
}

/**
 * Gives a header the sender it has outside: From keeps its name (or takes the old address for one), Reply-To, where
 * there is none, and X-Original-From get what it was; Sender goes, since it would show the address that may not be
 * shown. The very same buffer when nothing changes.
 *
 * @param header as stored, its empty line included
 */
export function rewriteHeader(header: Buffer, rewriting: Rewriting): Buffer {
  const block = readHeader(header)
  const field = block.find('from')
  if (!field) return header
  const original = block.value(field)
  const senders = parseAddressList(original)
  const [first] = senders
  if (!first) return header
  const outside = outsideAddress(formatMailbox(first), rewriting)
  if (senders.every(each => formatMailbox(each).toLowerCase() === outside.toLowerCase())) return header
  const lineEnd = header[field.end - 2] === CR ? '\r\n' : '\n'
  const lines = [
    foldField('From', withName(first, outside), lineEnd),
    ...(block.find('reply-to') ? [] : [foldField('Reply-To', original, lineEnd)]),
    ...(block.find('x-original-from') ? [] : [foldField('X-Original-From', original, lineEnd)]),
  ]
  const kept = (start: number, end: number) =>
    block.fields
      .filter(each => each.start >= start && each.end <= end && each.key !== 'sender' && each !== field)
      .map(each => header.subarray(each.start, each.end))
  return Buffer.concat([
    ...kept(0, field.start),
    Buffer.from(lines.join('')),
    ...kept(field.end, header.length),
    header.subarray(block.fields.at(-1)?.end ?? header.length),
  ])
}

const CR = 13

/** Keeps the name as it was written, encoded words and all; who had none is named by the old address. */
function withName(address: Address, outside: string): string {
  const name = address.name?.trim()
  if (!name) return `"${formatMailbox(address).replace(/["\\]/g, '\\$&')}" <${outside}>`
  if (/^[\x20-\x7e]*=\?[\x20-\x7e]*$/.test(name)) return `${name} <${outside}>`
  const at = outside.lastIndexOf('@')
  return formatAddress({ name, mailbox: outside.slice(0, at), host: outside.slice(at + 1) })
}
