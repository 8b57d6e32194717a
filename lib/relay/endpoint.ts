/** Whom a destination connects to: a smarthost, or the servers of a domain, each in the same shape. */
import { SmtpClient } from '../smtp/client.js'
import { NoConnection } from '../smtp/no-connection.js'
import type { DkimKey } from './dkim.js'
import { type Directory, serversOf } from './mx.js'
import { nameOf, type RelaySettings, type Smarthost } from './settings.js'

export interface Connected {
  readonly client: SmtpClient
  /** The host that is spoken to, for people. */
  readonly host: string
}

export interface Endpoint {
  /** What tells it from others, and names it to people. */
  readonly name: string
  readonly concurrency: number
  readonly recipientsPerMessage: number
  readonly messagesPerDay?: number
  /** The only address it lets us send from. */
  readonly from?: string
  /** What signs for our domain, where nobody else does. */
  readonly dkim?: DkimKey
  /** @throws NoConnection, and Undeliverable when there never will be one */
  connect(): Promise<Connected>
}

export function smarthostEndpoint(smarthost: Smarthost, settings: RelaySettings): Endpoint {
  const { host, port, tls, lmtp, trust, login } = smarthost
  const { hostname, timeouts } = settings
  const { messagesPerDay, from, concurrency, recipientsPerMessage } = smarthost
  return {
    name: nameOf(smarthost),
    concurrency,
    recipientsPerMessage,
    ...(messagesPerDay !== undefined && { messagesPerDay }),
    ...(from !== undefined && { from }),
    connect: async () => {
      const credentials = await loginOf(login, `${host}:${port}`)
      const client = await SmtpClient.connect({
        host,
        port,
        tls,
        name: hostname,
        ...(lmtp && { lmtp }),
        ...(trust && { trust }),
        ...(credentials && { login: credentials }),
        ...(timeouts && { timeouts }),
      })
      return { client, host }
    },
  }
}

/** A password that cannot be had is a refused login: the mail waits, and the log says why. */
async function loginOf(login: Smarthost['login'], server: string) {
  try {
    return await login?.()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new NoConnection(`no password for ${server}: ${reason}`, 'login', undefined, [`# ${reason}`])
  }
}

export function directEndpoint(domain: string, settings: RelaySettings, directory: Directory): Endpoint {
  const { hostname, directConcurrency, timeouts, directPort: port, dkim } = settings
  return {
    name: `MX of ${domain}`,
    ...(dkim && { dkim }),
    concurrency: directConcurrency,
    recipientsPerMessage: 100,
    connect: async () => {
      const servers = await serversOf(domain, hostname, directory)
      let last: NoConnection | undefined
      for (const host of servers)
        try {
          const options = {
            host,
            port,
            tls: 'offered',
            name: hostname,
            ...(timeouts && { timeouts }),
          } as const
          return { client: await SmtpClient.connect(options), host }
        } catch (error) {
          if (!(error instanceof NoConnection)) throw error
          last = error
        }
      throw last ?? new NoConnection(`${domain} has no server`, 'connect', undefined, [])
    },
  }
}
