/** The answer of a vacation action: RFC 5230 §5. */
import { createHash } from 'node:crypto'
import { formatAddress } from '../../message/address.js'
import { formatDate } from '../../message/date.js'
import type { VacationAction } from '../action.js'
import { parsePath } from '../address.js'
import type { Context } from '../context.js'
import { parseMailAddress } from '../mailbox-address.js'
import type { Version } from '../message.js'
import type { Settings } from '../settings.js'
import { ownAddress } from '../user-address.js'
import { CRLF, header, type Making, type Outgoing, plainPart, unstructured } from './outgoing.js'
import { addressedAs, unsuitable } from './suitable.js'

/** References that a thread keeps: the first, and as many of the last as fit (RFC 5322 §3.6.4 sets no limit). */
const mostReferences = 50

/** Says why the answer is not sent; undefined when it is to be, if it was not sent to this sender lately. */
export function vacationRefused(action: VacationAction, context: Context): string | undefined {
  const refused = unsuitable(action.message, context, action.addresses)
  if (refused) return refused
  if (context.settings.vacationDontCheckRecipient) return undefined
  const found = addressedAs(action.message, context, action.addresses)
  return found === undefined
    ? "none of the user's addresses is among the recipients in the header"
    : undefined
}

/** What a memory of answers keeps for the action's period: this answer to this sender (RFC 5230 §4.2). */
export function vacationKey(action: VacationAction, context: Context): string {
  const sender = context.envelope.from.toLowerCase()
  return createHash('sha256')
    .update(JSON.stringify([action.handle, sender]))
    .digest('hex')
}

export function composeVacation(action: VacationAction, context: Context, { unique }: Making): Outgoing {
  const { message } = action
  const { settings } = context
  const sender = context.envelope.from.replace(/^<(.*)>$/, '$1')
  const own = addressedAs(message, context, action.addresses) ?? ownAddress(context)
  const head = header([
    ['X-Sieve', 'Postern'],
    ['Message-ID', `<${unique}@${settings.hostname}>`],
    ['Date', formatDate(context.now, context.zone)],
    ['From', from(action.from) ?? own],
    ['To', recipient(message, context, sender)],
    ['Subject', subject(action, settings)],
    ...references(message),
    ['Auto-Submitted', 'auto-replied (vacation)'],
    ['Precedence', 'bulk'],
    ['X-Auto-Response-Suppress', 'All'],
    ['MIME-Version', '1.0'],
  ])
  const body = action.mime ? entity(action.reason) : plainPart(action.reason)
  const envelopeSender = settings.vacationSendFromRecipient ? own : ''
  return { from: envelopeSender, to: [sender], data: Buffer.from(`${head}${body}${CRLF}`), notify: 'NEVER' }
}

function from(text: string | undefined): string | undefined {
  const address = text === undefined ? undefined : parseMailAddress(text)
  return address && formatAddress({ name: address.name, mailbox: address.local, host: address.domain })
}

/** RFC 5230 §5.5: the sender; by a setting, as the header names it. */
function recipient(message: Version, { settings }: Context, sender: string): string {
  if (!settings.vacationToHeader) return `<${sender}>`
  const named = message.named('reply-to')[0] ?? message.named('from')[0]
  const path = named && parsePath(named.rawValue.replace(/^.*(?=<)/, ''))
  return path?.domain === undefined ? `<${sender}>` : `<${path.all}>`
}

/** RFC 5230 §5.3. */
function subject({ subject: given, message }: VacationAction, settings: Settings): string {
  const original = message.named('subject')[0]?.value
  const made =
    original === undefined
      ? settings.vacationDefaultSubject
      : settings.vacationSubjectTemplate.replace('%$', () => original)
  return unstructured(given ?? made, settings.vacationMaxSubject)
}

/** RFC 5230 §5.8, RFC 5322 §3.6.4. */
export function references(message: Version): (readonly [string, string])[] {
  const ids = (name: string) =>
    message
      .named(name)
      .flatMap(field => field.rawValue.match(/<[^<>\s]{1,900}>/g) ?? [])
      .filter((id, i, all) => all.indexOf(id) === i)
  const [id] = ids('message-id')
  if (id === undefined) return []
  const replied = ids('in-reply-to')
  const before = ids('references').length > 0 ? ids('references') : replied.length === 1 ? replied : []
  const all = [...before.filter(each => each !== id), id]
  const kept = all.length > mostReferences ? [...all.slice(0, 1), ...all.slice(1 - mostReferences)] : all
  return [
    ['In-Reply-To', id],
    ['References', kept.join(' ')],
  ]
}

/** A MIME entity that the script gives: only its own fields, and an empty line, whatever was forgotten. */
function entity(text: string): string {
  const lines = text.replace(/\r?\n/g, CRLF).replace(/^(\r\n)+/, '')
  if (!/^[!-9;-~]+[ \t]*:/.test(lines)) return plainPart(lines)
  return lines.includes(`${CRLF}${CRLF}`) ? lines : `${lines.replace(/(\r\n)?$/, CRLF)}${CRLF}`
}
