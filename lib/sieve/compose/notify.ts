/** A notification by mail: RFC 5436 §2.7. */
import { formatAddress } from '../../message/address.js'
import { formatDate } from '../../message/date.js'
import type { NotifyAction } from '../action.js'
import type { Context } from '../context.js'
import { parseMailAddress } from '../mailbox-address.js'
import { type Mailto, parseMailto } from '../mailto.js'
import { ownAddress, postmaster } from '../user-address.js'
import { CRLF, header, type Making, type Outgoing, plainPart, unstructured } from './outgoing.js'
import { automatic } from './suitable.js'

const priorities = {
  '1': ['1 (High)', 'High'],
  '2': ['3 (Normal)', 'Normal'],
  '3': ['5 (Low)', 'Low'],
} as const

/** Says why nobody is notified (RFC 5436 §2.7: not of what machines sent). */
export function notifyRefused(action: NotifyAction): string | undefined {
  const reason = automatic(action.message)
  return reason?.startsWith('the message was submitted automatically') ? reason : undefined
}

/**
 * The notification, one message a recipient.
 *
 * @param told who was notified by this script already: nobody is twice. Those told now are added.
 */
export function composeNotify(
  action: NotifyAction,
  context: Context,
  making: Making,
  told: Set<string>,
): readonly Outgoing[] {
  const uri = parseMailto(action.method)
  if (typeof uri === 'string') return []
  const fresh = (addresses: readonly string[]) =>
    addresses
      .filter(address => !told.has(address.toLowerCase()) && told.add(address.toLowerCase()))
      .slice(0, context.settings.notifyMaxRecipients)
  const [to, cc, bcc] = [fresh(uri.to), fresh(uri.cc), fresh(uri.bcc)]
  const data = Buffer.from(text(action, context, making, { ...uri, to, cc, bcc }))
  const from = envelopeSender(action, context)
  return [...to, ...cc, ...bcc]
    .slice(0, context.settings.notifyMaxRecipients)
    .map(address => ({ from, to: [address], data, notify: 'NEVER' }))
}

/** Empty where the message's own is empty, so that bounces do not go in circles. */
function envelopeSender({ from }: NotifyAction, context: Context): string {
  const { envelope, settings } = context
  if (envelope.from === '' || envelope.from === '<>') return ''
  const given = from === undefined ? undefined : parseMailAddress(from)?.address
  if (given !== undefined) return given
  if (settings.notifyFrom === 'recipient') return ownAddress(context)
  return parseMailAddress(settings.notifyFrom)?.address ?? postmaster(context)
}

function text(action: NotifyAction, context: Context, { unique }: Making, uri: Mailto): string {
  const { message } = action
  const owner = ownAddress(context)
  const from = action.from === undefined ? undefined : parseMailAddress(action.from)
  const list = (addresses: readonly string[]) => (addresses.length > 0 ? addresses.join(', ') : undefined)
  const [priority, importance] = priorities[action.importance]
  const title = action.text ?? uri.subject ?? message.named('subject')[0]?.value ?? 'New mail'
  const head = header([
    ['X-Sieve', 'Postern'],
    ['Message-ID', `<${unique}@${context.settings.hostname}>`],
    ['Date', formatDate(context.now, context.zone)],
    ['X-Priority', priority],
    ['Importance', importance],
    ['From', from ? formatAddress({ name: from.name, mailbox: from.local, host: from.domain }) : owner],
    ['To', list(uri.to)],
    ['Cc', list(uri.cc)],
    ['Subject', unstructured(title, 256)],
    ['Auto-Submitted', `auto-notified; owner-email="${owner.replace(/["\\]/g, '\\$&')}"`],
    ['Precedence', 'bulk'],
    ...uri.fields.map(({ name, value }) => [capitalised(name), unstructured(value)] as const),
    ['MIME-Version', '1.0'],
  ])
  const body = uri.body ?? `Notification of new message.${CRLF}`
  return `${head}${plainPart(body)}${body.endsWith('\n') ? '' : CRLF}`
}

function capitalised(name: string): string {
  return name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
}
