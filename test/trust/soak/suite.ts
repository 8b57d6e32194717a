/**
 * Daemons that go on while nobody loads them: started apart from whoever started them, found again by what stands in
 * their folder, ended when they are told to.
 */
import { spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCode } from '../../../lib/sys/error.js'
import { commandPath } from '../../support/program.js'
import { freePorts, until } from '../../support/world.js'
import type { Reading } from './meter.js'

export const daemons = ['smtpd', 'imapd', 'pop3d', 'sieved', 'relay', 'fetch', 'provider'] as const
export type DaemonName = (typeof daemons)[number]

const portNames = [
  'smtp',
  'smtps',
  'submission',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'sieve',
  'provider',
  'sink',
  'metrics',
] as const
type Ports = Readonly<Record<(typeof portNames)[number], number>>

export const password = 'pw'
/** Whom the load is for: the last of them is filtered, and the one before has a password that is slow to check. */
export const users = Array.from({ length: 24 }, (_, i) => `u${i}`)
/** Accounts at the provider; the last is fetched by runs, the others are watched. Each has a mailbox of its name here. */
export const accounts = ['p0', 'p1', 'p2', 'p3', 'p4'] as const
/** Whose they are: one user's, since they are fetched as that user. */
export const fetcher = 'fetcher'

/** What is known of a soak between its parts. */
export interface State {
  readonly ports: Ports
  readonly pids: Readonly<Record<DaemonName, number>>
  /** Rounds of the load that are done. */
  laps: number
  /** What was done, by name. */
  readonly done: Record<string, number>
  readonly readings: Record<string, Reading[]>
  readonly faults: string[]
  /** Seconds under load. */
  seconds: number
}

export class Suite {
  readonly folder: string
  readonly state: State

  private constructor(folder: string, state: State) {
    this.folder = folder
    this.state = state
  }

  /** The suite of a folder, going on or new. */
  static async at(folder: string): Promise<Suite> {
    const path = join(folder, 'state.json')
    if (existsSync(path)) return new Suite(folder, JSON.parse(readFileSync(path, 'utf8')))
    const numbers = await freePorts(portNames.length)
    const ports = Object.fromEntries(portNames.map((name, i) => [name, numbers[i]])) as Ports
    lay(folder, ports)
    const pids: Record<string, number> = {}
    try {
      for (const name of [...daemons].reverse()) pids[name] = await launch(folder, name)
    } catch (error) {
      for (const pid of Object.values(pids)) end(pid, 'SIGKILL')
      throw error
    }
    const suite = new Suite(folder, {
      ports,
      pids: pids as State['pids'],
      laps: 0,
      done: {},
      readings: {},
      faults: [],
      seconds: 0,
    })
    suite.keep()
    return suite
  }

  count(what: string, by = 1): void {
    this.state.done[what] = (this.state.done[what] ?? 0) + by
  }

  keep(): void {
    writeFileSync(join(this.folder, 'state.json'), JSON.stringify(this.state))
  }

  maildir(user: string): string {
    return join(this.folder, 'home', user, 'Maildir')
  }

  provided(account: string): string {
    return join(this.folder, 'provider', account, 'Maildir')
  }

  get meters(): string {
    return join(this.folder, 'meters')
  }

  log(name: DaemonName): string {
    return readFileSync(join(this.folder, `${name}.log`), 'utf8')
  }

  signal(signal: NodeJS.Signals): void {
    for (const name of daemons) if (name !== 'fetch') process.kill(this.state.pids[name], signal)
  }

