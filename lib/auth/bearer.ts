/**
 * Access tokens that people log in with (RFC 6750), checked where they were issued: by introspection (RFC 7662), or by
 * asking for the data of the token's own user (OpenID Connect Core §5.3).
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { TemporaryError } from '../sys/error.js'

export interface BearerOptions {
  /** One of the two. */
  readonly introspectionUrl?: string | undefined
  readonly userinfoUrl?: string | undefined
  /** Who we are to the introspection endpoint. */
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  /** Authorities in PEM; the system's unless given. */
  readonly ca?: string | undefined
  /** The member of the answer that names the user. */
  readonly claim: string
  /** A scope that the token must have; an answer without scopes has none. */
  readonly scope?: string | undefined
  /** In milliseconds. */
  readonly clock?: () => number
}

/** How long a good token is not asked about again, so that a webmail may log in for each page; milliseconds. */
const lifetime = 60_000
const most = 1_000
/** Longest wait for an answer in milliseconds, and its longest size in octets. */
const patience = 10_000
const longestAnswer = 65_536

type Answer = Readonly<Record<string, unknown>>

export class BearerTokens {
  readonly #options: BearerOptions
  readonly #clock: () => number
  readonly #key = randomBytes(32)
  /** Digest of a good token to its user and the time of its end, oldest first. */
  readonly #good = new Map<string, { user: string; end: number }>()

  constructor(options: BearerOptions) {
    this.#options = options
    this.#clock = options.clock ?? Date.now
  }

  /**
   * Finds out whose token this is.
   *
   * @returns the user's name as the issuer has it; undefined for a token that is not good
   * @throws TemporaryError when the issuer gives no answer
   */
  async check(token: string): Promise<string | undefined> {
    const digest = createHmac('sha256', this.#key).update(token).digest('base64')
    const known = this.#good.get(digest)
    if (known && known.end > this.#clock()) return known.user
    const answer = await this.#ask(token)
    const user = answer?.[this.#options.claim]
    if (!answer || typeof user !== 'string' || user === '' || !this.#hasScope(answer)) return undefined
    const now = this.#clock()
    const end = typeof answer['exp'] === 'number' ? answer['exp'] * 1_000 : Number.POSITIVE_INFINITY
    if (end <= now) return undefined
    this.#remember(digest, user, Math.min(end, now + lifetime))
    return user
  }

  #remember(digest: string, user: string, end: number): void {
    this.#good.delete(digest)
    this.#good.set(digest, { user, end })
    for (const [oldest, each] of this.#good) {
      if (this.#good.size <= most && each.end > this.#clock()) break
      this.#good.delete(oldest)
    }
  }

  #hasScope(answer: Answer): boolean {
    const { scope } = this.#options
    return (
      scope === undefined ||
      String(answer['scope'] ?? '')
        .split(' ')
        .includes(scope)
    )
  }

  /** @returns undefined for a token that is not good */
  async #ask(token: string): Promise<Answer | undefined> {
    const { introspectionUrl, userinfoUrl } = this.#options
    if (introspectionUrl !== undefined) {
      const answer = await this.#fetch(introspectionUrl, token, true)
      return answer?.['active'] === true ? answer : undefined
    }
    return this.#fetch(userinfoUrl as string, token, false)
  }

  async #fetch(url: string, token: string, introspecting: boolean): Promise<Answer | undefined> {
    const { clientId, clientSecret, ca } = this.#options
    const body = introspecting
      ? new URLSearchParams({ token, token_type_hint: 'access_token' }).toString()
      : ''
    const login = `${encodeURIComponent(clientId ?? '')}:${encodeURIComponent(clientSecret ?? '')}`
    const authorization = introspecting ? `Basic ${Buffer.from(login).toString('base64')}` : `Bearer ${token}`
    const { status, text } = await request(url, body, {
      method: introspecting ? 'POST' : 'GET',
      headers: {
        accept: 'application/json',
        ...(introspecting ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        ...(introspecting && clientId === undefined ? {} : { authorization }),
      },
      timeout: patience,
      ...(ca === undefined ? {} : { ca }),
    } as RequestOptions)
    // Of the user's own data, a refusal says that the token is not good; of introspection, that we are not welcome.
    if (!introspecting && status >= 400 && status < 500 && status !== 429) return undefined
    if (status !== 200) throw new TemporaryError(`${url} answers ${status}`)
    try {
      const answer = JSON.parse(text) as unknown
      if (typeof answer === 'object' && answer !== null) return answer as Answer
    } catch {
      // Said below.
    }
    throw new TemporaryError(`${url} answers with something else than a JSON object`)
  }
}

/** Plain HTTP is for loopback: the configuration has seen to that. @throws TemporaryError */
async function request(
  url: string,
  body: string,
  options: RequestOptions,
): Promise<{ status: number; text: string }> {
  const { request: begin } = url.startsWith('https:') ? await import('node:https') : await import('node:http')
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = begin(url, options, resolve)
      asked.on('timeout', () => asked.destroy(new Error('it took too long')))
      asked.on('error', reject)
      asked.end(body)
    })
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > longestAnswer) throw new Error('the answer is too long')
      chunks.push(chunk)
    }
    return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }
  } catch (error) {
    throw new TemporaryError(`${url} gives no answer`, { cause: error })
  }
}
