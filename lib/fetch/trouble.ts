/** What can go wrong at a provider, and what that means for the account. */
import { errorCode, exits, MailError, TemporaryError } from '../sys/error.js'

/** The provider says no to this user and this password: to try again would lock the account. */
export class LoginRefused extends MailError {
  override readonly name = 'LoginRefused'
  /** What the server said. */
  readonly said: string

  constructor(host: string, user: string, said: string) {
    super(`${host} refuses the login of ${user}: ${said}`, { exit: exits.notAllowed })
    this.said = said
  }
}

/** The provider wants less of us: come back later, not soon. */
export class Throttled extends MailError {
  override readonly name = 'Throttled'
  readonly host: string
  /** What the server said. */
  readonly said: string
  /** How long to leave it alone at least, in milliseconds; 0 where it did not say. */
  readonly wait: number

  constructor(host: string, said: string, wait = suggestedWait(said)) {
    super(`${host} asks to come back later: ${said}`, { exit: exits.tryAgain })
    this.host = host
    this.said = said
    this.wait = wait
  }
}

/** How long a provider wants to be left alone, in milliseconds; 0 where it does not say so, as Exchange does. */
export function suggestedWait(said: string): number {
  return Number(/Backoff Time[:= ]+(\d{1,9})/i.exec(said)?.[1] ?? 0)
}

/** Another process of ours fetches this account just now. */
export class AccountBusy extends TemporaryError {}

/** The connection was lost, or nothing comes any more: another one may do. */
export class ConnectionLost extends TemporaryError {}

/** Response codes (RFC 5530, 2449, 3206), and words of providers, that say "not now" and nothing about the password. */
const notNow =
  /\b(?:UNAVAILABLE|INUSE|SERVERBUG|LIMIT|IN-USE|LOGIN-DELAY|SYS\/TEMP)\b|temporar|try again|too many|system (?:error|problem)|(?:maildrop|mailbox).{0,20}(?:lock|in use)/i
const throttled =
  /\[?(?:OVERQUOTA|THROTTLED)\]?|request is throttled|bandwidth limit|exceeded (?:command|.*limit)|rate limit/i
const certificate =
  /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|HOSTNAME_MISMATCH)/

/** Says whether what a server answered to a command asks us to slow down. */
export function isThrottling(said: string): boolean {
  return throttled.test(said)
}

/** What a refused login means: wrong credentials, or not now. */
export function loginTrouble(host: string, user: string, said: string): MailError {
  if (throttled.test(said)) return new Throttled(host, said)
  if (notNow.test(said)) return new TemporaryError(`${host} takes no login just now: ${said}`)
  return new LoginRefused(host, user, said)
}

/** What an error of a connection means. */
export function connectionTrouble(host: string, error: unknown): Error {
  if (error instanceof MailError) return error
  const code = errorCode(error) ?? ''
  if (certificate.test(code))
    return new MailError(
      `the certificate of ${host} cannot be trusted (${code}); if that is your own server, name its authority with ca`,
      { exit: exits.config, cause: error },
    )
  return new ConnectionLost(`no connection with ${host}`, { cause: error })
}
