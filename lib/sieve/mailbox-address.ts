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

/**
 * Reads a path of an envelope, with or without brackets, its source route passed over (RFC 5321 §4.1.2). A local part
 * alone is one too: `<postmaster>`.
 */
export function parseMailPath(
  text: string,
): { readonly local: string; readonly domain: string | undefined } | undefined {
  const all = text.length > 2000 ? undefined : tokenise(text)
  if (!all) return undefined
  const bracketed = isMark(all[0], '<')
  if (bracketed !== isMark(all.at(-1), '>')) return undefined
  const inside = bracketed ? all.slice(1, -1) : all
  const colon = inside.findIndex(token => isMark(token, ':'))
  if (colon >= 0 && !isRoute(inside.slice(0, colon))) return undefined
  const rest = inside.slice(colon + 1)
  const only = rest.length === 1 ? rest[0] : undefined
  if (only?.kind === 'atom' || only?.kind === 'quoted')
    return { local: only.kind === 'quoted' ? unquote(only.text) : only.text, domain: undefined }
  return address(rest, undefined)
}

function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === 'mark' && token.text === text
}

/** `@one,@two`: domains that old mail was to go by. */
function isRoute(tokens: readonly Token[]): boolean {
  const hops: Token[][] = [[]]
  for (const token of tokens)
    if (isMark(token, ',')) hops.push([])
    else hops.at(-1)?.push(token)
  return hops.every(([at, ...domain]) => isMark(at, '@') && isDomain(join(domain, 'literal')))
}

function isDomain(text: string | undefined): boolean {
  return text !== undefined && /^(?:\[.*\]|[^.]+(?:\.[^.]+)*)$/.test(text)
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
  if (local === undefined || domain === undefined || !isDomain(domain)) return undefined
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
