/** SCRAM-SHA-256, the server's side of one exchange (RFC 5802, RFC 7677), without channel binding. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** What is kept of a password (RFC 5802 §3); the password cannot be had from it. */
export interface ScramKeys {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** The client's first message, read (RFC 5802 §7). */
export interface ClientFirst {
  readonly user: string
  /** For whom to act; empty when the client did not say. */
  readonly authorization: string
  /** What comes before the part that is signed: `n,,`. */
  readonly header: string
  /** The part that is signed. */
  readonly bare: string
  readonly nonce: string
}

/**
 * Reads the client's first message.
 *
 * @returns undefined when it is none, when it demands channel binding (`p=`), or an extension we do not know (`m=`)
 */
export function readClientFirst(message: string): ClientFirst | undefined {
  const [, header, authorization = '', bare, name, nonce] =
    /^([ny],(?:a=([^,]+))?,)(n=([^,]+),r=([!-+\--~]{1,512})(?:,.*)?)$/s.exec(message) ?? []
  if (header === undefined || bare === undefined || name === undefined || nonce === undefined)
    return undefined
  const user = decodeName(name)
  const other = decodeName(authorization)
  return user === undefined || other === undefined
    ? undefined
    : { user, authorization: other, header, bare, nonce }
}

/** RFC 5802 §5.1: a comma is written `=2C`, an equals sign `=3D`, and nothing else begins with one. */
function decodeName(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text) || text.includes('\0')) return undefined
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** The server's side after the client's first message. */
export class ScramExchange {
  readonly #client: ClientFirst
  readonly #keys: ScramKeys
  readonly #nonce: string
  /** The first answer: the whole nonce, the salt and the iterations. */
  readonly challenge: string

  /** @param nonce the server's part of it; printable, without a comma */
  constructor(client: ClientFirst, keys: ScramKeys, nonce = randomBytes(18).toString('base64')) {
    this.#client = client
    this.#keys = keys
    this.#nonce = client.nonce + nonce
    this.challenge = `r=${this.#nonce},s=${keys.salt.toString('base64')},i=${keys.iterations}`
  }

  /**
   * Checks the client's last message.
   *
   * @returns the server's last message, by which it proves itself; `wrong` for a proof that does not fit; `malformed`
   *   for a message that is none, or belongs to another exchange
   */
  finish(message: string): { readonly verified: string } | 'wrong' | 'malformed' {
    const [, unsigned, binding, nonce, proof] =
      /^(c=([\w+/=]+),r=([^,]+)(?:,[A-Za-z]=[^,]*)*),p=([\w+/]{43}=)$/.exec(message) ?? []
    if (unsigned === undefined || proof === undefined || nonce !== this.#nonce) return 'malformed'
    if (binding !== Buffer.from(this.#client.header).toString('base64')) return 'malformed'
    const signed = `${this.#client.bare},${this.challenge},${unsigned}`
    const { storedKey, serverKey } = this.#keys
    const signature = hmac(storedKey, signed)
    const clientKey = Buffer.from(proof, 'base64').map((octet, i) => octet ^ (signature[i] as number))
    const found = createHash('sha256').update(clientKey).digest()
    if (storedKey.length !== found.length || !timingSafeEqual(found, storedKey)) return 'wrong'
    return { verified: `v=${hmac(serverKey, signed).toString('base64')}` }
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
