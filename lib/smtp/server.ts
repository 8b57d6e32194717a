/**
 * The server's side of SMTP and LMTP: RFC 5321, RFC 2033, with 8BITMIME (RFC 6152), AUTH (RFC 4954), BINARYMIME and
 * CHUNKING (RFC 3030), DSN (RFC 3461), ENHANCEDSTATUSCODES (RFC 2034), LIMITS (RFC 9422), PIPELINING (RFC 2920),
 * REQUIRETLS (RFC 8689), SIZE (RFC 1870), SMTPUTF8 (RFC 6531), STARTTLS (RFC 3207) and XCLIENT (Postfix's
 * XCLIENT_README).
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { findVerb, type Verbs } from '../wire/dispatch.js'
import { type Connection, LineTooLong, PeerGone, PeerTimeout } from '../wire/line.js'
import { tlsName } from '../wire/tls.js'
import { auth, authLineLimit } from './auth.js'
import { bdat } from './chunking.js'
import type { AnySession } from './command.js'
import { ehlo, greetingLine, helo, help, lhlo, noop, quit, starttls, vrfy } from './greeting.js'
import { formatReply, isUnforeseen, replyOf, SmtpError, stackOf } from './reply.js'
import { type Backend, type ServerOptions, Session, type State } from './session.js'
import { data, mail, rcpt, rset } from './transaction.js'
import { xclient } from './xclient.js'

const common: Verbs<AnySession, State> = {
  MAIL: mail, //         RFC 5321 §4.1.1.2
  RCPT: rcpt, //         RFC 5321 §4.1.1.3
  DATA: data, //         RFC 5321 §4.1.1.4
  BDAT: bdat, //         RFC 3030 §2
  RSET: rset, //         RFC 5321 §4.1.1.5
  VRFY: vrfy, //         RFC 5321 §4.1.1.6
  HELP: help, //         RFC 5321 §4.1.1.8
  NOOP: noop, //         RFC 5321 §4.1.1.9
  QUIT: quit, //         RFC 5321 §4.1.1.10
  STARTTLS: starttls, // RFC 3207 §4
  AUTH: auth, //         RFC 4954 §4
  XCLIENT: xclient, //   Postfix
}

/** The protocols at a glance. */
const verbs: Readonly<Record<'smtp' | 'lmtp', Verbs<AnySession, State>>> = {
  smtp: { EHLO: ehlo, HELO: helo, ...common }, // RFC 5321 §4.1.1.1
  lmtp: { LHLO: lhlo, ...common }, // RFC 2033 §4.1
}

/** Longest command line, its CRLF included: more than the 512 of RFC 5321 §4.5.3.1.4, for long paths and parameters. */
const lineLimit = 2_048

/** Commands that bring a message nearer; of others so many are answered before one comes, and then no more. */
const purposeful = new Set(['MAIL', 'RCPT', 'DATA', 'BDAT', 'QUIT'])
const mostIdleCommands = 100

/** How long a command goes on that waits for its peer when the session is over, in milliseconds. */
const grace = 1_000

/**
 * How browsers and web scripts begin that were pointed at this port by a page: what follows is chosen by the page,
 * and some of it could be SMTP. Such a session ends at its first line.
 */
const otherProtocol = /^(?:GET|POST|PUT|HEAD|OPTIONS|CONNECT|DELETE|PATCH) \S+|^[\w-]+: /i

/** Speaks SMTP or LMTP with one peer until it leaves. */
export async function serveSmtp<Login>(
  connection: Connection,
  log: Log,
  options: ServerOptions,
  backend: Backend<Login>,
): Promise<void> {
  const session = new Session(connection, log, options, backend) as unknown as AnySession
  session.tls = tlsName(connection)
  connection.onShutdown = () => shutDown(session)
  session.reply(220, undefined, greetingLine(session))
  const { maxSession } = session.options
  const clock = setTimeout(() => expire(session), maxSession)
  // Where the clock finds a command under way it does not cut it short; should that one then wait for the peer, in a
  // login or between two pieces of a message, it waits no longer either.
  connection.limitTo(maxSession + grace)
  try {
    while (!session.ending) if (!(await step(session))) return
  } catch (error) {
    if (error instanceof PeerTimeout) session.reply(421, '4.4.2', 'Too long a silence; goodbye')
    throw error
  } finally {
    clearTimeout(clock)
    await session.abandon()
  }
}

