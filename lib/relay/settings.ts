/** What the relay is told: where mail goes, and as whom. Made of the configuration by the command. */

import type { SecureContext } from 'node:tls'
import type { Schedule } from '../queue/schedule.js'
import type { ClientTimeouts, ClientTls, Login } from '../smtp/client.js'
import type { DkimKey } from './dkim.js'

/** A server that takes our mail to the outside. */
export interface Smarthost {
  readonly host: string
  readonly port: number
  readonly tls: ClientTls
  /** Whether it speaks LMTP; SMTP unless told. */
  readonly lmtp?: boolean
  /** The user name, for people; absent without a login. */
  readonly user?: string
  /** Gets the login, each time a connection is made: files and commands may give another password by then. */
  readonly login?: () => Promise<Login>
  /** The authorities its certificate must lead to. */
  readonly trust?: SecureContext
  /** The only address it lets us send from; absent where it takes any. */
  readonly from?: string
  /** Its budget: messages in any 24 hours; absent for no limit. */
  readonly messagesPerDay?: number
  readonly recipientsPerMessage: number
  /** Most connections at a time. */
  readonly concurrency: number
}

/** Where mail of some senders, or to some recipients, goes. Patterns as in {@link matches} of lib/queue/select.ts. */
export interface Route {
  readonly sender?: string
  readonly recipient?: string
  readonly smarthost: Smarthost
}

export interface RelaySettings {
  /** The name in EHLO, and of the sender of reports. */
  readonly hostname: string
  /** Domains whose mail is delivered here, in lower case. */
  readonly domains: readonly string[]
  /** Who learns of reports that cannot be delivered. */
  readonly postmaster: string
  readonly routes: readonly Route[]
  /** Where everything else goes; without it, and without `direct`, nothing else goes out. */
  readonly smarthost?: Smarthost
  /** Whether what no route and no smarthost takes is sent to the recipient domain's own servers. */
  readonly direct: boolean
  /** For the servers of a domain: connections at a time, and the port (25 but in tests). */
  readonly directConcurrency: number
  readonly directPort: number
  readonly dkim?: DkimKey
  /** Whether what a login sends to the outside is filed into its Sent folder. */
  readonly saveSent: boolean
  /** Senders' addresses in the outside world, by their address here or by `@domain`; in lower case. */
  readonly senders: ReadonlyMap<string, string>
  readonly schedule: Schedule
  /** With more Received fields than this a message is in a loop (RFC 5321 §6.3 asks for 100 at least). */
  readonly maxHops: number
  readonly timeouts?: Partial<ClientTimeouts>
}

/** What names a smarthost to people, and tells it from others: host, port, and who logs in. */
export function nameOf({ host, port, user }: Smarthost): string {
  const server = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return user === undefined ? server : `${server} as ${user}`
}
