/** Keys for the logins that send a proof instead of a password; made-up ones where there are none. */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { hmacMd5 } from './md5.js'
import { cramStates, plainPassword, scramKeys } from './password.js'
import { type ScramKeys, scramRounds } from './schemes.js'
import type { Password } from './users.js'

/** Computes the digest that a CRAM-MD5 client sends for a challenge (RFC 2195), 16 octets. */
export type CramKey = (challenge: Buffer) => Buffer

/** The first of the passwords that SCRAM-SHA-256 can use, with its keys. */
export function scramOf(passwords: readonly Password[]): { password: Password; keys: ScramKeys } | undefined {
  for (const password of passwords) {
    const keys = usable(() => scramKeys(password.stored))
    if (keys) return { password, keys }
  }
  return undefined
}

/** The keys of all the passwords that CRAM-MD5 can use. */
export function cramOf(passwords: readonly Password[]): CramKey[] {
  return passwords
    .map(password => usable(() => cramStates(password.stored)))
    .filter(states => states !== undefined)
    .map(states => challenge => hmacMd5(states, challenge))
}

/** The same for APOP, whose digest is MD5 of the banner and then the password itself (RFC 1939 §7). */
export function apopOf(passwords: readonly Password[]): CramKey[] {
  return passwords
    .map(password => usable(() => plainPassword(password.stored)))
    .filter(secret => secret !== undefined)
    .map(secret => banner => createHash('md5').update(banner).update(secret).digest())
}

/** What cannot be had is undefined. A password that is broken in the file has no keys: whoever logs in with it sees it in the log. */
function usable<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

/**
 * Keys for a name that has none (RFC 5802 §9). The salt is always the same for the same name, as a user's would be,
 * also after a restart; no password fits.
 *
 * @param secret of {@link installationSecret}
 */
export function madeUpKeys(secret: Buffer, name: string): ScramKeys {
  const derive = (what: string) => createHmac('sha256', secret).update(`${what}:${name}`).digest()
  return {
    salt: derive('salt').subarray(0, 16),
    iterations: scramRounds,
    storedKey: randomBytes(32),
    serverKey: randomBytes(32),
  }
}

/**
 * What only this installation knows and does not forget: machine-id(5), which is never to be shown itself. A machine
 * without one (a container) goes by the directory of the users file: where and when it was made.
 */
export function installationSecret(file: string): Buffer {
  const secret = createHash('sha256').update('postern scram salts').update(file)
  return secret.update(machineId() ?? birthOf(dirname(file)) ?? randomBytes(16)).digest()
}

function machineId(): Buffer | undefined {
  return usable(() => readFileSync('/etc/machine-id'))
}

function birthOf(directory: string): string | undefined {
  return usable(() => {
    const { ino, birthtimeNs } = statSync(directory, { bigint: true })
    return `${ino} ${birthtimeNs} ${hostname()}`
  })
}
