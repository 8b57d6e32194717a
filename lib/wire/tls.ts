/** The server's side of TLS: an identity that can change while connections live, and the handshake. */
import type { Socket } from 'node:net'
import {
  createSecureContext,
  DEFAULT_CIPHERS,
  type SecureContext,
  type SecureVersion,
  TLSSocket,
} from 'node:tls'
import { type Connection, PeerGone, PeerTimeout } from './line.js'

/** Longest handshake in milliseconds; a peer that dawdles here costs a socket and nothing else. */
const handshakeTimeout = 30_000

export interface IdentityOptions {
  /** The chain, leaf first, in PEM. */
  readonly certificate: string | Buffer
  readonly key: string | Buffer
  readonly minimum?: SecureVersion
}

/**
 * What a server shows of itself. One identity is shared by all listeners; {@link Identity.replace} gives new
 * connections a renewed certificate and leaves the old ones alone. There is no choice by SNI: several real clients
 * send none.
 */
export class Identity {
  #context: SecureContext
  readonly #minimum: SecureVersion

  /** @throws Error when key and certificate cannot be read or do not belong together */
  constructor(options: IdentityOptions) {
    this.#minimum = options.minimum ?? 'TLSv1.2'
    this.#context = createContext(options, this.#minimum)
  }

  get context(): SecureContext {
    return this.#context
  }

  /** @throws Error and keeps the old identity when the new one cannot be used */
  replace(options: Omit<IdentityOptions, 'minimum'>): void {
    this.#context = createContext(options, this.#minimum)
  }
}

/**
 * Node's own cipher list leaves out anonymous and export ciphers; the order is the server's. TLS before 1.2 signs with
 * SHA-1, which OpenSSL does at security level 0 alone.
 */
function createContext(options: Omit<IdentityOptions, 'minimum'>, minimum: SecureVersion): SecureContext {
  return createSecureContext({
    cert: options.certificate,
    key: options.key,
    minVersion: minimum,
    honorCipherOrder: true,
    ...(minimum < 'TLSv1.2' ? { ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0` } : {}),
  })
}

/**
 * Puts TLS around a connection, as the server. Call it after the answer to STARTTLS was written, or first of all on
 * a port with implicit TLS.
 *
 * @param ahead what to do with octets that came already, see {@link Connection.replaceSocket}
 * @param patience how long the handshake may take in all, in milliseconds
 * @throws PeerTimeout @throws PeerGone when the handshake fails
 */
export function startTls(
  connection: Connection,
  identity: Identity,
  ahead: 'drop' | 'keep' = 'drop',
  patience = handshakeTimeout,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connection.replaceSocket(
      (plain: Socket) => new TLSSocket(plain, { isServer: true, secureContext: identity.context }),
      ahead,
    )
    const timer = setTimeout(() => fail(new PeerTimeout('the TLS handshake took too long')), patience)
    const fail = (error: Error) => {
      clearTimeout(timer)
      connection.destroy()
      reject(error)
    }
    socket.once('secure', () => {
      clearTimeout(timer)
      for (const event of ['end', 'close']) socket.off(event, closed)
      resolve()
    })
    let reason: Error | undefined
    socket.once('error', error => {
      reason = error
    })
    socket.once('_tlsError', (error: Error) =>
      fail(new PeerGone('the TLS handshake failed', { cause: error })),
    )
    const closed = () => fail(new PeerGone('the TLS handshake failed', { cause: reason }))
    for (const event of ['end', 'close']) socket.once(event, closed)
  })
}

/** What was agreed, for a log line and a Received line: `TLSv1.3 TLS_AES_256_GCM_SHA384`; undefined in the clear. */
export function tlsName(connection: Connection): string | undefined {
  const { socket } = connection
  return socket instanceof TLSSocket
    ? `${socket.getProtocol()} ${socket.getCipher().standardName}`
    : undefined
}
