/** Who is there, and over which line: AUTHENTICATE, STARTTLS, UNAUTHENTICATE. */
import { describe, MailError } from '../sys/error.js'
import { authenticate, decodeResponse, mechanisms, SaslError } from '../wire/sasl.js'
import { startTls } from '../wire/tls.js'
import { type Argument, readString, SyntaxRefused } from './reader.js'
import { string } from './reply.js'
import type { ManageSieveSession, ScriptStore } from './session.js'

/** Largest literal of an exchange, in octets of base64. */
const longestResponse = 12_288

/** The mechanisms that may be used on this connection as it is now; none where a login is not allowed. */
export function offered<User>(session: ManageSieveSession<User>): string[] {
  return session.mayLogIn ? mechanisms(session.options.mechanisms, session.verifier) : []
}

/** RFC 5804 §2.1. */
export async function authenticateCommand<User>(
  session: ManageSieveSession<User>,
  [name, initial]: readonly Argument[],
): Promise<void> {
  const mechanism = (name as Buffer).toString('latin1')
  if (!session.mayLogIn) {
    session.failures++
    return session.no('a login needs TLS: send STARTTLS first', 'ENCRYPT-NEEDED')
  }
  if (!offered(session).includes(mechanism.toUpperCase())) {
    session.failures++
    return session.no('this mechanism is not offered here')
  }
  const exchange = async (challenge: Buffer) => {
    session.connection.write(Buffer.concat([string(challenge.toString('base64')), Buffer.from('\r\n')]))
    const answer = await readString(session.connection, {
      literal: longestResponse,
      timeout: session.timeout,
    })
    return answer === undefined || answer.toString('latin1') === '*' ? undefined : decode(answer)
  }
  await logIn(session, async () => {
    const first = initial === undefined ? undefined : decode(initial as Buffer)
    return authenticate(mechanism, first, exchange, session.verifier)
  })
}

/** Proves who is there, then opens the scripts. */
async function logIn<User>(session: ManageSieveSession<User>, prove: () => Promise<User>): Promise<void> {
  let user: User
  try {
    user = await prove()
  } catch (error) {
    if (error instanceof SyntaxRefused) return session.no(error.message)
    if (!(error instanceof MailError)) throw error
    if (!(error instanceof SaslError)) session.failures++
    return session.no(error.message, error.temporary ? 'TRYLATER' : undefined)
  }
  const name = session.options.name(user)
  let scripts: ScriptStore
  try {
    scripts = await session.options.open(user)
  } catch (error) {
    if (!(error instanceof MailError)) throw error
    session.log.warning('scripts-not-opened', { user: name, reason: describe(error) })
    return session.no(error.message, 'TRYLATER')
  }
  session.login(name, scripts)
  session.failures = 0
  session.log.info('login', { user: name })
  session.ok('logged in')
}

/** RFC 5804 §2.2. What the client sent ahead is dropped; the capabilities follow, as they are now. */
export async function starttls<User>(
  session: ManageSieveSession<User>,
  capabilities: () => void,
): Promise<void> {
  const { identity } = session.options
  if (!session.offersTls || !identity) return session.no('STARTTLS is not offered here')
  session.ok('begin TLS')
  await startTls(session.connection, identity)
  capabilities()
}

/** @throws SaslError for what is no base64 */
function decode(octets: Buffer): Buffer {
  const response = decodeResponse(octets.toString('latin1'))
  if (!response) throw new SaslError('malformed', 'this is no base64')
  return response
}
