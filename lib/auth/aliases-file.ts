/**
 * The aliases file, as sendmail and Postfix write it (aliases(5)):
 *
 *     # a comment
 *     postmaster: alice
 *     sales: alice, bob+sales,
 *         carol@example.net           a line that begins with white space goes on with the last
 *     shop@example.internal: alice    only in that domain
 *     @example.internal: bob          whatever nobody else in that domain is
 *
 * On the right may also stand `\alice` (the mailbox, whatever aliases say), `Name <address>`, `@domain` (the same local
 * part there), `/dev/null`, and `:include:/path`, a file of further ones. Programs and other files are not delivered to.
 */
import { fold, foldDomain } from './name.js'

export type Target =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'mailbox'; readonly address: string }
  | { readonly kind: 'include'; readonly path: string }
  | { readonly kind: 'discard' }
  | { readonly kind: 'program' | 'file'; readonly text: string }

/** One alias, with the lines of the file that it stands on: from `start`, counted from 0, up to but not with `end`. */
export interface AliasEntry {
  /** As written, without quotes. */
  readonly name: string
  readonly targets: readonly Target[]
  readonly start: number
  readonly end: number
}

export interface AliasesFile {
  readonly entries: readonly AliasEntry[]
  /** Lines that mean nothing, counted from 1. */
  readonly problems: readonly { readonly line: number; readonly reason: string }[]
}

/** Reads a whole file, broken lines and all. */
export function parseAliases(text: string): AliasesFile {
  const entries: AliasEntry[] = []
  const problems: { line: number; reason: string }[] = []
  for (const { text: logical, start, end } of logicalLines(text)) {
    const [, quoted, plain, right] =
      /^(?:"((?:[^"\\]|\\.)*)"|([^\s:"](?:[^:"]*[^\s:"])?))\s*:(.*)$/s.exec(logical) ?? []
    const name = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (name === undefined || right === undefined)
      problems.push({ line: start + 1, reason: 'this is no "name: address, ..."' })
    else entries.push({ name, targets: parseTargets(right), start, end })
  }
  return { entries, problems }
}

/** Lines with those that continue them; empty lines and comments between them count as nothing. */
function logicalLines(text: string): { text: string; start: number; end: number }[] {
  const found: { text: string; start: number; end: number }[] = []
  for (const [number, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    const last = found.at(-1)
    const content = withoutComment(line)
    if (/^\s/.test(line) && last) {
      last.text += ` ${content}`
      last.end = number + 1
    } else found.push({ text: content, start: number, end: number + 1 })
  }
  return found
}

/** Drops what follows a `#` after white space, unless it is quoted. */
function withoutComment(line: string): string {
  const [kept = ''] = /^(?:"(?:[^"\\]|\\.?)*(?:"|$)|\s(?!#)|[^\s"])*/.exec(line) ?? []
  return kept.trimEnd()
}

/** Reads a list of targets: the right side of an alias, or a line of an included file. */
export function parseTargets(text: string): Target[] {
  return splitList(text).flatMap(parseTarget)
}

/** Parts a list at its commas, but not within quotes or angle brackets. */
function splitList(text: string): string[] {
  const items = text.match(/(?:"(?:[^"\\]|\\.)*"?|<[^>]*>?|[^",<])+/g) ?? []
  return items.map(item => item.trim()).filter(item => item !== '')
}

function parseTarget(item: string): Target[] {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(item) ?? []
  const bare = quoted?.replace(/\\(.)/g, '$1') ?? item
  if (bare.startsWith('|')) return [{ kind: 'program', text: bare }]
  if (bare === '/dev/null') return [{ kind: 'discard' }]
  if (bare.startsWith('/')) return [{ kind: 'file', text: bare }]
  const [, path] = /^:include:\s*(.+)$/i.exec(bare) ?? []
  if (path !== undefined) return [{ kind: 'include', path }]
  const [, bracketed] = /<([^<>]+)>$/.exec(item) ?? []
  if (bracketed !== undefined) return [{ kind: 'address', address: bracketed.trim() }]
  const words = item.match(/(?:"(?:[^"\\]|\\.)*"?|[^\s"])+/g) ?? []
  return words.map(word =>
    word.startsWith('\\') ? { kind: 'mailbox', address: word.slice(1) } : { kind: 'address', address: word },
  )
}

/** The text that {@link parseTargets} reads. */
export function formatTarget(target: Target): string {
  switch (target.kind) {
    case 'address':
      return target.address
    case 'mailbox':
      return `\\${target.address}`
    case 'include':
      return `:include:${target.path}`
    case 'discard':
      return '/dev/null'
    default:
      return /[\s,"]/.test(target.text) ? JSON.stringify(target.text) : target.text
  }
}

/** The form in which names of aliases are compared: `Sales@Example.Internal` and `sales@example.internal` are one. */
export function aliasKey(name: string): string {
  const at = name.lastIndexOf('@')
  return at < 0 ? fold(name) : `${fold(name.slice(0, at))}@${foldDomain(name.slice(at + 1))}`
}
