/** The password hashes of crypt(3) that glibc brought: `$5$` SHA-256 and `$6$` SHA-512 (Drepper's SHA-crypt.txt). */
import { createHash } from 'node:crypto'

/** Which octets of the digest go together into four characters, by the specification's tables: steps of a walk. */
const kinds = {
  '5': { algorithm: 'sha256', size: 32, third: 10, step: 21 },
  '6': { algorithm: 'sha512', size: 64, third: 21, step: 22 },
} as const

const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const usualRounds = 5_000

/**
 * Hashes a password as `setting` says: `$6$salt`, `$6$rounds=N$salt`, or a whole hash, whose last part is not looked at.
 *
 * @returns the whole hash; undefined when the setting is none of these
 */
export function shaCrypt(password: Uint8Array, setting: string): string | undefined {
  const [, id, rounds, salt = ''] = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$:\n]{0,16})/.exec(setting) ?? []
  if (id !== '5' && id !== '6') return undefined
  const count = Math.max(Number(rounds ?? usualRounds), 1_000)
  const digest = compute(kinds[id].algorithm, password, Buffer.from(salt), count)
  return `$${id}$${rounds === undefined ? '' : `rounds=${count}$`}${salt}$${encode(digest, kinds[id])}`
}

function compute(algorithm: string, password: Uint8Array, salt: Uint8Array, rounds: number): Buffer {
  const sha = (...parts: Uint8Array[]) => {
    const hash = createHash(algorithm)
    for (const part of parts) hash.update(part)
    return hash.digest()
  }
  const cross = sha(password, salt, password)
  const bits: Uint8Array[] = []
  for (let length = password.length; length > 0; length >>= 1) bits.push(length & 1 ? cross : password)
  let digest = sha(password, salt, stretch(cross, password.length), ...bits)
  const p = stretch(sha(...Array<Uint8Array>(password.length).fill(password)), password.length)
  const s = stretch(sha(...Array<Uint8Array>(16 + (digest[0] as number)).fill(salt)), salt.length)
  for (let i = 0; i < rounds; i++) {
    const parts = [i & 1 ? p : digest]
    if (i % 3) parts.push(s)
    if (i % 7) parts.push(p)
    parts.push(i & 1 ? digest : p)
    digest = sha(...parts)
  }
  return digest
}

/** Repeats octets up to a length. */
function stretch(octets: Buffer, length: number): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, octets)
}

function encode(digest: Buffer, kind: (typeof kinds)['5' | '6']): string {
  const { size, third, step } = kind
  const octet = (index: number) => digest[index] as number
  let text = ''
  let [a, b, c] = [0, third, 2 * third] as [number, number, number]
  for (let i = 0; i < third; i++) {
    text += characters((octet(a) << 16) | (octet(b) << 8) | octet(c), 4)
    ;[a, b, c] = [a, b, c].map(index => (index + step) % (3 * third)) as [number, number, number]
  }
  return text + (size === 32 ? characters((octet(31) << 8) | octet(30), 3) : characters(octet(63), 2))
}

function characters(value: number, count: number): string {
  let text = ''
  for (let i = 0; i < count; i++) text += alphabet[(value >> (6 * i)) & 63]
  return text
}
