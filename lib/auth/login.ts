/** Logins: who may come in, how often somebody may try, and the line in the log for each who may not. */
import { exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { User, Users } from './users.js'

export type Protocol = 'smtp' | 'imap' | 'pop3' | 'sieve'

/** Where a login comes from. */
export interface Origin {
  readonly protocol: Protocol
  /** The peer's address in plain form; empty on a Unix socket. */
  readonly address: string
  /** Whether nobody can listen: TLS, loopback or a Unix socket. The protocol has refused the rest already. */
  readonly secure: boolean
  /** The id of the session, for the log. */
  readonly session?: string
}

export interface Credentials extends Origin {
  readonly user: string
  readonly password: string
}

/**
 * A login that is refused. The message is for the peer and tells nothing of the user; `temporary` when the password
 * was not even looked at, since too many failed before it.
 */
export class LoginRefused extends MailError {
  override readonly name = 'LoginRefused'

  constructor(temporary: boolean) {
    super(temporary ? 'too many failed logins; try again later' : 'wrong user or password', {
      exit: temporary ? exits.tryAgain : exits.notAllowed,
    })
  }
}

export interface LoginsOptions {
  readonly users: Users
  readonly log: Log
  /** How long the answer to a first failure is held back, in milliseconds; 0 turns holding and refusing off. */
  readonly penalty: number
}

/** What SCRAM needs of a user's password (RFC 5802 §3). */
export interface ScramKeys {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** A login by proof instead of password: its keys first, then what came of them. */
export interface Attempt<Keys> {
  readonly keys: Keys
  /** The proof was right. @throws LoginRefused when the keys were made up or the login is refused all the same */
  accept(): Promise<User>
  /** The proof was wrong: counts, logs and holds back. @throws LoginRefused always */
  refuse(): Promise<never>
}

/** The callbacks that the SASL mechanisms of lib/wire/sasl.ts ask. */
export interface LoginVerifier {
  password(user: string, password: string): Promise<User>
  scram(user: string): Promise<Attempt<ScramKeys>>
  /** @returns the keys of HMAC-MD5, of which any may fit: one for each password that is kept so */
  cram(user: string): Promise<Attempt<readonly CramKey[]>>
}

/** Computes the digest that a CRAM-MD5 client sends for a challenge (RFC 2195), 16 octets. */
export type CramKey = (challenge: Buffer) => Buffer
