/**
 * Sender rewriting: a smarthost that lets us send from one address only gets that one, in the envelope and in From,
 * and the address it was is where replies go. Pure.
 */
import { type Address, formatAddress, formatMailbox, parseAddressList } from '../message/address.js'
import { readHeader } from '../message/header.js'
import { changeHeader } from '../message/rewrite.js'
import { domainOf } from './route.js'

export interface Rewriting {
  /** The only address a smarthost lets us send from; absent where it takes any. */
  readonly from?: string
  /** Addresses in the outside world by address here, or by `@domain`; in lower case. */
  readonly senders: ReadonlyMap<string, string>
  /** The domain of senders without one. */
  readonly domain: string
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
export function rewriteSender(header: Buffer, rewriting: Rewriting): Buffer {
  // Where any sender may send, several authors may.
  if (rewriting.from === undefined && rewriting.senders.size === 0) return header
  const block = readHeader(header)
  const text = block.first('from') ?? ''
  const senders = parseAddressList(text).map(each => ({ ...each, host: each.host || rewriting.domain }))
  const [first] = senders
  if (!first) return header
  const outside = outsideAddress(formatMailbox(first), rewriting)
  if (senders.every(each => formatMailbox(each).toLowerCase() === outside.toLowerCase())) return header
  const isFine = /^[\x20-\x7e]*$/.test(text) && parseAddressList(text).every(({ host }) => host !== '')
  const original = isFine ? text : senders.map(named).join(', ')
  const unlessThere = (name: string) => (block.find(name) ? [] : [{ set: name, value: original }])
  return changeHeader(header, () => [
    { remove: 'Sender' },
    { set: 'From', value: named({ name: first.name || formatMailbox(first), ...parts(outside) }) },
    ...unlessThere('Reply-To'),
    ...unlessThere('X-Original-From'),
  ])
}

type Named = Pick<Address, 'name' | 'mailbox' | 'host'>

/** An address with its name, which is kept as it was written, encoded words and all. */
function named(address: Named): string {
  const { name } = address
  const isEncoded = name && /^[\x20-\x7e]*=\?[\x20-\x7e]*$/.test(name)
  return isEncoded ? `${name} <${formatMailbox(address)}>` : formatAddress(address)
}

function parts(address: string): Pick<Address, 'mailbox' | 'host'> {
  const at = address.lastIndexOf('@')
  return { mailbox: address.slice(0, at), host: address.slice(at + 1) }
}
