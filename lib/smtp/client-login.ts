/** Logging in to another server: PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER. */
import { describe } from '../sys/error.js'
import { isLoopback, plainAddress } from '../sys/sockets.js'
import type { Login } from './client.js'
import type { ClientConnection } from './client-connection.js'

/**
 * Logs in. A password goes only over TLS, or to this machine itself.
 *
 * @throws SmtpTrouble with the code EAUTH
 */
export function logIn(connection: ClientConnection, login: Login, server: { host: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (text: string) => reject(Object.assign(new Error(text), { code: 'EAUTH' }))
    if (!connection.secure && !isLoopback(addressOf(connection)))
      return refuse(`no password is sent to ${server.host} without TLS`)
    if (!connection.allowsAuth) return refuse('it offers no login')
    const { user, password = '', mechanism, token } = login
    // The standard's mechanism (RFC 7628) where the older one, which Google made, is not offered.
    const method =
      token && connection.offers('OAUTHBEARER') && !connection.offers('XOAUTH2') ? 'OAUTHBEARER' : 'XOAUTH2'
    const auth = token
      ? { user, method, oauth2: tokens(user, token) as never }
      : { user, pass: password, ...(mechanism && { method: mechanism }) }
    connection.login(auth, error => (error ? reject(error) : resolve()))
  })
}

function addressOf(connection: ClientConnection): string {
  const { remoteAddress = 'unknown' } = connection._socket || {}
  return plainAddress(remoteAddress)
}

/** What nodemailer hands to a mechanism that it does not know. */
interface Exchange {
  readonly auth: { readonly user?: string | undefined; readonly oauth2?: unknown }
  sendCommand(line: string): Promise<{ readonly status: number; readonly response: string }>
}

/**
 * OAUTHBEARER (RFC 7628 §3.1, RFC 5801 §4), with a new token where the first is refused.
 *
 * @throws Error with what the server said
 */
export async function bearerLogin({ auth, sendCommand }: Exchange): Promise<void> {
  const { getToken } = auth.oauth2 as Tokens
  let said = ''
  for (const renew of [false, true]) {
    const token = await new Promise<string>((resolve, reject) => {
      getToken(renew, (error, text = '') => (error ? reject(error) : resolve(text)))
    })
    const user = (auth.user ?? '').replaceAll('=', '=3D').replaceAll(',', '=2C')
    const first = Buffer.from(`n,a=${user},\x01auth=Bearer ${token}\x01\x01`).toString('base64')
    let answer = await sendCommand(`AUTH OAUTHBEARER ${first}`)
    // The server tells why in a challenge, to which there is one answer (§3.2.3).
    if (answer.status === 334) answer = await sendCommand('AQ==')
    if (answer.status === 235) return
    said = answer.response
  }
  throw new Error(said)
}

interface Tokens {
  getToken(renew: boolean, done: (error: Error | null, token?: string) => void): void
  buildXOAuth2Token(text: string): string
}

/** What nodemailer asks of its token generator; ours gets them elsewhere. */
function tokens(user: string, token: (renew: boolean) => Promise<string>): Tokens {
  return {
    getToken(renew, done) {
      token(renew).then(
        text => done(null, text),
        error => done(new Error(describe(error))),
      )
    },
    /** https://developers.google.com/workspace/gmail/imap/xoauth2-protocol */
    buildXOAuth2Token: text => Buffer.from(`user=${user}\x01auth=Bearer ${text}\x01\x01`).toString('base64'),
  }
}
