/** AUTH (RFC 4954): the framing of a SASL exchange in SMTP. */
import { describe, MailError } from '../sys/error.js'
import { LineTooLong, PeerGone } from '../wire/line.js'
import { decodeInitial, decodeResponse } from '../wire/sasl.js'
import { type AnySession, command } from './command.js'
import { authMechanisms } from './extensions.js'
import { SmtpError } from './reply.js'

/** Longest line of an exchange, its CRLF included (RFC 4954 §4). */
export const authLineLimit = 12_288 + 2

interface Argument {
  readonly mechanism: string
  /** Undefined where the client sent none; an empty one is written "=". */
  readonly initial: Buffer | undefined
}

/** RFC 4954 §4. Once in a session, outside of transactions, and only where nobody can listen. */
export const auth = command<Argument>({
  states: ['ready'],
  check(session, argument) {
    const [name = '', initial, ...more] = argument.trim().split(/ +/)
    if (session.options.auth === 'off') throw new SmtpError(502, '5.5.1', 'There is no login here')
    if (session.login !== undefined) throw new SmtpError(503, '5.5.1', 'This session has logged in already')
    if (!session.secure && session.options.tls !== 'off')
      throw new SmtpError(538, '5.7.11', 'Begin TLS first: nobody logs in here in the clear')
    if (name === '' || more.length > 0) throw new SmtpError(501, '5.5.4', 'Syntax: AUTH mechanism')
    const mechanism = name.toUpperCase()
    if (!authMechanisms(session).includes(mechanism))
      throw new SmtpError(504, '5.5.4', 'This mechanism is not offered here')
    return { mechanism, initial: initial === undefined ? undefined : orRefuse(decodeInitial(initial)) }
  },
  async proceed(session, { mechanism, initial }) {
    try {
      session.login = await session.backend.authenticate(session.peer, mechanism, initial, challenge =>
        exchange(session, challenge),
      )
    } catch (error) {
      throw refusal(error)
    }
    session.log.info('login', { user: session.backend.nameOf(session.login), mechanism })
    session.reply(235, '2.7.0', 'Welcome')
  },
})

async function exchange(session: AnySession, challenge: Buffer): Promise<Buffer | undefined> {
  session.connection.write(`334 ${challenge.toString('base64')}\r\n`)
  const line = await readAnswer(session)
  if (!line) throw new PeerGone('the connection closed in the middle of a login')
  const text = line.toString('latin1')
  return text === '*' ? undefined : orRefuse(decodeResponse(text))
}

async function readAnswer(session: AnySession): Promise<Buffer | undefined> {
  try {
    return await session.connection.readLine(authLineLimit, session.timeouts.auth)
  } catch (error) {
    if (error instanceof LineTooLong) throw new SmtpError(500, '5.5.6', 'The line is too long')
    throw error
  }
}

/** @throws SmtpError 501 5.5.2 for what is not base64 (RFC 4954 §4) */
function orRefuse(response: Buffer | undefined): Buffer {
  if (!response) throw new SmtpError(501, '5.5.2', 'This is not base64')
  return response
}

/** Turns what the exchange threw into its reply (RFC 4954 §6). A bug stays what it is. */
function refusal(error: unknown): unknown {
  if (!(error instanceof MailError) || error instanceof SmtpError) return error
  const options = { cause: error }
  const reason = 'reason' in error ? error.reason : undefined
  if (reason === 'cancelled') return new SmtpError(501, '5.7.0', 'Login cancelled', options)
  if (reason === 'malformed') return new SmtpError(501, '5.5.2', describe(error), options)
  if (reason === 'unknown') return new SmtpError(504, '5.5.4', describe(error), options)
  if (error.temporary) return new SmtpError(454, '4.7.0', describe(error), options)
  return new SmtpError(535, '5.7.8', describe(error), options)
}
