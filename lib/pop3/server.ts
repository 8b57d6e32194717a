/** POP3 at a glance: its commands, the states they belong to, and the loop that runs them. */
import type { Log } from '../sys/log.js'
import { findVerb, type Verbs } from '../wire/dispatch.js'
import { type Connection, LineTooLong, PeerTimeout } from '../wire/line.js'
import { tlsName } from '../wire/tls.js'
import { apop, auth, offered, pass, stls, user } from './authorization.js'
import { type Pop3Options, Pop3Session, type State } from './session.js'
import { dele, list, retr, rset, stat, top, uidl, update } from './transaction.js'

/** RFC 2449 §4: a command is at most 255 octets, its CRLF included; AUTH's initial response makes it longer. */
const longestCommand = 2_048
/** Refused logins and unknown commands before a session that is nobody's is ended. */
const patience = 10

type Session = Pop3Session<never>

const verbs: Verbs<Session, State> = {
  CAPA: { states: ['authorization', 'transaction'], run: capa }, // RFC 2449 §5
  STLS: { states: ['authorization'], run: stls }, // RFC 2595 §4
  USER: { states: ['authorization'], run: user }, // RFC 1939 §7
  PASS: { states: ['authorization'], run: pass }, // RFC 1939 §7
  APOP: { states: ['authorization'], run: apop }, // RFC 1939 §7
  AUTH: { states: ['authorization'], run: auth }, // RFC 5034
  UTF8: { states: ['authorization'], run: utf8 }, // RFC 6856 §2.1
  LANG: { states: ['authorization', 'transaction'], run: lang }, // RFC 6856 §3
  STAT: { states: ['transaction'], run: stat }, // RFC 1939 §5
  LIST: { states: ['transaction'], run: list }, // RFC 1939 §5
  UIDL: { states: ['transaction'], run: uidl }, // RFC 1939 §7
  RETR: { states: ['transaction'], run: retr }, // RFC 1939 §5
  TOP: { states: ['transaction'], run: top }, // RFC 1939 §7
  DELE: { states: ['transaction'], run: dele }, // RFC 1939 §5
  NOOP: { states: ['transaction'], run: session => session.ok('') }, // RFC 1939 §5
  RSET: { states: ['transaction'], run: rset }, // RFC 1939 §5
  QUIT: { states: ['authorization', 'transaction'], run: quit }, // RFC 1939 §4, §6
}

/** Speaks POP3 until the peer leaves. A connection that is lost removes nothing (RFC 1939 §6). */
export async function servePop3<User>(
  connection: Connection,
  options: Pop3Options<User>,
  log: Log,
): Promise<void> {
  const session = new Pop3Session(connection, options, log)
  connection.onShutdown = () => session.shutDown()
  session.ok(`${options.hostname} POP3 ready${session.banner ? ` ${session.banner}` : ''}`)
  try {
    // The table is one for every kind of user; what a session does with its own it knows itself.
    while (!session.ended) await step(session as unknown as Session)
  } finally {
    session.ahead?.drop()
    await session.maildrop?.release()
  }
}

async function step(session: Session): Promise<void> {
  const line = await nextLine(session)
  if (line === undefined) return
  const found = findVerb(verbs, line, session.state)
  if (found.verb) await session.answering(() => found.verb.run(session, found.argument))
  else {
    session.failures++
    session.refuse(found.reason === 'unknown' ? 'this command is unknown' : 'not now')
  }
  if (session.state === 'authorization' && session.failures > patience) {
    session.refuse('too many errors, goodbye')
    session.ended = true
  }
}

/** The next command; undefined when there is none to run: the peer left, or sent too long a line. */
async function nextLine(session: Session): Promise<string | undefined> {
  try {
    const line = await session.connection.readLine(longestCommand, session.timeout)
    if (line === undefined) session.ended = true
    return line?.toString()
  } catch (error) {
    if (error instanceof LineTooLong) {
      session.failures++
      session.refuse('this line is too long')
    } else if (error instanceof PeerTimeout) {
      session.refuse('nothing came for too long, goodbye', 'SYS/TEMP')
      session.ended = true
    } else throw error
    return undefined
  }
}

/** RFC 2449 §6; EXPIRE NEVER: no message is removed unless the client asks. */
function capa(session: Session): void {
  const { options, connection, state } = session
  const names = offered(session)
  const plain =
    !tlsName(connection) && options.identity && (options.tls === 'required' || options.tls === 'offered')
  const lines = [
    'TOP',
    'UIDL',
    'PIPELINING',
    'RESP-CODES',
    'AUTH-RESP-CODE',
    'EXPIRE NEVER',
    'LANG',
    'IMPLEMENTATION Postern',
  ]
  lines.push(names.includes('PLAIN') ? 'UTF8 USER' : 'UTF8')
  if (names.includes('PLAIN')) lines.push('USER')
  if (options.loginDelay > 0) lines.push(`LOGIN-DELAY ${Math.ceil(options.loginDelay / 1000)}`)
  if (names.length > 0) lines.push(`SASL ${names.join(' ')}`)
  if (plain && state === 'authorization') lines.push('STLS')
  session.ok('capabilities follow')
  connection.write([...lines, '.', ''].join('\r\n'))
}

/** Messages are stored as they came and names compared as UTF-8, so there is nothing to switch. */
function utf8(session: Session): void {
  session.ok('')
}

/** The texts of the answers are in English only. */
function lang(session: Session, argument: string): void {
  if (argument === '') {
    session.ok('languages follow')
    session.connection.write('en English\r\n.\r\n')
  } else if (/^(\*|en|en-.*|i-default)$/i.test(argument)) session.ok('en English')
  else session.refuse('this language is not spoken here')
}

async function quit(session: Session): Promise<void> {
  if (session.state === 'transaction') return update(session)
  session.ok('goodbye')
  session.ended = true
}
