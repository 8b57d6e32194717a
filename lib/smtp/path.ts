/**
 * Addresses in MAIL and RCPT, and the parameters behind them (RFC 5321 §4.1.2). What scanners, routers and scripts
 * send is understood too: a space after the colon, no angle brackets, source routes (dropped, as §4.1.1.3 allows),
 * two dots in a row, a local part of any length, no domain.
 */
import { SmtpError } from './reply.js'

/** A mailbox in an envelope. */
export interface Path {
  /** The local part as it was written, without quotes and escapes. */
  readonly local: string
  /** Without its final dot; empty where none was given; an address literal keeps its brackets. */
  readonly domain: string
  /** The address as it can stand in a header or in another server's MAIL: quoted where it must be. */
  readonly address: string
}

/** The empty path, `<>`: the sender of bounces, which must never be answered. */
export const nullPath: Path = { local: '', domain: '', address: '' }

/** The argument of MAIL or RCPT. */
export interface PathArgument {
  readonly path: Path
  /** By keyword in upper case; the value is empty where there was no "=". */
  readonly parameters: ReadonlyMap<string, string>
}

const reversePrefix = /^FROM[ \t]*:[ \t]*/i
const forwardPrefix = /^TO[ \t]*:[ \t]*/i

/** Reads the argument of MAIL. @throws SmtpError 501, with status 5.1.7 where the address is the trouble */
export function parseReversePath(argument: string): PathArgument {
  return parse(argument, reversePrefix, '5.1.7', 'MAIL FROM:<address>')
}

/** Reads the argument of RCPT. @throws SmtpError 501, with status 5.1.3 where the address is the trouble */
export function parseForwardPath(argument: string): PathArgument {
  const parsed = parse(argument, forwardPrefix, '5.1.3', 'RCPT TO:<address>')
  if (parsed.path === nullPath) throw new SmtpError(501, '5.1.3', 'There is no recipient <>')
  return parsed
}

function parse(argument: string, prefix: RegExp, status: string, syntax: string): PathArgument {
  const [start] = prefix.exec(argument) ?? []
  if (start === undefined) throw new SmtpError(501, '5.5.4', `Syntax: ${syntax}`)
  const text = argument.slice(start.length)
  const bad = () => new SmtpError(501, status, 'This is no mail address')
  const end = text.startsWith('<') ? closing(text) : bare(text)
  if (end < 0) throw bad()
  const inner = text.startsWith('<') ? text.slice(1, end) : text.slice(0, end)
  const rest = text.slice(text.startsWith('<') ? end + 1 : end)
  const path = inner === '' && end > 0 ? nullPath : parsePath(inner)
  if (!path) throw bad()
  return { path, parameters: parseParameters(rest) }
}

/** Where the ">" stands that belongs to the "<" in front; -1 when it is missing. */
function closing(text: string): number {
  for (let i = 1, quoted = false; i < text.length; i++) {
    const character = text[i]
    if (character === '\\') i++
    else if (character === '"') quoted = !quoted
    else if (character === '>' && !quoted) return i
  }
  return -1
}

/** Where an address without brackets ends; -1 when there is none. */
function bare(text: string): number {
  const space = text.search(/[ \t]/)
  const end = space < 0 ? text.length : space
  return end === 0 || /[<>]/.test(text.slice(0, end)) ? -1 : end
}

const localAtoms = /^[^\s"(),:;<>@[\\\]\x00-\x1f\x7f]+$/
const domainName = /^[\p{L}\p{M}\p{N}_-]+(?:\.[\p{L}\p{M}\p{N}_-]+)*$/u
const addressLiteral = /^\[[\x21-\x5a\x5e-\x7e]+\]$/

/**
 * Reads an address as it stands between angle brackets, not empty.
 *
 * @returns undefined for what is no address
 */
export function parsePath(text: string): Path | undefined {
  const routed = /^@[^:"]+:/.exec(text.trim())
  const mailbox = routed ? text.trim().slice(routed[0].length) : text.trim()
  const local = mailbox.startsWith('"') ? quotedLocal(mailbox) : plainLocal(mailbox)
  if (!local) return undefined
  const rest = mailbox.slice(local.length)
  if (rest !== '' && !rest.startsWith('@')) return undefined
  const domain = rest.slice(1).replace(/\.$/, '')
  if (rest !== '' && !domainName.test(domain) && !addressLiteral.test(domain)) return undefined
  if (domain.length > 255) return undefined
  const written = localAtoms.test(local.value) ? local.value : quote(local.value)
  return { local: local.value, domain, address: rest === '' ? written : `${written}@${domain}` }
}

function plainLocal(mailbox: string): { value: string; length: number } | undefined {
  const at = mailbox.lastIndexOf('@')
  const value = at < 0 ? mailbox : mailbox.slice(0, at)
  return localAtoms.test(value) ? { value, length: value.length } : undefined
}

function quotedLocal(mailbox: string): { value: string; length: number } | undefined {
  const [whole, inside] = /^"((?:[^"\\]|\\.)*)"/.exec(mailbox) ?? []
  if (whole === undefined || inside === undefined || inside === '') return undefined
  if (/[\x00-\x1f\x7f]/.test(inside)) return undefined
  return { value: inside.replace(/\\(.)/g, '$1'), length: whole.length }
}

function quote(local: string): string {
  return `"${local.replace(/["\\]/g, '\\$&')}"`
}

/** Reads ` KEY=value KEY` (RFC 5321 §4.1.2, esmtp-param). */
function parseParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const word of text.split(/[ \t]+/)) {
    if (word === '') continue
    const [, key, value = ''] =
      /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\s=\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*))?$/.exec(word) ?? []
    if (key === undefined) throw new SmtpError(501, '5.5.4', 'What follows the address is not KEYWORD=value')
    const name = key.toUpperCase()
    if (parameters.has(name)) throw new SmtpError(501, '5.5.4', `${name} stands there twice`)
    parameters.set(name, value)
  }
  return parameters
}

/** Whether an address needs SMTPUTF8 to travel (RFC 6531 §3.2). */
export function needsUtf8(path: Path): boolean {
  return /[^\x00-\x7f]/.test(path.address)
}
