/** Addresses as the configuration writes them, sockets that systemd hands over, and networks in CIDR form. */
import { BlockList, isIP, isIPv4, type Server } from 'node:net'
import { errorCode, exits, MailError } from './error.js'

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
  if (host === undefined || port > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6))
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
  return address?.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : (address ?? '')
}

/** Whether an address is this machine's own: loopback, or a Unix socket (which has none). */
export function isLoopback(address: string): boolean {
  return address === '' || address === '::1' || /^127\./.test(address)
}

/** A set of networks, from `10.0.0.0/8`, `fd00::/8` or single addresses. */
export class Networks {
  readonly #list = new BlockList()

  /** @throws MailError (78) for a text that is no network */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', length] = network.split('/')
      const family = familyOf(address)
      const longest = family === 'ipv4' ? 32 : 128
      const bits = length === undefined ? longest : Number(length)
      try {
        if (!/^\d+$/.test(length ?? '0') || bits > longest) throw new RangeError(length)
        this.#list.addSubnet(address, bits, family)
      } catch {
        throw new MailError(`${network} is no network; write 192.168.1.0/24 or fd00::/8`, {
          exit: exits.config,
        })
      }
    }
  }

  has(address: string): boolean {
    try {
      return this.#list.check(address, familyOf(address))
    } catch {
      return false
    }
  }
}

/** A guess, which BlockList checks; node:net's isIP compiles a regular expression that takes milliseconds. */
function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
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
