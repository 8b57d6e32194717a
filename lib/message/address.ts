/**
 * Addresses as header fields hold them (RFC 5322 §3.4, §4.4), and as the world sends them: names that need quotes
 * and have none, missing commas and brackets, words that are no address at all. Parsing takes time in proportion
 * to the text and never throws. Names are left as written, encoded words and all: see decodeWords() of words.ts.
 */
import { type Token, Tokens } from './address-tokens.js'
import { encodePhrase } from './encode.js'

export interface Address {
  /** The display name, or else the comment beside the address; without its quotes. */
  readonly name: string | undefined
  /** The source route of old mail, such as `@a,@b` (RFC 5322 §4.4): the adl of IMAP's ENVELOPE. */
  readonly route: string | undefined
  /** The local part without its quotes; empty when there is none. */
  readonly mailbox: string
  /** The domain, or an address literal in its brackets; empty when there is none (`From: root`). */
  readonly host: string
}

/** One element of a list, as IMAP's ENVELOPE lists them: an address, or the start or the end of a group. */
export type ListItem = Address | { readonly group: string } | { readonly group: undefined }

/** The addresses of a field such as To, those within groups too. */
export function parseAddressList(text: string): Address[] {
  return parseGroups(text).filter(item => 'mailbox' in item)
}

/** The addresses of a field and the groups they are in. */
export function parseGroups(text: string): ListItem[] {
  return new ListParser(text).parse()
}

/**
 * Reads one address that mail can be sent to, with or without a display name.
 *
 * @returns undefined for anything else, several addresses too
 */
export function parseAddress(text: string): Address | undefined {
  const [address, more] = parseGroups(text)
  return address && 'mailbox' in address && !more && isValid(address) ? address : undefined
}

/** Whether mail can be sent to an address as it stands: a local part, and a domain or an address literal. */
export function isValid({ mailbox, host }: Pick<Address, 'mailbox' | 'host'>): boolean {
  if (mailbox === '' || mailbox.length > 256 || /[\x00-\x1f\x7f]/.test(mailbox)) return false
  if (host.length > 255) return false
  if (host.startsWith('[')) return /^\[[\w.:-]+\]$/.test(host)
  return /^[\w\u0080-\u{10ffff}-]+(\.[\w\u0080-\u{10ffff}-]+)*$/u.test(host)
}

/** An address as the protocols write it, `local@domain`, the local part in quotes where it needs them. */
export function formatMailbox({ mailbox, host: written }: Pick<Address, 'mailbox' | 'host'>): string {
  // What was read may hold anything, and must not end the line that it is put into.
  const host = written.replace(/[\x00-\x1f\x7f]+/g, '')
  const local = /^[^\s()<>[\]:;@\\,."\x00-\x1f\x7f]+(\.[^\s()<>[\]:;@\\,."\x00-\x1f\x7f]+)*$/.test(mailbox)
    ? mailbox
    : quote(mailbox)
  return host === '' ? local : `${local}@${host}`
}

/** An address for a header field, its name in quotes or as encoded words where it needs them; not folded. */
export function formatAddress(address: Pick<Address, 'name' | 'mailbox' | 'host'>): string {
  const mailbox = formatMailbox(address)
  const name = address.name?.replace(/[\x00-\x1f\x7f]+/g, ' ').trim()
  if (!name) return mailbox
  if (/[^\x00-\x7f]/.test(name) || name.includes('=?')) return `${encodePhrase(name)} <${mailbox}>`
  return `${/^[\w!#$%&'*+/=?^`{|}~ -]+$/.test(name) ? name : quote(name)} <${mailbox}>`
}

function quote(text: string): string {
  return `"${text.replace(/[\x00-\x1f\x7f]+/g, ' ').replace(/["\\]/g, '\\$&')}"`
}

class ListParser {
  readonly #tokens: Tokens
  readonly #items: ListItem[] = []

