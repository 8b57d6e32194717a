/** What a server says of itself, so that one skeleton can run it, alone or with others in one process. */
import type { ListenerConfig, SmtpListenerConfig } from '../config/listeners.js'
import type { Log } from '../sys/log.js'
import type { Connection } from '../wire/line.js'
import type { Identity } from '../wire/tls.js'
import type { Parts } from './parts.js'

/** The tables of the configuration that have listeners. */
export type ServerName = 'smtpd' | 'imapd' | 'pop3d' | 'sieved'

/** The settings of one listener as its protocol knows them. */
export type ListenerOf<N extends string> = N extends 'smtpd' ? SmtpListenerConfig : ListenerConfig

/** Where a connection came in. Ask it when a session begins: a reload changes what it answers. */
export interface Door<L extends ListenerConfig = ListenerConfig> {
  readonly listener: L
  /** For STARTTLS (TLS from the first octet is there already); undefined where `tls` is off. */
  readonly identity: Identity | undefined
}

/** One daemon: `mail-smtpd` runs one, `mail-suite` all that are enabled. */
export interface Service<N extends string = string> {
  /** Its table in the configuration, and `daemon=` in the log. */
  readonly name: N
  /** What is to be in place before a connection is served; called once. */
  start(parts: Parts, log: Log): Running<N> | Promise<Running<N>>
}

/** A service at work. */
export interface Running<N extends string = string> {
  /** Speaks the protocol until the peer leaves; TLS from the first octet is there already. Absent in a service without listeners. */
  serve?(connection: Connection, log: Log, door: Door<ListenerOf<N>>): Promise<void>
  /** What is sent to a connection over the limit, its CRLF included. */
  readonly busy?: string
  /** Called after the configuration was read again; what is asked of the parts each time needs no call. */
  reload?(): void | Promise<void>
  /** Whether there is nothing to do, in a service that works without connections. */
  isIdle?(): Promise<boolean>
  /** Called when the last session has ended. */
  close?(): void | Promise<void>
}
