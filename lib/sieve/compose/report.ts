/** A complaint about a message in the Abuse Reporting Format (RFC 5965), as vnd.dovecot.report asks for it. */
import { formatDate } from '../../message/date.js'
import { toCrlf } from '../../message/wire.js'
import type { ReportAction } from '../action.js'
import type { Context } from '../context.js'
import { postmaster } from '../user-address.js'
import { CRLF, header, type Making, type Outgoing, plainPart, unstructured } from './outgoing.js'

export function composeReport(action: ReportAction, context: Context, { unique }: Making): Outgoing {
  const { hostname } = context.settings
  const { message } = action
  const boundary = `=_${unique.replace(/[^A-Za-z0-9.]/g, '')}`
  const head = header([
    ['X-Sieve', 'Postern'],
    ['Message-ID', `<${unique}@${hostname}>`],
    ['Date', formatDate(context.now, context.zone)],
    ['From', postmaster(context)],
    ['To', `<${action.to}>`],
    ['Subject', unstructured(`Report: ${message.named('subject')[0]?.value ?? '(no subject)'}`)],
    ['Auto-Submitted', 'auto-generated (report)'],
    ['Precedence', 'bulk'],
    ['MIME-Version', '1.0'],
    ['Content-Type', `multipart/report; report-type=feedback-report; boundary="${boundary}"`],
  ])
  const feedback = header([
    ['Version', '1'],
    ['Feedback-Type', action.feedback],
    ['User-Agent', 'Postern'],
    ['Original-Mail-From', `<${context.envelope.from.replace(/^<(.*)>$/, '$1')}>`],
    ['Original-Rcpt-To', `<${context.envelope.to.replace(/^<(.*)>$/, '$1')}>`],
  ])
  const before = [
    `${head}${CRLF}--${boundary}`,
    plainPart(action.text),
    `--${boundary}`,
    `Content-Type: message/feedback-report${CRLF}`,
    `${feedback}`,
    `--${boundary}`,
    `Content-Type: ${action.headersOnly ? 'text/rfc822-headers' : 'message/rfc822'}${CRLF}${CRLF}`,
  ].join(CRLF)
  const original = action.headersOnly
    ? Buffer.concat(message.header.fields.map(({ raw }) => raw))
    : message.octets
  const after = `${CRLF}--${boundary}--${CRLF}`
  const data = Buffer.concat([Buffer.from(before), toCrlf(original), Buffer.from(after)])
  return { from: '', to: [action.to], data }
}
