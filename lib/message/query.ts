/**
 * A search, as IMAP's SEARCH, SORT and THREAD ask for it (RFC 3501 §6.4.4), decoded: strings are Unicode, dates are
 * days, flags are bits. The protocol makes it, the mailbox evaluates it, and neither knows the other.
 */

/**
 * Numbers as ranges `[first, last]`, first ≤ last, in any order and possibly overlapping. `*` has been replaced by
 * the largest number in use.
 */
export type NumberSet = readonly (readonly [first: number, last: number])[]

/** Fields whose decoded text is searched for a substring, without case. */
export type TextField = 'from' | 'to' | 'cc' | 'bcc' | 'subject'

/** On which day something was: days since 1970-01-01, see {@link parseDay} and {@link dayOf} in date.ts. */
export type DayKey =
  | 'since'
  | 'before'
  | 'on' // by the internal date
  | 'sentsince'
  | 'sentbefore'
  | 'senton' // by the Date field, in its own zone
  | 'savedsince'
  | 'savedbefore'
  | 'savedon' // by when it came into this mailbox (RFC 8514)

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'and'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'or'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'not'; readonly key: SearchKey }
  /** Sequence numbers as the asking session counts them. */
  | { readonly kind: 'seq'; readonly set: NumberSet }
  | { readonly kind: 'uid'; readonly set: NumberSet }
  /** A bit of Flag; UNSEEN is `not` of it. */
  | { readonly kind: 'flag'; readonly flag: number }
  | { readonly kind: 'keyword'; readonly keyword: string }
  /** `\Recent` in the asking session; NEW and OLD are made of it. */
  | { readonly kind: 'recent' }
  | { readonly kind: TextField; readonly value: string }
  /** Any field; an empty value asks whether the field is there. */
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  /** Decoded text of the body's text parts; `text` looks into the header too. */
  | { readonly kind: 'body' | 'text'; readonly value: string }
  | { readonly kind: DayKey; readonly day: number }
  /** Octets on the wire: strictly larger, strictly smaller. */
  | { readonly kind: 'larger' | 'smaller'; readonly size: number }
  /** By the internal date, in seconds before now (RFC 5032 WITHIN). */
  | { readonly kind: 'older' | 'younger'; readonly seconds: number }
  /** Changed at this MODSEQ or later (RFC 7162 §3.1.5). */
  | { readonly kind: 'modseq'; readonly modseq: number }
  /** RFC 8474 §4.2. */
  | { readonly kind: 'emailid' | 'threadid'; readonly id: string }

/** What a search orders its result by (RFC 5256 §3); `display` keys are RFC 5957's. */
export type SortField =
  | 'arrival'
  | 'cc'
  | 'date'
  | 'displayfrom'
  | 'displayto'
  | 'from'
  | 'size'
  | 'subject'
  | 'to'

export interface SortKey {
  readonly field: SortField
  readonly reverse: boolean
}

/** How threads are found (RFC 5256 §3, draft-ietf-morg-inthread). */
export type ThreadAlgorithm = 'orderedsubject' | 'references' | 'refs'

/** Whether answering needs the messages themselves, not only what the mailbox holds in memory. */
export function readsMessages(key: SearchKey): boolean {
  switch (key.kind) {
    case 'and':
    case 'or':
      return key.keys.some(readsMessages)
    case 'not':
      return readsMessages(key.key)
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
    case 'subject':
    case 'header':
    case 'body':
    case 'text':
    case 'sentsince':
    case 'sentbefore':
    case 'senton':
    case 'emailid':
    case 'threadid':
      return true
    default:
      return false
  }
}
