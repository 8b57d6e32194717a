/** LOGIN and AUTHENTICATE (RFC 3501 §6.2.2, §6.2.3; the initial response of RFC 4959). */
import { MailError } from '../../sys/error.js'
import { PeerGone } from '../../wire/line.js'
import * as sasl from '../../wire/sasl.js'
import type { ImapUser } from '../backend.js'
import { capabilities } from '../capability.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { bad, ImapError, no } from '../reply.js'
import type { Session } from '../session.js'

/** Octets of a line that answers a challenge, in base64. */
const longestResponse = 16 * 1024

export async function login(session: Session, args: Decoder): Promise<Answer> {
  args.space()
  const user = args.text('The user name')
  args.space()
  const password = args.text('The password')
  args.end()
  requirePrivacy(session)
  return enter(session, verifier => verifier.password(user, password))
}

export async function authenticate(session: Session, args: Decoder): Promise<Answer> {
  args.space()
  const mechanism = args.word('The mechanism')
  const initial = args.trySpace() ? initialResponse(args) : undefined
  args.end()
  if (!session.options.backend.mechanisms.includes(mechanism))
    throw no('CANNOT', 'There is no such mechanism.')
  requirePrivacy(session)
  return enter(session, verifier =>
    sasl.authenticate(mechanism, initial, challenge => ask(session, challenge), verifier),
  )
}

function requirePrivacy(session: Session): void {
  if (!session.secure) throw no('PRIVACYREQUIRED', 'Start TLS first: anybody could read your password.')
}

function initialResponse(args: Decoder): Buffer {
  return orRefuse(sasl.decodeInitial(args.atom('The initial response')))
}

async function ask(session: Session, challenge: Buffer): Promise<Buffer | undefined> {
  const { connection, reader } = session
  connection.write(`+ ${challenge.toString('base64')}\r\n`)
  const line = await connection.readLine(longestResponse, reader.timeout)
  if (!line) throw new PeerGone('the connection closed in the middle of a login')
  const text = line.toString('latin1')
  return text === '*' ? undefined : orRefuse(sasl.decodeResponse(text))
}

function orRefuse(response: Buffer | undefined): Buffer {
  if (!response) throw bad('That is not base64.')
  return response
}

async function enter(
  session: Session,
  verify: (verifier: sasl.Verifier<ImapUser>) => Promise<ImapUser>,
): Promise<Answer> {
  const { connection, options } = session
  const peer = { address: connection.remoteAddress, secure: session.secure, session: connection.id }
  let user: ImapUser
  try {
    user = await verify(options.backend.verifier(peer))
  } catch (error) {
    throw refusalOf(error)
  }
  session.loggedIn(user.name, await user.open())
  return { code: `CAPABILITY ${capabilities(session)}`, text: 'You are logged in.' }
}

/** RFC 5530 §3: a client asks its user for another password only after AUTHENTICATIONFAILED. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof MailError) || error instanceof ImapError) return error
  if (error instanceof sasl.SaslError)
    return error.reason === 'unknown' ? no('CANNOT', error.message) : bad(`${error.message}.`)
  return no(error.temporary ? 'UNAVAILABLE' : 'AUTHENTICATIONFAILED', `${error.message}.`, { cause: error })
}
