/** A refusal as a message of its own, where the protocol could not refuse: RFC 5429 §2.1.2, §2.2.1. */
import { formatDate } from '../../message/date.js'
import type { RejectAction } from '../action.js'
import type { Context } from '../context.js'
import { ownAddress, postmaster } from '../user-address.js'
import { CRLF, header, type Making, multipart, type Outgoing, plainPart, unstructured } from './outgoing.js'
import { references } from './vacation.js'

/** Says why nobody is told: the message is thrown away in silence then. */
export function rejectRefused({ envelope }: Context): string | undefined {
  return envelope.from === '' || envelope.from === '<>' ? 'the message has no sender to tell' : undefined
}

/** `reject` answers with a disposition notification (RFC 8098), `ereject` with a delivery report (RFC 3464). */
export function composeReject(action: RejectAction, context: Context, { unique }: Making): Outgoing {
  const { hostname, rejectReasonMax } = context.settings
  const sender = context.envelope.from.replace(/^<(.*)>$/, '$1')
  const boundary = `=_${unique.replace(/[^A-Za-z0-9.]/g, '')}`
  const kind = action.protocolOnly ? 'delivery-status' : 'disposition-notification'
  const head = header([
    ['X-Sieve', 'Postern'],
    ['Message-ID', `<${unique}@${hostname}>`],
    ['Date', formatDate(context.now, context.zone)],
    ['From', `Mail Delivery Subsystem <${postmaster(context)}>`],
    ['To', `<${sender}>`],
    [
      'Subject',
      unstructured(action.protocolOnly ? 'Undelivered mail: refused' : 'Automatically rejected mail'),
    ],
    ...references(action.message),
    ['Auto-Submitted', 'auto-replied (rejected)'],
    ['Precedence', 'bulk'],
    ['MIME-Version', '1.0'],
    ['Content-Type', `multipart/report; report-type=${kind}; boundary="${boundary}"`],
  ])
  const told =
    `Your message to <${ownAddress(context)}> was refused by its recipient, who says:${CRLF}${CRLF}` +
    `${[...action.reason].slice(0, rejectReasonMax).join('')}${CRLF}`
  const report = action.protocolOnly ? deliveryStatus(context) : disposition(action, context)
  const original = `Content-Type: text/rfc822-headers${CRLF}${CRLF}${headerText(action)}`
  const parts = [plainPart(told), `Content-Type: message/${kind}${CRLF}${CRLF}${report}`, original]
  return {
    from: '',
    to: [sender],
    data: Buffer.from(`${head}${CRLF}${multipart(boundary, parts)}`),
    notify: 'NEVER',
  }
}

/** RFC 8098 §3.1. */
function disposition({ message }: RejectAction, context: Context): string {
  const { originalTo } = context.envelope
  return header([
    ['Reporting-UA', `${context.settings.hostname}; Postern`],
    ['Original-Recipient', originalTo === undefined ? undefined : `rfc822; ${originalTo}`],
    ['Final-Recipient', `rfc822; ${ownAddress(context)}`],
    ['Original-Message-ID', message.named('message-id')[0]?.rawValue],
    ['Disposition', 'automatic-action/MDN-sent-automatically; deleted'],
  ])
}

/** RFC 3464 §2. */
function deliveryStatus(context: Context): string {
  const whole = header([
    ['Reporting-MTA', `dns; ${context.settings.hostname}`],
    ['Arrival-Date', formatDate(context.now, context.zone)],
  ])
  const each = header([
    ['Final-Recipient', `rfc822; ${ownAddress(context)}`],
    ['Action', 'failed'],
    ['Status', '5.7.1'],
  ])
  return `${whole}${CRLF}${each}`
}

/** The original header (RFC 5429 §2.1.2), as far as it is of use to its sender. */
function headerText({ message }: RejectAction): string {
  return message.header.fields
    .map(({ raw }) =>
      raw
        .toString('latin1')
        .replace(/[^\0-\x7f]/g, '?')
        .replace(/\r?\n/g, CRLF),
    )
    .join('')
    .slice(0, 65_536)
}
