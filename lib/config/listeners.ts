/** Listeners with all their settings: what is not said follows from the port. */
import { type Address, isLoopback } from '../sys/sockets.js'
import type { Checked } from './schema.js'

export type TlsMode = 'implicit' | 'required' | 'offered' | 'off'
export type TlsVersion = Checked['tls']['minimum']

/** One address that a server listens on. */
export interface ListenerConfig {
  readonly address: Address
  readonly tls: TlsMode
  readonly minimum: TlsVersion
  /** The FileDescriptorName of the systemd socket that is this listener. */
  readonly socket: string | undefined
}

export interface SmtpListenerConfig extends ListenerConfig {
  readonly protocol: 'smtp' | 'lmtp'
  readonly auth: 'required' | 'offered' | 'off'
  /** Networks that may relay here without a login; where the listener says nothing, smtpd.trusted. */
  readonly trusted: readonly string[]
  /** Patterns that senders and recipients must fit; undefined allows all. */
  readonly senders: readonly string[] | undefined
  readonly recipients: readonly string[] | undefined
}

const implicitPorts = new Set([465, 993, 995])

export function completeListener(
  listener: Checked['imapd']['listen'][number],
  minimum: TlsVersion,
): ListenerConfig {
  const { address } = listener
  return {
    address,
    tls: listener.tls ?? tlsFor(address),
    minimum: listener.minimum ?? minimum,
    socket: listener.socket,
  }
}

export function completeSmtpListener(
  listener: Checked['smtpd']['listen'][number],
  minimum: TlsVersion,
  trusted: readonly string[],
): SmtpListenerConfig {
  const { address, protocol, senders, recipients } = listener
  const lmtp = protocol === 'lmtp'
  const complete = completeListener(listener, minimum)
  return {
    ...complete,
    tls: listener.tls ?? (lmtp ? 'off' : complete.tls),
    protocol,
    auth:
      listener.auth ?? (lmtp || 'path' in address ? 'off' : portOf(address) === 25 ? 'offered' : 'required'),
    trusted: listener.trusted ?? trusted,
    senders,
    recipients,
  }
}

function tlsFor(address: Address): TlsMode {
  const port = portOf(address)
  if (port === 0) return 'off'
  return implicitPorts.has(port) ? 'implicit' : port === 25 ? 'offered' : 'required'
}

function portOf(address: Address): number {
  return 'port' in address ? address.port : 0
}

/** Whether only this machine can reach an address: loopback or a Unix socket. */
export function isLocal(address: Address): boolean {
  return !('host' in address) || address.host === 'localhost' || isLoopback(address.host)
}
