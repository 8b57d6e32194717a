/**
 * What sorting and threading ask of a header: the texts that messages are ordered by, the date, and who answers whom.
 *
 * Of Message-IDs there are 64-bit hashes: nothing is asked of them but whether two are the same. Who wants his message
 * in a thread need not find two with the same hash: he can name any Message-ID he likes.
 */
import { parseGroups } from '../message/address.js'
import { casemap } from '../message/casemap.js'
import { parseDate } from '../message/date.js'
import type { HeaderBlock } from '../message/header.js'
import { messageIds } from '../message/message-id.js'
import { baseSubject } from '../message/subject.js'
import { decodeWords } from '../message/words.js'

/** The texts of a headline, in their order, each in the form that casemap() gives. */
export const headlineTexts = ['subject', 'from', 'to', 'cc', 'displayfrom', 'displayto'] as const
export type HeadlineText = (typeof headlineTexts)[number]

/** A Message-ID: the lower and the upper half of its hash; 0, 0 for none. */
export type IdHash = readonly [low: number, high: number]

export interface Headline {
  /** In the order of {@link headlineTexts}. */
  readonly texts: readonly string[]
  /** Seconds since 1970, UTC; NaN when there is no date (RFC 5256 §2.2). */
  readonly sent: number
  /** Whether the subject says that it is a reply or forwarded. */
  readonly isReply: boolean
  readonly id: IdHash
  /** The messages it answers, the oldest first. */
  readonly references: readonly IdHash[]
}

/** What is compared of a text: more makes no difference that anybody sees. */
const longestText = 1_000
/** More of a field is not looked at. */
const longestField = 64 * 1024
/** Of a long list of references the first and the last count, as in what other programs cut (RFC 5537 §3.4.4). */
const mostReferences = 100
const noId: IdHash = [0, 0]

export function makeHeadline(header: HeaderBlock): Headline {
  const subject = baseSubject(decoded(valuesOf(header, 'subject')[0] ?? ''))
  const [from, displayFrom] = firstAddress(header, 'from')
  const [to, displayTo] = firstAddress(header, 'to')
  const [cc] = firstAddress(header, 'cc')
  const date = parseDate(header.first('Date') ?? '')
  return {
    texts: [subject.text, from, to, cc, displayFrom, displayTo].map(text =>
      casemap(text).slice(0, longestText),
    ),
    sent: date ? Math.floor(date.utc / 1000) : Number.NaN,
    isReply: subject.isReply,
    id: hashOf(messageIds(valuesOf(header, 'message-id')[0] ?? '')[0]),
    references: referencesOf(header).map(hashOf),
  }
}

/** One character an octet, unfolded. */
function valuesOf(header: HeaderBlock, key: string): string[] {
  return header.fields
    .filter(field => field.key === key)
    .map(field => header.binary(field).slice(0, longestField))
}

function decoded(binary: string): string {
  return decodeWords(Buffer.from(binary, 'latin1'))
}

/**
 * The mailbox of the first address of a field (RFC 5256 §3), and what is shown of it (RFC 5957 §3). A group counts as
 * an address whose mailbox is its name, as in ENVELOPE.
 */
function firstAddress(header: HeaderBlock, key: string): [mailbox: string, display: string] {
  for (const value of valuesOf(header, key)) {
    const [item] = parseGroups(value)
    if (!item) continue
    if (!('mailbox' in item)) return [decoded(item.group ?? ''), decoded(item.group ?? '')]
    const mailbox = decoded(item.mailbox)
    const name = decoded(item.name ?? '')
    if (name !== '') return [mailbox, name]
    return [mailbox, mailbox !== '' && item.host !== '' ? `${mailbox}@${decoded(item.host)}` : mailbox]
  }
  return ['', '']
}

/** RFC 5256 §3: those of References, else the first of In-Reply-To. */
function referencesOf(header: HeaderBlock): string[] {
  const references = messageIds(valuesOf(header, 'references')[0] ?? '')
  if (references.length === 0) return messageIds(valuesOf(header, 'in-reply-to')[0] ?? '').slice(0, 1)
  if (references.length <= mostReferences) return references
  return [...references.slice(0, 1), ...references.slice(1 - mostReferences)]
}

/** Two rounds of multiplying and mixing over the characters, seeded apart. */
function hashOf(id: string | undefined): IdHash {
  if (id === undefined) return noId
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at)
    low = Math.imul(low ^ code, 0x9e3779b1)
    high = Math.imul(high ^ code, 0x5f356495)
    low = (low << 13) | (low >>> 19)
    high = (high << 17) | (high >>> 15)
  }
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35)
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)
  // 0, 0 means that there is none.
  return low === 0 && high === 0 ? [1, 0] : [low >>> 0, high >>> 0]
}
