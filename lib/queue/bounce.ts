/**
 * Delivery reports: multipart/report (RFC 6522) with a message/delivery-status part (RFC 3464), as RFC 3461 §6 asks
 * for them; where an address is not ASCII, in the forms of RFC 6533. Pure: time, names and chance are handed in.
 */
import { formatDate } from '../message/date.js'
import { encodeWords, foldField } from '../message/encode.js'
import { readHeader } from '../message/header.js'
import { inCharset, type Manner, mannerOf, type Words } from './bounce-words.js'
import type { Envelope, Recipient, ReportKind, Said } from './entry.js'

export interface ReportInput {
  readonly kind: ReportKind
  /** The entry it is about. */
  readonly id: string
  readonly envelope: Envelope
  /** Those it is about. */
  readonly recipients: readonly Recipient[]
  /** Who gets it: the sender, or postmaster. */
  readonly to: string
  /** Whether it goes to postmaster because the sender of the original cannot be told. */
  readonly double?: boolean
  /** The name of this host. */
  readonly hostname: string
  /** The header of the original as stored, up to its empty line. */
  readonly header: Buffer
  /** Whether the original follows whole; else its header alone. */
  readonly full: boolean
  /** In milliseconds since 1970; `until` is when a delayed message will be given up. */
  readonly now: number
  readonly until: number
  /** Something nobody guesses: for the boundary and the Message-ID. */
  readonly unique: string
}

/** A report's octets before and after the original, or its header, which stands in between as it is stored. */
export interface Report {
  readonly head: Buffer
  readonly tail: string
}

/** RFC 3461 §6.2 and §4.3: what was asked for; a long message nobody asked for whole comes as its header. */
export function returnsFull(envelope: Envelope, kind: ReportKind): boolean {
  if (kind !== 'failure' || envelope.ret === 'headers') return false
  return envelope.ret === 'full' || envelope.size <= 100_000
}

/** Writes a report. Lines end in LF. */
export function formatReport(input: ReportInput): Report {
  const { full, unique, recipients, envelope } = input
  const global = [envelope.sender, ...recipients.map(({ address }) => address)].some(isInternational)
  const boundary = `=_${unique}`
  const manner = mannerOf(input.header)
  const text = inCharset(textOf(input, manner).join('\n'), manner.charset)
  const before = [
    ...headerOf(input, boundary, manner.words),
    '',
    'This is a delivery report in several parts; your program shows this line because it does not know them.',
    '',
    `--${boundary}`,
    'Content-Description: Notification',
    `Content-Type: text/plain; charset=${text.charset}`,
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ]
  const after = [
    '',
    '',
    `--${boundary}`,
    'Content-Description: Delivery report',
    `Content-Type: message/${global ? 'global-' : ''}delivery-status`,
    'Content-Transfer-Encoding: 8bit',
    '',
    ...statusOf(input, global),
    '',
    `--${boundary}`,
    `Content-Description: ${full ? 'Undelivered message' : 'Header of the message'}`,
    `Content-Type: ${partType(full, global)}`,
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ]
  const head = Buffer.concat([Buffer.from(before.join('\n')), text.octets, Buffer.from(after.join('\n'))])
  return { head, tail: `\n--${boundary}--\n` }
}

function partType(full: boolean, global: boolean): string {
  if (full) return global ? 'message/global' : 'message/rfc822'
  return global ? 'message/global-headers' : 'text/rfc822-headers'
}

