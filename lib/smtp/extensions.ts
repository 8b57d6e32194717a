/** Extensions: what EHLO announces, and the parameters of MAIL and RCPT that belong to them. */
import type { AnySession } from './command.js'
import { checkBy } from './deliver-by.js'
import { checkEnvelopeId, checkNotify, checkOriginal, checkRet } from './dsn.js'
import { SmtpError } from './reply.js'

/** The lines of the answer to EHLO or LHLO behind the first. */
export function announce(session: AnySession): string[] {
  const mechanisms = authMechanisms(session)
  return [
    'PIPELINING', // RFC 2920
    `SIZE ${session.options.maxMessageSize}`, // RFC 1870
    '8BITMIME', // RFC 6152
    'SMTPUTF8', // RFC 6531
    'ENHANCEDSTATUSCODES', // RFC 2034
    'CHUNKING', // RFC 3030
    'BINARYMIME', // RFC 3030 §3
    'DSN', // RFC 3461
    'DELIVERBY', // RFC 2852
    `LIMITS RCPTMAX=${session.options.maxRecipients}`, // RFC 9422
    ...(mayRequireTls(session) ? ['REQUIRETLS'] : []), // RFC 8689
    ...(mayStartTls(session) ? ['STARTTLS'] : []), // RFC 3207
    ...(mechanisms.length > 0 ? [`AUTH ${mechanisms.join(' ')}`] : []), // RFC 4954
    ...(session.mayAssume ? [`XCLIENT ${xclientAttributes.join(' ')}`] : []),
    'HELP',
  ]
}

/** What a proxy may say (Postfix's XCLIENT_README). */
export const xclientAttributes = [
  ...['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO'],
  ...['LOGIN', 'DESTADDR', 'DESTPORT'],
] as const

/** Whether the message may hold any octets, so that it comes by BDAT only. */
export function isBinary({ parameters }: AnySession): boolean {
  return parameters.get('BODY')?.toUpperCase() === 'BINARYMIME'
}

/** Whether STARTTLS can be done now. */
export function mayStartTls(session: AnySession): boolean {
  const { tls, identity } = session.options
  return session.tls === undefined && identity !== undefined && (tls === 'offered' || tls === 'required')
}

/** Whether a sender may ask for TLS all the way: only where TLS came this far (RFC 8689 §4). */
function mayRequireTls(session: AnySession): boolean {
  return session.tls !== undefined && session.options.requireTls === true
}

/** The mechanisms that can be used now: none in the clear, unless the listener has no TLS at all. */
export function authMechanisms(session: AnySession): readonly string[] {
  const { auth, tls } = session.options
  if (auth === 'off' || session.login !== undefined) return []
  if (!session.secure && tls !== 'off') return []
  return session.backend.mechanisms(session.peer)
}

type Parameter = (value: string, session: AnySession) => void

const bad = (text: string) => new SmtpError(501, '5.5.4', text)

const mailParameters: Readonly<Record<string, Parameter>> = {
  SIZE(value, session) {
    if (!/^\d{1,20}$/.test(value)) throw bad('SIZE is a number of octets')
    if (Number(value) > session.options.maxMessageSize) throw tooBig(session.options.maxMessageSize)
  },
  BODY(value) {
    if (!/^(7BIT|8BITMIME|BINARYMIME)$/i.test(value)) throw bad('BODY is 7BIT, 8BITMIME or BINARYMIME')
  },
  SMTPUTF8(value) {
    if (value !== '') throw bad('SMTPUTF8 has no value')
  },
  RET: checkRet,
  ENVID: checkEnvelopeId,
  BY: value => checkBy(value),
  REQUIRETLS(value, session) {
    if (!mayRequireTls(session)) throw new SmtpError(555, '5.5.4', 'REQUIRETLS is not offered here')
    if (value !== '') throw bad('REQUIRETLS has no value')
  },
  // The identity that a relay vouches for (RFC 4954 §5): nothing here trusts it, and nothing passes it on.
  AUTH() {},
}

const recipientParameters: Readonly<Record<string, Parameter>> = {
  NOTIFY: checkNotify,
  ORCPT: value => checkOriginal(value),
}

/** Checks MAIL's parameters. @throws SmtpError 555 for one that was not offered, 501 for a bad value */
export function checkMailParameters(session: AnySession, parameters: ReadonlyMap<string, string>): void {
  check(mailParameters, session, parameters)
}

/** Checks RCPT's parameters. @throws SmtpError 555 for one that was not offered, 501 for a bad value */
export function checkRecipientParameters(session: AnySession, parameters: ReadonlyMap<string, string>): void {
  check(recipientParameters, session, parameters)
}

function check(
  known: Readonly<Record<string, Parameter>>,
  session: AnySession,
  parameters: ReadonlyMap<string, string>,
): void {
  for (const [name, value] of parameters) {
    const parameter = Object.hasOwn(known, name) ? known[name] : undefined
    if (!parameter) throw new SmtpError(555, '5.5.4', `${name} is not offered here`)
    parameter(value, session)
  }
}

/** The refusal of a message over the limit, announced or counted. */
export function tooBig(limit: number): SmtpError {
  return new SmtpError(552, '5.3.4', `The message is larger than the ${limit} octets taken here`)
}