  constructor(text: string) {
    this.#tokens = new Tokens(text)
  }

  parse(): ListItem[] {
    let words: Token[] = []
    let angle: Token[] | undefined
    let after: Token[] = []
    let inGroup = false
    for (;;) {
      const token = this.#tokens.next()
      if (!token || token.kind === ',' || token.kind === ';') {
        this.#add(words, angle)
        words = []
        after = []
        angle = undefined
        if (inGroup && token?.kind !== ',') this.#items.push({ group: undefined })
        if (token?.kind === ';') inGroup = false
        if (!token) return this.#items
      } else if (token.kind === ':' && !inGroup && !angle && !words.some(word => word.kind === '@')) {
        this.#items.push({ group: phrase(words) ?? '' })
        this.#tokens.takeComment()
        words = []
        inGroup = true
      } else if (token.kind === '<') {
        // A second one without a comma before it starts the next address.
        if (angle) {
          this.#add(words, angle)
          words = after
          after = []
        }
        angle = this.#angle()
      } else if (angle) after.push(token)
      else words.push(token)
    }
  }

  /** Reads what stands between < and >, or to a comma or the end where > is missing. */
  #angle(): Token[] {
    const tokens: Token[] = []
    for (;;) {
      const before = this.#tokens.at
      const token = this.#tokens.next()
      const routed = tokens[0]?.kind === '@'
      if (!token || token.kind === '>') return tokens
      if (token.kind === '<' || (token.kind === ',' && !routed)) {
        this.#tokens.at = before
        return tokens
      }
      tokens.push(token)
    }
  }

  #add(words: Token[], angle: Token[] | undefined): void {
    const comment = this.#tokens.takeComment()
    if (angle) {
      const colon = angle[0]?.kind === '@' ? angle.findIndex(token => token.kind === ':') : -1
      const route = colon < 0 ? undefined : joined(angle.slice(0, colon), '')
      this.#items.push(address(angle.slice(colon + 1), phrase(words) ?? comment, route))
    } else if (words.length > 0) {
      const { name, spec } = splitBare(words)
      this.#items.push(address(spec, phrase(name) ?? comment, undefined))
    }
  }
}

/** Text of tokens, with `between` where white space stood between two of them. */
function joined(tokens: readonly Token[], between: string): string {
  return tokens.map(({ text, space }, index) => (space && index > 0 ? between + text : text)).join('')
}

function phrase(words: readonly Token[]): string | undefined {
  return joined(words, ' ') || undefined
}

/** The address in tokens: what comes before the last @, and what comes after it. */
function address(tokens: readonly Token[], name: string | undefined, route: string | undefined): Address {
  const at = tokens.findLastIndex(token => token.kind === '@')
  if (at < 0) return { name, route, mailbox: joined(tokens, ''), host: '' }
  return { name, route, mailbox: joined(tokens.slice(0, at), ''), host: joined(tokens.slice(at + 1), '') }
}

/**
 * Parts an address without brackets from words beside it: the address is the last run of tokens that has an @ in
 * it and no space but around @ and dots. A single word is a local name, several are a display name alone.
 */
function splitBare(tokens: readonly Token[]): { name: readonly Token[]; spec: readonly Token[] } {
  const isWord = (token: Token | undefined) => token?.kind === 'word' || token?.kind === 'quoted'
  const starts = tokens.flatMap((token, index) =>
    index === 0 || (token.space && isWord(token) && isWord(tokens[index - 1])) ? [index] : [],
  )
  const at = tokens.findLastIndex(token => token.kind === '@')
  if (at < 0) return starts.length === 1 ? { name: [], spec: tokens } : { name: tokens, spec: [] }
  const start = starts.findLast(index => index <= at) ?? 0
  const end = starts.find(index => index > at) ?? tokens.length
  return { name: [...tokens.slice(0, start), ...tokens.slice(end)], spec: tokens.slice(start, end) }
}