function headerOf(input: ReportInput, boundary: string, words: Words): string[] {
  const { kind, double, to, hostname, now, unique } = input
  const original = messageIdOf(input.header)
  const subject = double ? `${words.postmaster}: ${words.subjects[kind]}` : words.subjects[kind]
  return [
    `Date: ${formatDate(now)}`,
    `From: Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    `To: <${to}>`,
    foldField('Subject', encodeWords(subject), '\n').trimEnd(),
    `Message-ID: <${unique}@${hostname}>`,
    ...(original ? [`In-Reply-To: ${original}`, `References: ${original}`] : []),
    // RFC 3834 §5.1.7 and what Postfix writes: no vacation reply answers this.
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Transfer-Encoding: 8bit',
    `Content-Type: multipart/report; report-type=delivery-status;\n boundary="${boundary}"`,
  ]
}

function messageIdOf(header: Buffer): string | undefined {
  return /<[^<>\s]{1,250}>/.exec(readHeader(header).first('message-id') ?? '')?.[0]
}

function textOf(input: ReportInput, { words, subject }: Manner): string[] {
  const { kind, double, hostname, recipients, full, until, envelope, id } = input
  const { labels } = words
  return [
    words.greeting(hostname),
    '',
    ...(double ? words.nobodyToTell : words.opening(kind, formatDate(until))),
    ...(double ? [] : [full ? words.attachedWhole : words.attachedHeader]),
    '',
    `    ${labels.subject} ${clean(subject) || words.noSubject}`,
    `    ${labels.arrived} ${formatDate(envelope.arrived)}`,
    `    ${labels.id} ${id}`,
    ...recipients.flatMap(recipient => ['', ...paragraph(recipient, words)]),
  ]
}

function paragraph({ address, said }: Recipient, words: Words): string[] {
  if (!said) return [`<${address}>: ${words.noAttempt}`]
  const who = said.host ? `${words.said(said.host)} ` : ''
  return wrap(`<${address}>: ${who}${said.code} ${said.status} ${clean(said.text)}`)
}

function statusOf(input: ReportInput, global: boolean): string[] {
  const { hostname, envelope, id, recipients } = input
  return [
    `Reporting-MTA: dns; ${hostname}`,
    ...(envelope.envid === undefined ? [] : [`Original-Envelope-Id: ${clean(envelope.envid)}`]),
    `X-Postern-Queue-ID: ${id}`,
    `Arrival-Date: ${formatDate(envelope.arrived)}`,
    ...(envelope.by ? [`Deliver-By-Date: ${formatDate(envelope.by.at)}`] : []), // RFC 2852
    ...recipients.flatMap(recipient => ['', ...recipientStatus(input, recipient, global)]),
  ]
}

/** RFC 3464 §2.3. */
function recipientStatus({ kind, until }: ReportInput, recipient: Recipient, global: boolean): string[] {
  const { address, original, said } = recipient
  const type = global && isInternational(address) ? 'utf-8' : 'rfc822'
  return [
    ...(original === undefined ? [] : [`Original-Recipient: ${original.replace(/;\s*/, ';')}`]),
    `Final-Recipient: ${type}; ${address}`,
    `Action: ${actionOf(kind, recipient)}`,
    `Status: ${statusCode(kind, said)}`,
    ...(said?.host ? [`Remote-MTA: dns; ${hostOnly(said.host)}`] : []),
    ...(said ? [diagnosis(said)] : []),
    ...(said ? [`Last-Attempt-Date: ${formatDate(said.at)}`] : []),
    ...(kind === 'delay' ? [`Will-Retry-Until: ${formatDate(until)}`] : []),
  ]
}

function actionOf(kind: ReportKind, { state }: Recipient): string {
  if (kind === 'failure') return 'failed'
  if (kind === 'delay') return 'delayed'
  return state === 'delivered' ? 'delivered' : 'relayed'
}

/** A status whose class fits the action, whatever was said last. */
function statusCode(kind: ReportKind, said: Said | undefined): string {
  const wanted = { failure: '5', delay: '4', success: '2' }[kind]
  if (said?.status[0] === wanted) return said.status
  return { failure: '5.0.0', delay: '4.4.7', success: '2.0.0' }[kind]
}

function diagnosis({ host, code, status, text }: Said): string {
  const lines = wrap(`${host ? 'smtp' : 'x-postern'}; ${code} ${status} ${clean(text)}`)
  return `Diagnostic-Code: ${lines.join('\n')}`
}

/** One line of printable text: what a server said cannot add fields of its own. */
function clean(text: string): string {
  return text
    .replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
    .trim()
    .slice(0, 2_000)
}

/** Breaks at spaces before column 78, further lines indented, as a folded field is. */
function wrap(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + word.length > 76) {
      lines.push(line)
      line = '   '
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line]
}

function hostOnly(host: string): string {
  return host.replace(/:\d+$/, '').replace(/ .*$/, '')
}

function isInternational(address: string): boolean {
  return /[^\0-\x7f]/.test(address)
}
