/**
 * MD5 from the middle. A {CRAM-MD5} password is kept as the two states that HMAC-MD5 has after its key blocks
 * (RFC 2104 §4), so the password itself need not be kept; node:crypto cannot start from a state.
 */

/** Four words: where MD5 stands after some whole blocks of 64 octets. */
export type Md5State = Uint32Array

const shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
const sines = Uint32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32))

/** The two states of HMAC-MD5 for a key, outer first, as Dovecot keeps them: 32 octets, words in little endian. */
export function hmacMd5States(key: Uint8Array): Buffer {
  const short = key.length > 64 ? finish(initial(), key, 0) : Buffer.from(key)
  const pad = (octet: number) => Buffer.alloc(64, octet).map((value, i) => value ^ (short[i] ?? 0))
  return Buffer.concat([0x5c, 0x36].map(octet => toOctets(compress(initial(), pad(octet), 0))))
}

/** HMAC-MD5 of a text, from the states of its key. @returns 16 octets */
export function hmacMd5(states: Buffer, text: Uint8Array): Buffer {
  const inner = finish(fromOctets(states, 16), text, 64)
  return finish(fromOctets(states, 0), inner, 64)
}

function initial(): Md5State {
  return Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
}

function fromOctets(octets: Buffer, start: number): Md5State {
  return Uint32Array.from({ length: 4 }, (_, i) => octets.readUInt32LE(start + 4 * i))
}

function toOctets(state: Md5State): Buffer {
  const octets = Buffer.alloc(16)
  for (const [i, word] of state.entries()) octets.writeUInt32LE(word, 4 * i)
  return octets
}

/** Digests the rest of a message, its padding and its length. @param before how many octets went into `state` */
function finish(state: Md5State, text: Uint8Array, before: number): Buffer {
  const padded = Buffer.alloc((Math.floor((text.length + 8) / 64) + 1) * 64)
  padded.set(text)
  padded[text.length] = 0x80
  padded.writeBigUInt64LE(BigInt(before + text.length) * 8n, padded.length - 8)
  let now = state
  for (let start = 0; start < padded.length; start += 64) now = compress(now, padded, start)
  return toOctets(now)
}

/** RFC 1321 §3.4: one block of 64 octets. */
function compress(state: Md5State, octets: Uint8Array, start: number): Md5State {
  const view = new DataView(octets.buffer, octets.byteOffset + start, 64)
  let [a = 0, b = 0, c = 0, d = 0] = state
  for (let i = 0; i < 64; i++) {
    const round = i >> 4
    const mixed =
      round === 0
        ? d ^ (b & (c ^ d))
        : round === 1
          ? c ^ (d & (b ^ c))
          : round === 2
            ? b ^ c ^ d
            : c ^ (b | ~d)
    const index = (round === 0 ? i : round === 1 ? 5 * i + 1 : round === 2 ? 3 * i + 5 : 7 * i) % 16
    const sum = (a + mixed + (sines[i] as number) + view.getUint32(4 * index, true)) | 0
    const by = shifts[round * 4 + (i % 4)] as number
    a = d
    d = c
    c = b
    b = (b + ((sum << by) | (sum >>> (32 - by)))) | 0
  }
  return state.map((word, i) => word + ([a, b, c, d][i] as number))
}
