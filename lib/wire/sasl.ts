/**
 * The server's side of SASL (RFC 4422), whatever protocol carries it: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195)
 * SCRAM-SHA-256 (RFC 7677), OAUTHBEARER (RFC 7628) and XOAUTH2.
 *
 * The protocol does the framing: it turns a challenge into its own continuation line in base64, reads one line,
 * tells `*` (cancelled) and undecodable base64 from an answer, and hands the octets back.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { hostname } from 'node:os'
import { exits, MailError } from '../sys/error.js'
import { readClientFirst, ScramExchange, type ScramKeys } from './scram.js'

/**
 * Sends a challenge (which may be empty) and returns what the client answers.
 *
 * @returns undefined when the client cancelled
 */
export type Exchange = (challenge: Buffer) => Promise<Buffer | undefined>

/** A login by proof instead of password: its keys first, then what came of them. */
export interface Attempt<Keys, Identity> {
  readonly keys: Keys
  /** The proof was right. @throws MailError when the login is refused all the same */
  accept(): Promise<Identity>
  /** The proof was wrong. @throws MailError always */
  refuse(): Promise<never>
}

/**
 * Who knows the passwords. Refusals are MailErrors, thrown through {@link authenticate}: `temporary` ones become 454
 * or [UNAVAILABLE], others 535 or [AUTHENTICATIONFAILED].
 */
export interface Verifier<Identity> {
  password(user: string, password: string): Promise<Identity>
  /** Keys are made up for a user who has none, and no proof fits them: that the user is not there must not show. */
  scram?(user: string): Promise<Attempt<ScramKeys, Identity>>
  cram?(user: string): Promise<Attempt<readonly ((challenge: Buffer) => Buffer)[], Identity>>
  /** An access token (RFC 6750); without a user, whose it is says the token. */
  bearer?: ((user: string | undefined, token: string) => Promise<Identity>) | undefined
}

/** An exchange that came to no login, by the client's fault or wish. */
export class SaslError extends MailError {
  override readonly name = 'SaslError'
  /** `cancelled`: 501 or BAD; `malformed`: 501 5.5.2 or BAD; `unknown`: there is no such mechanism, 504 5.5.4 or NO. */
  readonly reason: 'cancelled' | 'malformed' | 'unknown'

  constructor(reason: SaslError['reason'], message: string) {
    super(message, { exit: exits.protocol })
    this.reason = reason
  }
}

/** Longest answer of a client, in octets after base64 (RFC 4954 §4: 12288 characters of base64). */
export const maxResponse = 9_216

type Mechanism = <Identity>(
  initial: Buffer | undefined,
  exchange: Exchange,
  verifier: Verifier<Identity>,
) => Promise<Identity>

/** The mechanisms of `names` that exist and that the verifier has keys for, in upper case: what a server offers. */
export function mechanisms<Identity>(names: readonly string[], verifier: Verifier<Identity>): string[] {
  return names
    .map(name => name.toUpperCase())
    .filter(name => Object.hasOwn(table, name))
    .filter(name => name !== 'CRAM-MD5' || verifier.cram)
    .filter(name => name !== 'SCRAM-SHA-256' || verifier.scram)
    .filter(name => (name !== 'XOAUTH2' && name !== 'OAUTHBEARER') || verifier.bearer)
}

/**
 * Runs one exchange. Whether the mechanism was offered at all is the caller's to check before.
 *
 * @param initial the client's initial response where its command brought one; an empty one (`=`) is an empty Buffer
 * @throws SaslError @throws MailError as the verifier refuses
 */
export async function authenticate<Identity>(
  mechanism: string,
  initial: Buffer | undefined,
  exchange: Exchange,
  verifier: Verifier<Identity>,
): Promise<Identity> {
  const name = mechanism.toUpperCase()
  const run = Object.hasOwn(table, name) ? table[name] : undefined
  if (!run) throw new SaslError('unknown', `there is no mechanism ${name}`)
  if (initial) checkLength(initial)
  return run(
    initial,
    async challenge => {
      const response = await exchange(challenge)
      if (response) checkLength(response)
      return response
    },
    verifier,
  )
}

/** Reads a response as protocols carry it, in base64 (RFC 4648 §4). @returns undefined for what is not base64 */
export function decodeResponse(text: string): Buffer | undefined {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
  return isBase64 ? Buffer.from(text, 'base64') : undefined
}

/** The same for an initial response, where `=` stands for an empty one (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4). */
export function decodeInitial(text: string): Buffer | undefined {
  return text === '=' ? Buffer.alloc(0) : decodeResponse(text)
}

function checkLength(response: Buffer): void {
  if (response.length > maxResponse) throw new SaslError('malformed', 'the response is too long')
}

/** A challenge whose answer must come. */
async function ask(exchange: Exchange, challenge: string | Buffer): Promise<Buffer> {
  const response = await exchange(typeof challenge === 'string' ? Buffer.from(challenge) : challenge)
  if (response) return response
  throw new SaslError('cancelled', 'authentication cancelled')
}

