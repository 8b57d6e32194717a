/**
 * OAuth 2 for logins at providers: access tokens from a refresh token (RFC 6749 §6), and the dance that gets the
 * first one, with PKCE (RFC 7636) and a loopback address or a pasted code (RFC 8252).
 */
import { createHash, randomBytes } from 'node:crypto'
import { exits, MailError } from '../sys/error.js'

export interface OAuthClient {
  readonly clientId: string
  readonly clientSecret?: string
  readonly tokenUrl: string
  readonly scope: string
}

/** What a token endpoint answers (RFC 6749 §5.1). */
export interface Tokens {
  readonly accessToken: string
  /** In milliseconds since 1970; undefined where the provider did not say. */
  readonly expires: number | undefined
  /** Given at the first exchange, and by some providers anew each time. */
  readonly refreshToken: string | undefined
}

/** Longest wait for a provider, and how long before its end a token is renewed; milliseconds. */
const patience = 30_000
const margin = 60_000

/** The access tokens of one account: kept while they are good, asked for once by many who ask at a time. */
export class AccessTokens {
  readonly #client: OAuthClient
  readonly #refreshToken: () => Promise<string>
  readonly #renewed: (refreshToken: string) => Promise<void>
  readonly #clock: () => number
  #current: Tokens | undefined
  #asking: Promise<Tokens> | undefined

  /**
   * @param refreshToken reads it, each time a new access token is needed
   * @param renewed keeps another that the provider gave in its place
   */
  constructor(
    client: OAuthClient,
    refreshToken: () => Promise<string>,
    renewed: (refreshToken: string) => Promise<void>,
    clock: () => number = Date.now,
  ) {
    this.#client = client
    this.#refreshToken = refreshToken
    this.#renewed = renewed
    this.#clock = clock
  }

  /** @param renew whether the last one was refused @throws MailError saying what to do */
  async get(renew: boolean): Promise<string> {
    const { expires = Number.POSITIVE_INFINITY } = this.#current ?? {}
    if (this.#current && !renew && this.#clock() < expires - margin) return this.#current.accessToken
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    this.#current = await this.#asking
    return this.#current.accessToken
  }

  async #ask(): Promise<Tokens> {
    const refreshToken = await this.#refreshToken()
    const tokens = await requestTokens(
      this.#client,
      { grant_type: 'refresh_token', refresh_token: refreshToken },
      this.#clock(),
    )
    if (tokens.refreshToken !== undefined && tokens.refreshToken !== refreshToken)
      await this.#renewed(tokens.refreshToken)
    return tokens
  }
}

/** Asks a token endpoint. @throws MailError (75 where it may be otherwise next time, else 77) */
export async function requestTokens(
  client: OAuthClient,
  parameters: Readonly<Record<string, string>>,
  now: number,
): Promise<Tokens> {
  const { clientId, clientSecret, tokenUrl } = client
  const form = new URLSearchParams({
    ...parameters,
    client_id: clientId,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
  })
  let response: Response
  try {
    response = await fetch(tokenUrl, {
      method: 'POST',
      body: form,
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
    })
  } catch (error) {
    throw new MailError(`${tokenUrl} gives no answer`, { exit: exits.tryAgain, cause: error })
  }
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>
  const { access_token: accessToken, expires_in: lifetime, refresh_token: refreshToken } = answer
  if (!response.ok || typeof accessToken !== 'string') throw refusal(tokenUrl, response.status, answer)
  return {
    accessToken,
    expires: Number(lifetime) > 0 ? now + Number(lifetime) * 1000 : undefined,
    refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined,
  }
}

function refusal(url: string, status: number, answer: Record<string, unknown>): MailError {
  const { error, error_description: description } = answer
  const said = [error, description].filter(each => typeof each === 'string').join(': ') || `status ${status}`
  if (error !== 'invalid_grant')
    return new MailError(`${url} gives no token: ${said}`, {
      exit: status >= 500 || status === 429 ? exits.tryAgain : exits.notAllowed,
    })
  const google = url.includes('google') ? `. ${sevenDays}` : ''
  return new MailError(`the refresh token is no longer good (${said}); log in again${google}`, {
    exit: exits.notAllowed,
  })
}

/** What users of Google's must know. */
export const sevenDays =
  'Google ends refresh tokens after 7 days while the project\'s publishing status is "Testing": publish it ("In production"), or use an app password'

/** One run of the dance. */
export interface Authorization {
  /** What the user opens in a browser. */
  readonly url: string
  /** What the redirection must bring back (RFC 6749 §10.12). */
  readonly state: string
  readonly verifier: string
  readonly redirect: string
}

/** Begins the dance. @param redirect where the browser is sent with the code: a loopback address */
export function authorize(client: OAuthClient, redirect: string, hint?: string): Authorization {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const url = new URL(authorizationUrl(client.tokenUrl))
  const parameters = {
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: redirect,
    scope: client.scope,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    // Without these two Google gives no refresh token at a second login.
    access_type: 'offline',
    prompt: 'consent',
    ...(hint !== undefined && { login_hint: hint }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return { url: url.href, state, verifier, redirect }
}

/** Where users say yes, at the provider whose token endpoint this is; by its usual place beside that one. */
function authorizationUrl(tokenUrl: string): string {
  if (new URL(tokenUrl).hostname === 'oauth2.googleapis.com')
    return 'https://accounts.google.com/o/oauth2/v2/auth'
  return tokenUrl.replace(/\/token$/, '/authorize')
}

/**
 * Reads what the browser was sent to, or what the user pasted: the whole address, or the code alone.
 *
 * @throws MailError for a refusal, and for an answer to another request
 */
export function codeOf(text: string, { state }: Authorization): string {
  const trimmed = text.trim()
  if (!/[?&]/.test(trimmed)) return trimmed
  const answer = new URLSearchParams(trimmed.slice(trimmed.indexOf('?') + 1))
  const error = answer.get('error')
  if (error !== null) throw new MailError(`the provider says no: ${error}`, { exit: exits.notAllowed })
  if (answer.get('state') !== state)
    throw new MailError('this is the answer to another request; begin again', { exit: exits.data })
  return answer.get('code') ?? ''
}

/** Ends the dance: the code for tokens. @throws MailError */
export function redeem(
  client: OAuthClient,
  authorization: Authorization,
  code: string,
  now: number,
): Promise<Tokens> {
  const { verifier, redirect } = authorization
  const parameters = {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: redirect,
  }
  return requestTokens(client, parameters, now)
}
