/** ENVELOPE (RFC 3501 §7.4.2): the fields of a header as the client need not parse them. */
import { type ListItem, parseGroups } from '../message/address.js'
import type { HeaderBlock } from '../message/header.js'
import { OctetWriter } from './encode.js'

/** More of a field is not looked at; no person writes to so many. */
const longestField = 256 * 1024

/** Appends `(date subject from sender reply-to to cc bcc in-reply-to message-id)`. */
export function writeEnvelope(out: OctetWriter, header: HeaderBlock): void {
  const fields = new Map<string, string>()
  for (const field of header.fields)
    if (names.has(field.key)) {
      const value = header.binary(field).slice(0, longestField)
      const before = fields.get(field.key)
      // Several To fields are sent, though they must not be (RFC 5322 §3.6); of the others the first counts.
      if (before === undefined) fields.set(field.key, value)
      else if (addressFields.has(field.key)) fields.set(field.key, `${before}, ${value}`)
    }
  out.text('(')
  writeText(out, fields.get('date'))
  out.text(' ')
  writeText(out, fields.get('subject'))
  const from = addressesOf(fields.get('from'))
  const orFrom = (octets: Buffer) => (octets === noAddresses ? from : octets)
  out.octets(from)
  out.octets(orFrom(addressesOf(fields.get('sender'))))
  // RFC 3501 §7.4.2: a Sender or Reply-To that is not there or is empty is the From.
  out.octets(orFrom(addressesOf(fields.get('reply-to'))))
  for (const name of ['to', 'cc', 'bcc']) out.octets(addressesOf(fields.get(name)))
  out.text(' ')
  writeText(out, fields.get('in-reply-to'))
  out.text(' ')
  writeText(out, fields.get('message-id'))
  out.text(')')
}

const addressFields = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'bcc'])
const names = new Set([...addressFields, 'date', 'subject', 'in-reply-to', 'message-id'])

/** An ENVELOPE of a message that cannot be read. */
export const emptyEnvelope = `(${Array(10).fill('NIL').join(' ')})`

const noAddresses = Buffer.from(' NIL')
/** Lists of addresses that were written lately, by the text of their field: the same people write again and again. */
const recent = new Map<string, Buffer>()
const mostRecent = 5_000
const longestRecent = 200

/** A list of addresses and a blank before it, as an ENVELOPE has it. */
function addressesOf(text: string | undefined): Buffer {
  if (text === undefined) return noAddresses
  const known = recent.get(text)
  if (known) return known
  const items = parseGroups(text)
  if (items.length === 0) return noAddresses
  const out = new OctetWriter(2 * text.length + 64)
  writeAddresses(out, items)
  const octets = out.take()
  if (text.length <= longestRecent) {
    if (recent.size >= mostRecent) recent.clear()
    recent.set(text, octets)
  }
  return octets
}

function writeText(out: OctetWriter, text: string | undefined): void {
  if (text === undefined) out.text('NIL')
  else out.binary(text)
}

function writeAddresses(out: OctetWriter, items: readonly ListItem[]): void {
  out.text(' (')
  for (const item of items) {
    if ('mailbox' in item) {
      out.text('(')
      writeText(out, item.name)
      out.text(' ')
      writeText(out, item.route)
      out.text(' ').binary(item.mailbox).text(' ').binary(item.host).text(')')
    } else if (item.group === undefined) out.text('(NIL NIL NIL NIL)')
    else out.text('(NIL NIL ').binary(item.group).text(' NIL)')
  }
  out.text(')')
}
