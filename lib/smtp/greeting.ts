/** The commands around a message: greetings, STARTTLS, and those that change nothing. */
import { startTls, tlsName } from '../wire/tls.js'
import { type AnySession, command, noArgument } from './command.js'
import { announce, mayStartTls } from './extensions.js'
import { SmtpError } from './reply.js'
import type { State } from './session.js'

const anywhere: readonly State[] = ['new', 'ready', 'mail', 'recipients', 'chunks']

/**
 * Devices call themselves anything: underscores, bare addresses, nothing at all. It is a word for the log and the
 * Received line and decides nothing.
 */
function checkName({ assumedHelo }: AnySession, argument: string): string {
  const name = (assumedHelo ?? argument).trim().split(/\s/, 1)[0] ?? ''
  return name.replace(/[^\x21-\x7e\u00a1-\uffff]|[()<>\\";,]/g, '?').slice(0, 255)
}

/** What stands behind 220 when a session begins. */
export function greetingLine({ options: { hostname, protocol } }: AnySession): string {
  return `${hostname} ${protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} Postern`
}

async function greet(session: AnySession, name: string, extended: boolean): Promise<void> {
  await session.abandon()
  session.greeted = true
  session.extended = extended
  session.helo = name
}

async function greetExtended(session: AnySession, name: string): Promise<void> {
  await greet(session, name, true)
  session.reply(250, undefined, [session.options.hostname, ...announce(session)])
}

/** RFC 5321 §4.1.1.1. */
export const ehlo = command({ states: anywhere, check: checkName, proceed: greetExtended })

/** RFC 2033 §4.1. */
export const lhlo = command({ states: anywhere, check: checkName, proceed: greetExtended })

/** RFC 5321 §4.1.1.1. */
export const helo = command({
  states: anywhere,
  check: checkName,
  async proceed(session, name) {
    await greet(session, name, false)
    session.reply(250, undefined, session.options.hostname)
  },
})

/** RFC 3207 §4. Neither what was said before nor what was sent ahead counts afterwards (§4.2). */
export const starttls = command({
  states: ['new', 'ready'],
  check(session, argument) {
    noArgument(session, argument)
    if (session.tls !== undefined) throw new SmtpError(503, '5.5.1', 'This session has TLS already')
    if (!mayStartTls(session)) throw new SmtpError(502, '5.5.1', 'There is no TLS here')
  },
  async proceed(session) {
    const { connection } = session
    const { identity } = session.options
    if (!identity) throw new SmtpError(454, '4.7.0', 'TLS is not to be had now')
    session.reply(220, '2.0.0', 'Begin TLS now')
    await startTls(connection, identity)
    session.restart(tlsName(connection))
  },
})

/** RFC 5321 §4.1.1.6. Who has a mailbox here is told at RCPT, to those who may send. */
export const vrfy = command({
  states: anywhere,
  check(_session, argument) {
    if (argument.trim() === '') throw new SmtpError(501, '5.5.4', 'Syntax: VRFY address')
  },
  proceed: session => session.reply(252, '2.5.0', 'Send a message and see'),
})

/** RFC 5321 §4.1.1.8. */
export const help = command({
  states: anywhere,
  check: () => {},
  proceed(session) {
    const { protocol } = session.options
    const hello = protocol === 'lmtp' ? 'LHLO' : 'EHLO HELO'
    session.reply(214, '2.0.0', [
      `${hello} STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT`,
      'See mail-smtpd(8) and RFC 5321',
    ])
  },
})

/** RFC 5321 §4.1.1.9. */
export const noop = command({
  states: anywhere,
  check: () => {},
  proceed: session => session.reply(250, '2.0.0', 'Ok'),
})

/** RFC 5321 §4.1.1.10. */
export const quit = command({
  states: anywhere,
  check: () => {},
  proceed(session) {
    session.reply(221, '2.0.0', 'Goodbye')
    session.ending = true
  },
})
