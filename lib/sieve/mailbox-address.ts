/** One address to send to, as a script's author wrote it: unlike what stands in a message's header, it must be right. */

export interface MailAddress {
  readonly name: string | undefined
  /** Without quotes. */
  readonly local: string
  readonly domain: string
  /** `local@domain`, the local part quoted where it has to be. */
  readonly address: string
}

const atom = /[^\s()<>@,;:\\"[\]\0-\x1f\x7f]+/y
const tokens = [
  ['space', /\s+/y],
  ['comment', /\((?:[^()\\]|\\[\s\S])*\)/y],
  ['atom', atom],
  ['quoted', /"(?:[^"\\]|\\[\s\S])*"/y],
  ['literal', /\[[^[\]\s]*\]/y],
  ['mark', /[<>@,;:]/y],
] as const

interface Token {
  readonly kind: 'atom' | 'quoted' | 'literal' | 'mark'
  readonly text: string
}

/** Reads `user@example.org` or `A Name <user@example.org>`. @returns undefined for what is not exactly one address */
export function parseMailAddress(text: string): MailAddress | undefined {
  // A control character in an address could end the header field it comes to stand in.
  const unsafe = text.length > 2000 || /[\0-\x08\x0a-\x1f\x7f]/.test(text)
  const all = unsafe ? undefined : tokenise(text)
  if (!all) return undefined
  const open = all.findIndex(token => token.text === '<' && token.kind === 'mark')
  if (open < 0) return address(all, undefined)
  const phrase = all.slice(0, open)
  if (all.at(-1)?.text !== '>' || phrase.some(token => token.kind === 'mark' || token.kind === 'literal'))
    return undefined
  const name = phrase.map(token => (token.kind === 'quoted' ? unquote(token.text) : token.text)).join(' ')
  return address(all.slice(open + 1, -1), name === '' ? undefined : name)
}

function tokenise(text: string): Token[] | undefined {
  const found: Token[] = []
  for (let at = 0; at < text.length; ) {
    const next = tokens.flatMap(([kind, pattern]) => {
      pattern.lastIndex = at
      const match = pattern.exec(text)?.[0]
      return match === undefined ? [] : [{ kind, text: match }]
    })[0]
    if (!next) return undefined
    if (next.kind !== 'space' && next.kind !== 'comment') found.push(next as Token)
    at += next.text.length
  }
  return found
}

function address(tokens: readonly Token[], name: string | undefined): MailAddress | undefined {
  const sign = tokens.findIndex(token => token.kind === 'mark')
  if (tokens[sign]?.text !== '@') return undefined
  const local = join(tokens.slice(0, sign), 'quoted')
  const domain = join(tokens.slice(sign + 1), 'literal')
  if (local === undefined || domain === undefined || !/^(?:\[.*\]|[^.]+(?:\.[^.]+)*)$/.test(domain))
    return undefined
  const plain = /^[^\s()<>@,;:\\"[\]]+$/.test(local)
  const written = plain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`
  return { name, local, domain, address: `${written}@${domain}` }
}

/** Words that a dot joins, as old mail may write them with space around it (RFC 5322 §4.4). */
function join(tokens: readonly Token[], also: 'quoted' | 'literal'): string | undefined {
  let whole = ''
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'atom' && token.kind !== also) return undefined
    if (i > 0 && !whole.endsWith('.') && !token.text.startsWith('.')) return undefined
    whole += token.kind === 'quoted' ? unquote(token.text) : token.text
  }
  return whole === '' && tokens.length === 0 ? undefined : whole
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\([\s\S])/g, '$1')
}
