/** Logging in to another server: PLAIN, LOGIN, CRAM-MD5, XOAUTH2. */
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
    const auth = token
      ? { user, method: 'XOAUTH2', oauth2: tokens(user, token) as never }
      : { user, pass: password, ...(mechanism && { method: mechanism }) }
    connection.login(auth, error => (error ? reject(error) : resolve()))
  })
}

function addressOf(connection: ClientConnection): string {
  const { remoteAddress = 'unknown' } = connection._socket || {}
  return plainAddress(remoteAddress)
}

/** What nodemailer asks of its token generator; ours gets them elsewhere. */
function tokens(user: string, token: (renew: boolean) => Promise<string>) {
  return {
    getToken(renew: boolean, done: (error: Error | null, token?: string) => void): void {
      token(renew).then(
        text => done(null, text),
        error => done(new Error(describe(error))),
      )
    },
    /** https://developers.google.com/workspace/gmail/imap/xoauth2-protocol */
    buildXOAuth2Token: (text: string) =>
      Buffer.from(`user=${user}\x01auth=Bearer ${text}\x01\x01`).toString('base64'),
  }
}