  /** Runs a command to its end. @returns its exit status */
  run(name: string, args: readonly string[], input = ''): Promise<number> {
    const child = spawn(
      process.execPath,
      [commandPath(name), '-c', join(this.folder, 'mail.toml'), ...args],
      {
        stdio: ['pipe', 'ignore', 'inherit'],
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    return new Promise(resolve => child.on('close', code => resolve(code ?? -1)))
  }

  /** Ends the daemons; what they had stays. */
  async end(): Promise<void> {
    for (const pid of Object.values(this.state.pids)) end(pid, 'SIGTERM')
    await until(() => Object.values(this.state.pids).every(pid => !isThere(pid)), 20_000).catch(() => {
      for (const pid of Object.values(this.state.pids)) end(pid, 'SIGKILL')
    })
  }
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error
  }
}

/** Whether it runs; what has ended and is not waited for does not. */
function isThere(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** Starts a daemon with preload.ts in it. @returns its number when it is ready */
async function launch(folder: string, name: DaemonName): Promise<number> {
  const log = join(folder, `${name}.log`)
  const config = join(folder, name === 'provider' ? 'provider.toml' : 'mail.toml')
  const command = name === 'provider' ? 'mail-imapd' : `mail-${name}`
  const preload = join(dirname(fileURLToPath(import.meta.url)), 'preload.js')
  const out = openSync(log, 'a')
  const more = name === 'fetch' ? ['--watch', ...accounts.slice(0, -1)] : []
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--import', preload, commandPath(command), '-c', config, ...more],
    { stdio: ['ignore', out, out], detached: true, env: { ...process.env, METERS: join(folder, 'meters') } },
  )
  child.unref()
  const ready = name === 'fetch' ? / event=fetch-started / : / event=started /
  await until(() => ready.test(readFileSync(log, 'utf8')) || child.exitCode !== null, 30_000)
  if (child.exitCode !== null) throw new Error(`mail-${name} ended: ${readFileSync(log, 'utf8')}`)
  return child.pid as number
}

const script = `require ["fileinto", "vacation", "imap4flags", "regex", "variables", "body"];
if header :regex "Subject" "^soak ([0-9]+)$" { set "n" "\${1}"; addflag "\\\\Flagged"; }
if body :contains "needle 7" { fileinto "Archive"; }
vacation :days 1 "away";
`

/** Everything that the daemons read. */
function lay(folder: string, ports: Ports): void {
  for (const part of ['meters', 'home', 'provider']) mkdirSync(join(folder, part), { recursive: true })
  const base = `domains = ["x.internal"]
[runtime]
directory = "run"
[tls]
certificate = "mail.crt"
key = "mail.key"
`
  const door = (name: string, port: number, tls: string, rest = '') =>
    `[[${name}.listen]]\naddress = "127.0.0.1:${port}"\ntls = "${tls}"\n${rest}`
  const fetched = accounts.map(
    name => `[fetch.${name}]
host = "127.0.0.1:${ports.provider}"
tls = "off"
user = "${name}"
password_file = "secret"
into = "${fetcher}@x.internal"
folders = [{ from = "INBOX", to = "${name}" }]
`,
  )
  writeFileSync(
    join(folder, 'mail.toml'),
    `hostname = "mail.x.internal"
${base}[users]
file = "users"
home = "${folder}/home/%n"
[login]
penalty = "5ms"
[smtpd]
messages_per_minute = 1000000
${door('smtpd', ports.smtp, 'off', 'auth = "offered"\n')}
${door('smtpd', ports.smtps, 'implicit', 'auth = "required"\n')}
${door('smtpd', ports.submission, 'required', 'auth = "required"\n')}
${door('imapd', ports.imap, 'off')}
${door('imapd', ports.imaps, 'implicit')}
${door('pop3d', ports.pop3, 'off')}
${door('pop3d', ports.pop3s, 'implicit')}
${door('sieved', ports.sieve, 'off')}
[queue]
directory = "queue"
first_retry = "1s"
last_retry = "2s"
[relay]
host = "127.0.0.1:${ports.sink}"
tls = "off"
[metrics]
listen = "127.0.0.1:${ports.metrics}"
${fetched.join('')}`,
  )
  writeFileSync(
    join(folder, 'provider.toml'),
    `hostname = "provider.internal"
${base.replace('"run"', '"provider-run"')}[users]
file = "provider-users"
home = "${folder}/provider/%n"
${door('imapd', ports.provider, 'off')}`,
  )
  writeUsers(folder)
  writeFileSync(join(folder, 'provider-users'), accounts.map(name => `${name}:{PLAIN}${password}\n`).join(''))
  writeFileSync(join(folder, 'secret'), `${password}\n`, { mode: 0o600 })
  copyFileSync('fixtures/tls/localhost.pem', join(folder, 'mail.crt'))
  copyFileSync('fixtures/tls/localhost-key.pem', join(folder, 'mail.key'))
  for (const name of accounts)
    for (const part of ['cur', 'new', 'tmp'])
      mkdirSync(join(folder, 'provider', name, 'Maildir', part), { recursive: true, mode: 0o700 })
  const home = join(folder, 'home', users.at(-1) as string)
  mkdirSync(join(home, 'sieve'), { recursive: true })
  writeFileSync(join(home, 'sieve/main.sieve'), script)
  symlinkSync('sieve/main.sieve', join(home, '.dovecot.sieve'))
}

/** `pw`, made slowly. */
const slow =
  '{ARGON2ID}$argon2id$v=19$m=4096,t=1,p=1$c29ha3NvYWtzb2Frc29haw$yLXJsEWG+DkLeeo/wS64bxBhW1YMskbnj3XfLyvms50'

/** Writes the users, as somebody who changes a password does. */
export function writeUsers(folder: string): void {
  const names = [...users, fetcher]
  const lines = names.map(name => `${name}:${name === users.at(-2) ? slow : `{PLAIN}${password}`}\n`)
  writeFileSync(join(folder, 'users'), lines.join(''))
}
