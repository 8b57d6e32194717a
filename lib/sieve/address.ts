/** The addresses in header fields and envelopes, and the parts of them that tests look at (RFC 5228 §2.7.4). */
import { formatMailbox, parseAddressList } from '../message/address.js'
import type { Call } from './call.js'
import type { AddressPart } from './definition.js'
import { parseMailPath } from './mailbox-address.js'
import type { Run } from './run.js'
import type { Scope } from './scope.js'

/** An address, or what stands where one should. */
export interface PlainAddress {
  /** As `:all` sees it. */
  readonly all: string
  /** Undefined for what is no address: only `:all` matches that. */
  readonly local: string | undefined
  readonly domain: string | undefined
}

/** Compiles which part of an address is looked at; `:all` unless told. */
export function compileAddressPart(
  call: Call,
  scope: Scope,
): (address: PlainAddress, run: Run) => string | undefined {
  const name = call.chosen('address part')?.tag.name ?? 'all'
  return (scope.all('addressParts').find(part => part.name === name) ?? all).extract
}

export const all: AddressPart = { name: 'all', extract: address => address.all }

export const localpart: AddressPart = { name: 'localpart', extract: ({ local }) => local }

export const domain: AddressPart = { name: 'domain', extract: ({ domain }) => domain }

/**
 * The addresses of a header field's value; groups give their members. What is no address has no parts (RFC 5228
 * §2.7.4): alone in its field it is what `:all` sees, among others it is passed over. An empty field is the empty
 * string.
 */
export function addressesIn(value: string): readonly PlainAddress[] {
  if (value === '') return [{ all: '', local: undefined, domain: undefined }]
  const found = parseAddressList(value)
  const right = found.filter(({ mailbox, host }) => mailbox !== '' && host !== '')
  const [only] = found
  if (right.length === 0 && only && found.length === 1)
    return [{ all: value, local: undefined, domain: undefined }]
  return right.map(address => ({ all: formatMailbox(address), local: address.mailbox, domain: address.host }))
}

/** An envelope's path, without source route and brackets; undefined for the null path. */
export function parsePath(path: string): PlainAddress | undefined {
  const text = path.trim()
  if (text === '' || /^<\s*>$/.test(text)) return undefined
  const found = parseMailPath(text)
  if (!found) return { all: text, local: undefined, domain: undefined }
  const { local, domain } = found
  return { all: formatMailbox({ mailbox: local, host: domain ?? '' }), local, domain }
}

/** Fields that hold addresses: those of RFC 5322, of its extensions, and those that programs have come to send. */
export const addressFields: ReadonlySet<string> = new Set(
  `from to cc bcc sender reply-to resent-from resent-to resent-cc resent-bcc resent-sender resent-reply-to
  return-path delivered-to envelope-to x-envelope-to x-envelope-from x-original-to x-original-from x-delivered-to
  x-forwarded-to x-forwarded-for x-rcpt-to x-sender x-beenthere x-admin x-complaints-to x-report-abuse-to
  x-confirm-reading-to abuse-reports-to apparently-to apparently-resent-to approved author authors
  disposition-notification-to errors-to for-approval for-comment for-handling mail-followup-to mail-reply-to
  mail-copies-to original-recipient original-from original-sender read-receipt-to registered-mail-reply-requested-by
  return-receipt-to return-receipt-requested x-authenticated-sender`.split(/\s+/),
)
