/** The commands of the AUTHORIZATION state: who is there, and over which line. */
import { timingSafeEqual } from 'node:crypto'
import { describe, errorCode, exits, MailError } from '../sys/error.js'
import {
  type Attempt,
  authenticate,
  decodeInitial,
  decodeResponse,
  mechanisms,
  SaslError,
} from '../wire/sasl.js'
import { startTls, tlsName } from '../wire/tls.js'
import type { Pop3Session } from './session.js'

/** Longest line of an AUTH exchange (RFC 4954 §4 has the figure for SMTP; RFC 5034 leaves it open). */
const longestResponse = 12_288

/** The mechanisms that may be used on this connection as it is now. */
export function offered<User>(session: Pop3Session<User>): string[] {
  return session.mayLogIn ? mechanisms(session.options.mechanisms, session.verifier) : []
}

/** RFC 1939 §7: USER. Whether the user exists is not told here. */
export function user<User>(session: Pop3Session<User>, argument: string): void {
  if (!offered(session).includes('PLAIN')) return needsTls(session)
  if (argument === '') return session.refuse('USER needs a name')
  session.user = argument
  session.ok('send PASS')
}

/** RFC 1939 §7: PASS. The password is all that follows the first space, spaces included. */
export async function pass<User>(session: Pop3Session<User>, argument: string): Promise<void> {
  const name = session.user
  session.user = undefined
  if (!offered(session).includes('PLAIN')) return needsTls(session)
  if (name === undefined) return session.refuse('USER comes first')
  await logIn(session, () => session.verifier.password(name, argument))
}

/** RFC 1939 §7: APOP, where the configuration asks for it; it proves a password that is stored in the clear. */
export async function apop<User>(session: Pop3Session<User>, argument: string): Promise<void> {
  const { verifier, banner } = session
  const [, name, hex = ''] = /^(.+) ([0-9a-f]{32})$/.exec(argument) ?? []
  if (!verifier.apop || banner === undefined) return session.refuse('APOP is not offered here')
  if (name === undefined) return session.refuse('APOP needs a name and an MD5 digest')
  await logIn(session, async () => {
    const attempt = (await verifier.apop?.(name)) as Attempt<readonly ((banner: Buffer) => Buffer)[], User>
    const digest = Buffer.from(hex, 'hex')
    const right = attempt.keys.filter(key => timingSafeEqual(key(Buffer.from(banner)), digest)).length > 0
    return right ? attempt.accept() : attempt.refuse()
  })
}

/** RFC 5034: AUTH, with an initial response or without; alone, it lists the mechanisms as old clients expect. */
export async function auth<User>(session: Pop3Session<User>, argument: string): Promise<void> {
  const [mechanism = '', initial, ...more] = argument.split(' ')
  if (mechanism === '') {
    session.ok('mechanisms follow')
    session.connection.write([...offered(session), '.', ''].join('\r\n'))
    return
  }
  if (!session.mayLogIn) return needsTls(session)
  if (more.length > 0) return session.refuse('AUTH takes a mechanism and at most one response')
  if (!offered(session).includes(mechanism.toUpperCase()))
    return session.refuse('this mechanism is not offered here')
  const exchange = async (challenge: Buffer) => {
    session.connection.write(`+ ${challenge.toString('base64')}\r\n`)
    const line = await session.connection.readLine(longestResponse, session.timeout)
    const text = line?.toString('latin1') ?? '*'
    return text === '*' ? undefined : orRefuse(decodeResponse(text))
  }
  await logIn(session, async () => {
    const first = initial === undefined ? undefined : orRefuse(decodeInitial(initial))
    return authenticate(mechanism, first, exchange, session.verifier)
  })
}

/** RFC 2595 §4: STLS. What the client sent ahead is dropped, and nothing said before counts any more. */
export async function stls<User>(session: Pop3Session<User>): Promise<void> {
  const { identity, tls } = session.options
  if (!identity || tls === 'off' || tls === 'implicit') return session.refuse('STLS is not offered here')
  if (tlsName(session.connection)) return session.refuse('TLS is on already')
  session.ok('begin TLS')
  session.user = undefined
  await startTls(session.connection, identity)
}

function needsTls<User>(session: Pop3Session<User>): void {
  session.failures++
  session.refuse(session.mayLogIn ? 'this login is not offered here' : 'a login needs TLS: send STLS first')
}

/** @throws SaslError for what is no base64 */
function orRefuse(response: Buffer | undefined): Buffer {
  if (!response) throw new SaslError('malformed', 'this is no base64')
  return response
}

/** Proves who is there, then opens the mail; tells which of the two failed (RFC 3206). */
async function logIn<User>(session: Pop3Session<User>, prove: () => Promise<User>): Promise<void> {
  let user: User
  try {
    user = await prove()
  } catch (error) {
    if (!(error instanceof MailError)) throw error
    if (error instanceof SaslError) return session.refuse(error.message)
    session.failures++
    return session.refuse(error.message, error.temporary ? 'SYS/TEMP' : 'AUTH')
  }
  try {
    session.maildrop = await session.options.open(user)
  } catch (error) {
    const isSystems = errorCode(error) !== undefined
    if (!(error instanceof MailError) && !isSystems) throw error
    session.log.warning('maildrop-not-opened', { user: session.options.name(user), reason: describe(error) })
    const said = error instanceof MailError ? error.message : 'the mail cannot be opened now'
    return session.refuse(said, error instanceof MaildropRefused ? error.code : 'SYS/TEMP')
  }
  session.state = 'transaction'
  session.connection.limitTo(undefined)
  session.log.info('login', { user: session.options.name(user), messages: session.maildrop.count })
  session.ok(`${session.maildrop.count} messages`)
}

/** The mail may not be opened now, by the configuration's word (RFC 2449 §8.1). */
export class MaildropRefused extends MailError {
  override readonly name = 'MaildropRefused'
  /** Another session has it; or this user was here too short a time ago. */
  readonly code: 'IN-USE' | 'LOGIN-DELAY'

  constructor(code: MaildropRefused['code'], message: string) {
    super(message, { exit: exits.tryAgain })
    this.code = code
  }
}
