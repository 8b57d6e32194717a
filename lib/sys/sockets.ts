/** Addresses as the configuration writes them, and sockets that systemd hands over. */
import type { Server } from 'node:net'
import { errorCode, exits, MailError } from './error.js'
import { ipFamily } from './network.js'

/** Where a listener listens: a TCP port, a Unix socket, or a descriptor that systemd opened. */
export type Address =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number }

/** Reads `0.0.0.0:587`, `[::]:587`, `localhost:587` or `unix:/run/lmtp.sock`; undefined when it is none of these. */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith('unix:')) return text.length > 5 ? { path: text.slice(5) } : undefined
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535 || (bracketed !== undefined && ipFamily(bracketed) !== 6))
    return undefined
  return { host, port }
}

/** The text that {@link parseAddress} reads. */
export function formatAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`
  if ('fd' in address) return `fd:${address.fd}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The plain form of a peer's address: `127.0.0.1` also where a dual-stack socket reports `::ffff:127.0.0.1`. */
export function plainAddress(address: string | undefined): string {
  return address?.startsWith('::ffff:') && ipFamily(address.slice(7)) === 4
    ? address.slice(7)
    : (address ?? '')
}

/** Whether an address is this machine's own: loopback, or a Unix socket (which has none). */
export function isLoopback(address: string): boolean {
  return address === '' || address === '::1' || /^127\./.test(address)
}

/**
 * The sockets that systemd opened for this process, by name (sd_listen_fds(3)); each name may have several.
 * The variables are removed, so that a child does not take them for its own.
 */
export function inheritedSockets(environment: NodeJS.ProcessEnv = process.env): Map<string, number[]> {
  const sockets = new Map<string, number[]>()
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment
  if (Number(LISTEN_PID) === process.pid) {
    const names = LISTEN_FDNAMES?.split(':') ?? []
    for (let i = 0; i < Number(LISTEN_FDS); i++) {
      const name = names[i] ?? 'unknown'
      sockets.set(name, [...(sockets.get(name) ?? []), 3 + i])
    }
  }
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name]
  return sockets
}

/**
 * Starts to listen, and returns when connections are accepted.
 *
 * @throws MailError (69) when the address is taken or may not be opened, saying which and what to do
 */
export function listen(server: Server, address: Address, backlog = 511): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new MailError(explain(error, address), { exit: exits.unavailable, cause: error }))
    server.once('error', failed)
    server.listen({ ...address, backlog }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

function explain(error: Error, address: Address): string {
  const where = formatAddress(address)
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `${where} is taken by another program; stop that one, or choose another address`
    case 'EACCES':
      return `${where} may not be opened by this user; let systemd open it, or choose a port from 1024 up`
    case 'EADDRNOTAVAIL':
      return `${where} is no address of this machine`
    default:
      return `cannot listen on ${where}`
  }
}