/** RFC 4616: authorization identity, NUL, user, NUL, password. */
const plain: Mechanism = async (initial, exchange, verifier) => {
  const parts = text(initial ?? (await ask(exchange, ''))).split('\0')
  const [authorization = '', user = '', password = ''] = parts
  if (parts.length !== 3 || user === '') throw new SaslError('malformed', 'this is no PLAIN response')
  checkAuthorization(authorization, user)
  return verifier.password(user, password)
}

/** Never standardised; clients look for exactly these two prompts. */
const login: Mechanism = async (initial, exchange, verifier) => {
  const user = text(initial ?? (await ask(exchange, 'Username:')))
  const password = text(await ask(exchange, 'Password:'))
  if (user === '' || user.includes('\0') || password.includes('\0'))
    throw new SaslError('malformed', 'this is no LOGIN response')
  return verifier.password(user, password)
}

/** RFC 2195: the user, a space, and in hex what the password makes of our challenge. */
const cramMd5: Mechanism = async (initial, exchange, verifier) => {
  if (initial || !verifier.cram) throw new SaslError('malformed', 'CRAM-MD5 has no initial response')
  const challenge = Buffer.from(`<${randomBytes(12).toString('hex')}.${Date.now()}@${hostname()}>`)
  const [, user, digest] = /^(.+) ([\da-f]{32})$/i.exec(text(await ask(exchange, challenge))) ?? []
  if (user === undefined || digest === undefined)
    throw new SaslError('malformed', 'this is no CRAM-MD5 response')
  const attempt = await verifier.cram(user)
  const found = Buffer.from(digest, 'hex')
  const right = attempt.keys.filter(key => timingSafeEqual(key(challenge), found)).length > 0
  return right ? attempt.accept() : attempt.refuse()
}

/** RFC 5802 §5; what proves the server goes as one more challenge, to which the client says nothing. */
const scramSha256: Mechanism = async (initial, exchange, verifier) => {
  const client = readClientFirst(text(initial ?? (await ask(exchange, ''))))
  if (!client || !verifier.scram) throw new SaslError('malformed', 'this is no SCRAM message')
  checkAuthorization(client.authorization, client.user)
  const attempt = await verifier.scram(client.user)
  const server = new ScramExchange(client, attempt.keys)
  const outcome = server.finish(text(await ask(exchange, server.challenge)))
  if (outcome === 'malformed') throw new SaslError('malformed', 'this is no SCRAM message')
  if (outcome === 'wrong') return attempt.refuse()
  const identity = await attempt.accept()
  await ask(exchange, outcome.verified)
  return identity
}

/** RFC 7628 §3.1: a header as of GS2 (RFC 5801 §4), then pairs; the host and port that it may name are not looked at. */
const oauthBearer: Mechanism = async (initial, exchange, verifier) => {
  const [, user, pairs = ''] =
    /^[ny],(?:a=([^,]*))?,\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01$/.exec(
      text(initial ?? (await ask(exchange, ''))),
    ) ?? []
  const token = /(?:^|\x01)auth=Bearer +([A-Za-z0-9._~+/-]+=*)\x01/i.exec(pairs)?.[1]
  if (token === undefined) throw new SaslError('malformed', 'this is no OAUTHBEARER message')
  const name = user?.replaceAll('=2C', ',').replaceAll('=3D', '=')
  return bearer(exchange, verifier, name, token, { status: 'invalid_token' })
}

/** Google's, which came before: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol */
const xoauth2: Mechanism = async (initial, exchange, verifier) => {
  const message = text(initial ?? (await ask(exchange, '')))
  const [, user, token] =
    /^user=([^\x01]+)\x01auth=Bearer +([A-Za-z0-9._~+/-]+=*)\x01\x01$/i.exec(message) ?? []
  if (user === undefined || token === undefined)
    throw new SaslError('malformed', 'this is no XOAUTH2 message')
  return bearer(exchange, verifier, user, token, { status: '400', schemes: 'Bearer' })
}

/** What is wrong is told in JSON as one more challenge; what the client answers to that says nothing (RFC 7628 §3.2.3). */
async function bearer<Identity>(
  exchange: Exchange,
  verifier: Verifier<Identity>,
  user: string | undefined,
  token: string,
  wrong: object,
): Promise<Identity> {
  if (!verifier.bearer) throw new SaslError('malformed', 'tokens are not taken here')
  try {
    return await verifier.bearer(user === '' ? undefined : user, token)
  } catch (error) {
    const isRefusal = error instanceof MailError && error.exit === exits.notAllowed
    if (isRefusal) await exchange(Buffer.from(JSON.stringify(wrong)))
    throw error
  }
}

const table: Readonly<Record<string, Mechanism>> = {
  PLAIN: plain,
  LOGIN: login,
  'CRAM-MD5': cramMd5,
  'SCRAM-SHA-256': scramSha256,
  OAUTHBEARER: oauthBearer,
  XOAUTH2: xoauth2,
}

/** To act for somebody else is not possible here: only who is asked for by their own name is let in. */
function checkAuthorization(authorization: string, user: string): void {
  if (authorization !== '' && authorization.toLowerCase() !== user.toLowerCase())
    throw new MailError('nobody may log in for somebody else here', { exit: exits.notAllowed })
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function text(octets: Buffer): string {
  try {
    return utf8.decode(octets)
  } catch {
    throw new SaslError('malformed', 'the response is not UTF-8')
  }
}
