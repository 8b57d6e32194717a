/** One of our servers, configured and listening on loopback in this process, for transcripts. */
import { Daemon } from '../../lib/command/daemon.js'
import type { Service } from '../../lib/command/service.js'
import { makePlace } from './place.js'

export interface Running {
  readonly daemon: Daemon
  /** Holds mail.toml, users, and the homes. */
  readonly directory: string
  /** What was logged. */
  readonly lines: string[]
  readonly port: number
  /** The Maildir of a user. */
  maildir(user: string): string
  close(): Promise<void>
}

export interface ServiceOptions {
  /** Settings of the listener beside its address: `tls = "offered"` unless given. */
  readonly listener?: string
  /** More lines of the configuration. */
  readonly configuration?: string
  /** More lines of its table [login]. */
  readonly login?: string
}

/** Starts a service with one listener on a free port. Penalties are off: a test's wrong password costs no time. */
export async function startService(service: Service, options: ServiceOptions = {}): Promise<Running> {
  const { listener = 'tls = "offered"', configuration = '', login = '' } = options
  const door = `[[${service.name}.listen]]\naddress = "127.0.0.1:0"\n${listener}\n${configuration}`
  const place = makePlace(door, `penalty = "0s"\n${login}`)
  const lines: string[] = []
  const log = { journal: true, write: (line: string) => lines.push(line) }
  const daemon = await Daemon.start({ services: [service], file: place.config, log, watch: false })
  return {
    daemon,
    directory: place.directory,
    lines,
    port: daemon.ports(service.name)[0] as number,
    maildir: place.maildir,
    close: async () => {
      await daemon.stop(0)
      place.remove()
    },
  }
}