/** Answers one command. @returns whether the session goes on */
async function step(session: AnySession): Promise<boolean> {
  let line: string | undefined
  try {
    line = await nextLine(session)
    if (line === undefined) return false
    await obey(session, line)
  } catch (error) {
    refuse(session, error, line)
  }
  if (session.draining && !session.ending) sayGoodbye(session)
  return true
}

async function nextLine(session: AnySession): Promise<string | undefined> {
  session.idle = true
  try {
    const octets = await session.connection.readLine(authLineLimit, session.timeouts.command)
    if (!octets) return undefined
    if (octets.length > lineLimit - 2 && !/^auth /i.test(octets.toString('latin1', 0, 5)))
      throw new SmtpError(500, '5.5.6', 'The line is too long')
    if (octets.includes(0)) throw new SmtpError(500, '5.5.2', 'A command holds no NUL')
    return isAscii(octets) || !isUtf8(octets) ? octets.toString('latin1') : octets.toString()
  } catch (error) {
    if (error instanceof LineTooLong) throw new SmtpError(500, '5.5.6', 'The line is too long')
    throw error
  } finally {
    session.idle = false
  }
}

async function obey(session: AnySession, line: string): Promise<void> {
  const found = findVerb(verbs[session.options.protocol], line.trimEnd(), session.state)
  if (!purposeful.has(found.name) && ++session.idleCommands > mostIdleCommands)
    throw new SmtpError(421, '4.7.0', 'Too many commands and no message; goodbye')
  if (found.verb) return found.verb.run(session, found.argument)
  if (found.reason === 'unknown') {
    if (otherProtocol.test(line)) {
      session.ending = true
      throw new SmtpError(421, '4.7.0', 'This is a mail server')
    }
    throw new SmtpError(500, '5.5.1', 'There is no such command')
  }
  if (session.state === 'new') throw new SmtpError(503, '5.5.1', `Say ${hello(session)} first`)
  if (session.state === 'chunks')
    throw new SmtpError(503, '5.5.1', 'Not now: send the rest of the message, by BDAT, or say RSET')
  throw new SmtpError(503, '5.5.1', `Not now: ${expected[found.name] ?? 'end the transaction first'}`)
}

const expected: Readonly<Record<string, string>> = {
  RCPT: 'MAIL comes first',
  DATA: 'MAIL and RCPT come first',
  MAIL: 'there is a sender already',
}

function hello(session: AnySession): string {
  return session.options.protocol === 'lmtp' ? 'LHLO' : 'EHLO'
}

/**
 * What follows the verb of a login may be a password; and so may a line without a verb that we know, of a client that
 * goes on with a login that was refused.
 */
function loggable(line: string): string {
  const [verb = ''] = /^[a-z]+/i.exec(line) ?? []
  if (/^auth$/i.test(verb)) return 'AUTH'
  const isKnown = Object.values(verbs).some(table => Object.hasOwn(table, verb.toUpperCase()))
  return isKnown ? line.slice(0, 200) : 'unknown'
}

/** Answers with the error; what is no answer to anybody ends the session. */
function refuse(session: AnySession, error: unknown, line: string | undefined): void {
  const { connection, log } = session
  if (error instanceof PeerTimeout || error instanceof PeerGone) throw error
  const command = line === undefined ? undefined : loggable(line)
  const reply = replyOf(error)
  const { code, status } = reply
  if (isUnforeseen(error)) log.error('command-failed', { command, reason: stackOf(error) })
  else log.info('refused', { command, code, status, reason: describe(error) })
  connection.write(formatReply(reply))
  if (reply.code === 421) session.ending = true
  if (++session.errors < session.options.maxErrors || session.ending) return
  session.reply(421, '4.7.0', 'Too many errors; goodbye')
  session.ending = true
}

/** The server is to end: at once where nothing is under way, after the command that is being worked on otherwise. */
function shutDown(session: AnySession): void {
  session.draining = true
  if (session.idle) sayGoodbye(session)
}

/** Nobody stays for ever, however busy: what is being stored is finished, what is being sent is not waited for. */
function expire(session: AnySession): void {
  session.expired = true
  session.draining = true
  if (session.idle || session.receiving) sayGoodbye(session)
}

function sayGoodbye(session: AnySession): void {
  if (session.expired) session.reply(421, '4.4.2', 'This session has lasted too long; goodbye')
  else session.reply(421, '4.3.2', 'This server is being stopped; come back soon')
  session.ending = true
  session.connection.close()
}
