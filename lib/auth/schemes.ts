/** The schemes of stored passwords: how each is written, checked and made. */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { argon2id, bcrypt, verifyArgon2, verifyBcrypt } from './hash.js'
import { hmacMd5States } from './md5.js'
import { shaCrypt } from './sha-crypt.js'

export interface Scheme {
  /** How the hash is written where the scheme's name does not say. */
  readonly encoding: 'utf8' | 'hex' | 'base64'
  /** How many octets the hash has; what is longer brings its salt, if the scheme has one. */
  readonly size?: number
  /** Worth a thread of its own: more than a millisecond. */
  readonly slow?: boolean
  /** The password itself is what is stored. */
  readonly plain?: boolean
  /** @returns undefined when `stored` is not of this scheme */
  verify(password: Buffer, stored: Buffer): boolean | undefined | Promise<boolean | undefined>
  /** Makes what follows `{SCHEME}`; absent where nobody should make new ones. @param rounds the scheme's cost */
  make?(password: Buffer, rounds: number | undefined): string | Promise<string>
}

/** What SCRAM needs of a password (RFC 5802 §3). */
export interface ScramKeys {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** OWASP's first choice for argon2id: 46 MiB, one pass. About 0.1 s with the portable implementation used here. */
const argon2Cost = { memory: 47_104, iterations: 1 }
/** bcrypt counts in powers of two; crypt(5) has 5 rounds as its default, which is too few today. */
const bcryptCost = 10
/** RFC 7677 §4 asks for 4,096 at least, which Dovecot writes too: the client has to compute them at each login. */
export const scramRounds = 4_096

const plain: Scheme = {
  encoding: 'utf8',
  plain: true,
  verify: (password, stored) => isSame(password, stored),
  make: password => password.toString(),
}

const argon2: Scheme = {
  encoding: 'utf8',
  slow: true,
  verify: (password, stored) => verifyArgon2(password, stored.toString()),
}

const blowfish: Scheme = {
  encoding: 'utf8',
  slow: true,
  verify: (password, stored) => verifyBcrypt(password, stored.toString()),
  make: (password, rounds = bcryptCost) => bcrypt(password, randomBytes(16), rounds),
}

/** @param id of the hash that is made */
function sha2Crypt(id: '5' | '6'): Scheme {
  return {
    encoding: 'utf8',
    slow: true,
    verify: verifyShaCrypt,
    make: (password, rounds) => {
      const salt = randomBytes(12).toString('base64').replaceAll('+', '.')
      return shaCrypt(password, `$${id}$${rounds === undefined ? '' : `rounds=${rounds}$`}${salt}`) as string
    },
  }
}

/** Whatever crypt(3) might have made, as far as it is one of ours: told by its first letters. */
const crypt: Scheme = {
  encoding: 'utf8',
  slow: true,
  verify: (password, stored) =>
    /^\$2/.test(stored.toString('latin1'))
      ? blowfish.verify(password, stored)
      : verifyShaCrypt(password, stored),
}

function verifyShaCrypt(password: Buffer, stored: Buffer): boolean | undefined {
  const text = stored.toString()
  const found = shaCrypt(password, text)
  if (found === undefined || found.lastIndexOf('$') !== text.lastIndexOf('$') || found.length !== text.length)
    return undefined
  return isSame(Buffer.from(found), stored)
}

/** A plain digest, with the salt after it where there is one. Fast, so never made anew but for random passwords. */
function digest(algorithm: string, size: number, salted = false): Scheme {
  const compute = (password: Buffer, salt: Buffer) =>
    createHash(algorithm).update(password).update(salt).digest()
  const scheme: Scheme = {
    encoding: 'base64',
    size,
    verify: (password, stored) => {
      if (stored.length < size || (!salted && stored.length > size)) return undefined
      return isSame(compute(password, stored.subarray(size)), stored.subarray(0, size))
    },
  }
  if (!salted || size < 32) return scheme
  const make = (password: Buffer) => {
    const salt = randomBytes(8)
    return Buffer.concat([compute(password, salt), salt]).toString('base64')
  }
  return { ...scheme, make }
}

/** Dovecot's own form: `$1$salt$rounds$hex of 20 octets`. */
const pbkdf2: Scheme = {
  encoding: 'utf8',
  slow: true,
  verify: (password, stored) => {
    const [, salt, rounds, hex] = /^\$1\$([^$]+)\$(\d{1,8})\$([\da-f]{40})$/.exec(stored.toString()) ?? []
    if (salt === undefined || hex === undefined) return undefined
    return isSame(pbkdf2Sync(password, salt, Number(rounds), 20, 'sha1'), Buffer.from(hex, 'hex'))
  },
}

const scram: Scheme = {
  encoding: 'utf8',
  slow: true,
  verify: (password, stored) => {
    const keys = readScram(stored.toString())
    return keys && isSame(deriveScram(password, keys.salt, keys.iterations).storedKey, keys.storedKey)
  },
  make: (password, rounds = scramRounds) => {
    // What the client makes of the password before it hashes it (RFC 4013), nearly.
    const prepared = Buffer.from(password.toString().normalize('NFKC'))
    const { salt, iterations, storedKey, serverKey } = deriveScram(prepared, randomBytes(16), rounds)
    return [iterations, ...[salt, storedKey, serverKey].map(octets => octets.toString('base64'))].join(',')
  },
}

/** Reads `iterations,salt,StoredKey,ServerKey`, the latter three in base64; undefined for anything else. */
export function readScram(text: string): ScramKeys | undefined {
  const [iterations, salt, storedKey, serverKey] = /^\d{1,8}(,[\w+/]+={0,2}){3}$/.test(text)
    ? text.split(',')
    : []
  const read = (field: string | undefined) => Buffer.from(field ?? '', 'base64')
  const keys = {
    iterations: Number(iterations),
    salt: read(salt),
    storedKey: read(storedKey),
    serverKey: read(serverKey),
  }
  return keys.iterations > 0 && keys.storedKey.length === 32 && keys.serverKey.length === 32
    ? keys
    : undefined
}

/** RFC 5802 §3, with SHA-256. */
export function deriveScram(password: Buffer, salt: Buffer, iterations: number): ScramKeys {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const key = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(key('Client Key')).digest()
  return { salt, iterations, storedKey, serverKey: key('Server Key') }
}

/** The states of HMAC-MD5 keyed with the password. */
const cram: Scheme = {
  encoding: 'hex',
  size: 32,
  verify: (password, stored) => (stored.length === 32 ? isSame(hmacMd5States(password), stored) : undefined),
  make: password => hmacMd5States(password).toString('hex'),
}

/** Equal, in a time that tells nothing of where they differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  const of = (octets: Uint8Array) => createHash('sha256').update(octets).digest()
  return timingSafeEqual(of(a), of(b))
}

/** By name, the one that is made unless told otherwise first. */
export const schemes: Readonly<Record<string, Scheme>> = {
  ARGON2ID: { ...argon2, make: password => argon2id(password, randomBytes(16), argon2Cost) },
  ARGON2I: argon2,
  'BLF-CRYPT': blowfish,
  'SHA512-CRYPT': sha2Crypt('6'),
  'SHA256-CRYPT': sha2Crypt('5'),
  CRYPT: crypt,
  'SCRAM-SHA-256': scram,
  'CRAM-MD5': cram,
  'HMAC-MD5': cram,
  SSHA512: digest('sha512', 64, true),
  SSHA256: digest('sha256', 32, true),
  SSHA: digest('sha1', 20, true),
  SMD5: digest('md5', 16, true),
  SHA512: digest('sha512', 64),
  SHA256: digest('sha256', 32),
  SHA: digest('sha1', 20),
  SHA1: digest('sha1', 20),
  'LDAP-MD5': digest('md5', 16),
  'PLAIN-MD5': { ...digest('md5', 16), encoding: 'hex' },
  PBKDF2: pbkdf2,
  PLAIN: plain,
  CLEARTEXT: plain,
  CLEAR: plain,
}
