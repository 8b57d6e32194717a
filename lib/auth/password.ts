/**
 * Passwords as the users file keeps them, `{SCHEME}hash` in Dovecot's own forms. After the name of a scheme may stand
 * how the hash is written: `{SSHA256.HEX}`, `{PLAIN.B64}`.
 */
import { createHmac } from 'node:crypto'
import { describe, exits, MailError } from '../sys/error.js'
import { hmacMd5States } from './md5.js'
import { deriveScram, readScram, type Scheme, type ScramKeys, schemes, scramRounds } from './schemes.js'

/** A stored password that fits nothing: an unknown scheme, or a hash that was cut or mistyped. */
export class UnusablePassword extends MailError {
  override readonly name = 'UnusablePassword'

  constructor(scheme: string, reason: string, options: ErrorOptions = {}) {
    super(`the {${scheme}} password cannot be used: ${reason}`, { ...options, exit: exits.data })
  }
}

/** Longest password that is looked at, in octets; some schemes take time for each. */
const longest = 1_024

/** The schemes that {@link makePassword} makes, the usual one first. */
export const madeSchemes: readonly string[] = Object.keys(schemes).filter(name => schemes[name]?.make)

/**
 * Whether a password is the stored one. Never true for an empty password, one that holds NUL, or one of more than
 * 1,024 octets.
 *
 * @throws UnusablePassword
 */
export async function verifyPassword(stored: string, password: string): Promise<boolean> {
  const { name, scheme, data } = parse(stored)
  // A keyboard may compose characters in another way than the one that the password was first typed on.
  for (const form of new Set([password, password.normalize('NFC'), password.normalize('NFKC')])) {
    const octets = Buffer.from(form)
    if (octets.length === 0 || octets.length > longest || octets.includes(0)) continue
    const right = await attempt(name, () => scheme.verify(octets, data))
    if (right === undefined) throw new UnusablePassword(name, 'the hash is not of this scheme, or is cut')
    if (right) return true
  }
  return false
}

async function attempt<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new UnusablePassword(name, describe(error), { cause: error })
  }
}

/** Whether to verify takes so long that it belongs on a thread. */
export function isSlow(stored: string): boolean {
  return find(split(stored).name)?.slow ?? false
}

/**
 * Makes what the users file keeps of a password.
 *
 * @param rounds the scheme's own measure of cost: rounds, iterations, or bcrypt's exponent
 * @throws MailError (64) for a scheme that cannot be made, (65) for a password that cannot be used
 */
export async function makePassword(scheme: string, password: string, rounds?: number): Promise<string> {
  const name = scheme.toUpperCase()
  const make = find(name)?.make
  if (!make)
    throw new MailError(`cannot make {${name}} passwords; choose from ${madeSchemes.join(', ')}`, {
      exit: exits.usage,
    })
  const octets = Buffer.from(password.normalize('NFC'))
  const refuse = (reason: string) => new MailError(`the password ${reason}`, { exit: exits.data })
  if (octets.length === 0) throw refuse('is empty')
  if (octets.length > longest) throw refuse(`is longer than ${longest} octets`)
  if (/\p{Cc}/u.test(password)) throw refuse('holds a control character')
  if (name === 'BLF-CRYPT' && octets.length > 72)
    throw refuse('is longer than the 72 octets that bcrypt looks at')
  const made = await make(octets, rounds)
  // A colon would end the field, which only a password in the clear can hold.
  return made.includes(':') ? `{${name}.B64}${Buffer.from(made).toString('base64')}` : `{${name}}${made}`
}

/**
 * The keys of SCRAM-SHA-256, where a stored password is made of them or shows the password itself; else undefined.
 *
 * @throws UnusablePassword
 */
export function scramKeys(stored: string): ScramKeys | undefined {
  const { name, scheme, data } = parse(stored)
  if (name === 'SCRAM-SHA-256') return readScram(data.toString())
  if (!scheme.plain) return undefined
  // The same salt each time, as stored keys would have, or the exchange would tell the one kind from the other.
  const salt = createHmac('sha256', data).update('salt for a password in the clear').digest()
  return deriveScram(data, salt.subarray(0, 16), scramRounds)
}

/**
 * The states of HMAC-MD5 (32 octets, see hmacMd5), where a stored password is them or shows the password itself; else
 * undefined.
 *
 * @throws UnusablePassword
 */
export function cramStates(stored: string): Buffer | undefined {
  const { name, scheme, data } = parse(stored)
  if (scheme.plain) return hmacMd5States(data)
  return name === 'CRAM-MD5' || name === 'HMAC-MD5' ? data : undefined
}

/** A password that is stored in the clear; undefined for one that is hashed. @throws UnusablePassword */
export function plainPassword(stored: string): Buffer | undefined {
  const { scheme, data } = parse(stored)
  return scheme.plain ? data : undefined
}

function find(name: string): Scheme | undefined {
  return Object.hasOwn(schemes, name) ? schemes[name] : undefined
}

/** @returns the scheme's name in upper case, the encoding it names, and the rest */
function split(stored: string): { name: string; encoding: string | undefined; text: string } {
  // Without a scheme it is what Dovecot takes it for in a passwd-file.
  const [, label = 'CRYPT', text = ''] = /^(?:\{([^}]*)\})?(.*)$/s.exec(stored) ?? []
  const [name = '', encoding] = label.toUpperCase().split('.')
  return { name, encoding, text }
}

/** @throws UnusablePassword */
function parse(stored: string): { name: string; scheme: Scheme; data: Buffer } {
  const { name, encoding, text } = split(stored)
  const scheme = find(name)
  if (!scheme) throw new UnusablePassword(name, 'there is no such scheme here')
  const data = decode(text, scheme, encoding)
  if (data.length < (scheme.size ?? 1)) throw new UnusablePassword(name, 'the hash is cut')
  return { name, scheme, data }
}

function decode(text: string, scheme: Scheme, encoding: string | undefined): Buffer {
  if (encoding === 'HEX') return Buffer.from(text, 'hex')
  if (encoding === 'B64' || encoding === 'BASE64') return Buffer.from(text, 'base64')
  // Dovecot tells hex from base64 by the length, where a hash has only one.
  if (scheme.encoding !== 'utf8' && scheme.size !== undefined)
    return Buffer.from(text, text.length === 2 * scheme.size && /^[\da-f]+$/i.test(text) ? 'hex' : 'base64')
  return Buffer.from(text, scheme.encoding)
}
