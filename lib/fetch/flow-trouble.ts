/** What the errors of the IMAP client library mean. */
import { MailError } from '../sys/error.js'
import type { RemoteOptions } from './source.js'
import { connectionTrouble, isThrottling, loginTrouble, Throttled } from './trouble.js'

interface LibraryError {
  readonly authenticationFailed?: boolean
  readonly responseText?: string
  readonly responseStatus?: string
  readonly response?: unknown
  readonly message?: string
}

/** What the server said, where it said something. */
function saidOf(error: unknown): string {
  const { responseText, response, message } = error as LibraryError
  if (typeof responseText === 'string' && responseText !== '') return responseText
  return typeof response === 'string' && response !== '' ? response : (message ?? String(error))
}

/** What it means that no connection, or no login, came about. */
export function connectTrouble({ host, user }: RemoteOptions, error: unknown): Error {
  if (error instanceof MailError) return error
  if ((error as LibraryError).authenticationFailed) return loginTrouble(host, user, saidOf(error))
  return connectionTrouble(host, error)
}

/**
 * What it means that a command failed.
 *
 * @param throttled what the server said, where it wants less of us
 * @param failure what broke the connection, where that is known
 */
export function commandTrouble(host: string, error: unknown, throttled: string, failure: unknown): Error {
  const said = saidOf(error)
  if (throttled !== '' || isThrottling(said)) return new Throttled(host, throttled || said)
  const { responseStatus } = error as LibraryError
  if (responseStatus === 'NO' || responseStatus === 'BAD') return new RemoteRefusal(host, said)
  return connectionTrouble(host, failure ?? error)
}

/** The server said NO to something we asked; the connection goes on. */
export class RemoteRefusal extends MailError {
  override readonly name = 'RemoteRefusal'

  constructor(host: string, said: string) {
    super(`${host} says: ${said}`, { exit: 75 })
  }
}
