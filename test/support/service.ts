/** One of our servers, configured and listening on loopback in this process, with two users, for transcripts. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Daemon } from '../../lib/command/daemon.js'
import type { Service } from '../../lib/command/service.js'

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

/** The users of every such server and their passwords. */
export const passwords = { alice: 'wonderland', bob: 'two words' } as const

export interface ServiceOptions {
  /** Settings of the listener beside its address: `tls = "offered"` unless given. */
  readonly listener?: string
  /** More lines of the configuration. */
  readonly configuration?: string
}

/** Starts a service with one listener on a free port. Penalties are off: a test's wrong password costs no time. */
export async function startService(service: Service, options: ServiceOptions = {}): Promise<Running> {
  const { listener = 'tls = "offered"', configuration = '' } = options
  const directory = mkdtempSync(join(tmpdir(), 'postern-'))
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text)
  write(
    'mail.toml',
    `hostname = "mail.ilnmors.internal"
domains = ["ilnmors.internal"]
[users]
file = "users"
home = "${directory}/home/%n"
[login]
penalty = "0s"
[tls]
certificate = "mail.crt"
key = "mail.key"
[[${service.name}.listen]]
address = "127.0.0.1:0"
${listener}
${configuration}
`,
  )
  write(
    'users',
    Object.entries(passwords)
      .map(([user, password]) => `${user}:{PLAIN}${password}\n`)
      .join(''),
  )
  copyFileSync('fixtures/tls/localhost.pem', join(directory, 'mail.crt'))
  copyFileSync('fixtures/tls/localhost-key.pem', join(directory, 'mail.key'))
  const lines: string[] = []
  const log = { journal: true, write: (line: string) => lines.push(line) }
  const daemon = await Daemon.start({
    services: [service],
    file: join(directory, 'mail.toml'),
    log,
    watch: false,
  })
  return {
    daemon,
    directory,
    lines,
    port: daemon.ports(service.name)[0] as number,
    maildir: user => join(directory, 'home', user, 'Maildir'),
    close: async () => {
      await daemon.stop(0)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
