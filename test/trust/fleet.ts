/** A whole suite of built commands over one configuration, and a provider to fetch from, to be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandPath, Program } from '../support/program.js'
import { freePorts } from '../support/world.js'

/** The daemons; two of mail-imapd work on the same Maildirs. */
const daemons = ['mail-smtpd', 'mail-imapd', 'mail-imapd 2', 'mail-pop3d', 'mail-relay', 'provider'] as const
export type DaemonName = (typeof daemons)[number]

export const users = ['alice', 'bob', 'carol', 'dave'] as const
export const password = 'pw'

export class Fleet {
  readonly directory: string
  readonly config: string
  readonly #provider: string
  readonly #running = new Map<DaemonName, Program>()
  /** Commands that run once. */
  readonly #children = new Set<ChildProcess>()
  /** What daemons that are gone have logged. */
  readonly logs: string[] = []
  /** When mail-relay was killed, in milliseconds of the monotonic clock. */
  readonly relayKills: number[] = []
  kills = 0

  private constructor(directory: string) {
    this.directory = directory
    this.config = join(directory, 'mail.toml')
    this.#provider = join(directory, 'provider.toml')
  }

  /** @param smarthost the port of the server that the relay sends to */
  static async start(smarthost: number): Promise<Fleet> {
    const directory = mkdtempSync(join(tmpdir(), 'postern-trust-'))
    const fleet = new Fleet(directory)
    const [port = 0] = await freePorts(1)
    const base = `domains = ["x.internal"]
[login]
penalty = "0s"
[tls]
certificate = "mail.crt"
key = "mail.key"
`
    const door = (name: string, rest = '') =>
      `[[${name}.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n${rest}`
    writeFileSync(
      fleet.config,
      `hostname = "mail.x.internal"
${base}[users]
file = "users"
home = "${directory}/home/%n"
[queue]
directory = "queue"
first_retry = "1s"
last_retry = "2s"
[relay]
host = "127.0.0.1:${smarthost}"
tls = "off"
${door('smtpd', 'auth = "off"\n')}${door('imapd')}${door('pop3d')}
[fetch.provider]
host = "127.0.0.1:${port}"
tls = "off"
user = "provider"
password_file = "secret"
into = "dave@x.internal"
folders = ["INBOX"]
`,
    )
    writeFileSync(
      fleet.#provider,
      `hostname = "provider.internal"
${base}[users]
file = "provider-users"
home = "${directory}/provider/%n"
[[imapd.listen]]
address = "127.0.0.1:${port}"
tls = "off"
`,
    )
    writeFileSync(join(directory, 'secret'), `${password}\n`, { mode: 0o600 })
    writeFileSync(join(directory, 'users'), users.map(user => `${user}:{PLAIN}${password}\n`).join(''))
    writeFileSync(join(directory, 'provider-users'), `provider:{PLAIN}${password}\n`)
    copyFileSync('fixtures/tls/localhost.pem', join(directory, 'mail.crt'))
    copyFileSync('fixtures/tls/localhost-key.pem', join(directory, 'mail.key'))
    for (const part of ['cur', 'new', 'tmp'])
      mkdirSync(join(directory, 'provider/provider/Maildir', part), { recursive: true, mode: 0o700 })
    await fleet.up()
    return fleet
  }

  get daemons(): readonly DaemonName[] {
    return daemons
  }

  maildir(user: string): string {
    return user === 'provider'
      ? join(this.directory, 'provider/provider/Maildir')
      : join(this.directory, 'home', user, 'Maildir')
  }

  port(name: DaemonName): number {
    const program = this.#running.get(name)
    if (!program) throw new Error(`${name} does not run`)
    return program.ports(name === 'provider' ? 'imapd' : (name.split(' ')[0] as string).slice(5))[0] as number
  }

  isUp(name: DaemonName): boolean {
    return this.#running.has(name)
  }

  /** Starts what does not run. */
  async up(): Promise<void> {
    await Promise.all(
      daemons.map(async name => {
        if (this.#running.has(name)) return
        const command = name === 'provider' ? 'mail-imapd' : (name.split(' ')[0] as string)
        const program = await Program.start(command, name === 'provider' ? this.#provider : this.config)
        this.#running.set(name, program)
      }),
    )
  }

  /** kill -9, with nobody asked. */
  async kill(name: DaemonName): Promise<void> {
    const program = this.#running.get(name)
    if (!program) return
    this.#running.delete(name)
    this.kills++
    if (name === 'mail-relay') this.relayKills.push(performance.now())
    await program.stop('SIGKILL')
    this.logs.push(program.log)
  }

  /** kill -9 to a command that runs once, if one does. */
  killChild(): boolean {
    const [child] = this.#children
    if (!child) return false
    this.kills++
    return child.kill('SIGKILL')
  }

  /** Runs a command to its end. @returns its exit status; undefined when it was killed */
  run(name: string, args: readonly string[], input = ''): Promise<number | undefined> {
    const child = spawn(process.execPath, [commandPath(name), '-c', this.config, ...args], {
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    this.#children.add(child)
    let said = ''
    child.stderr?.on('data', chunk => {
      said += chunk
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    return new Promise(resolve => {
      child.on('close', code => {
        this.#children.delete(child)
        if (said !== '') this.logs.push(`${name}: ${said}`)
        resolve(code ?? undefined)
      })
    })
  }

  /** Ends all in peace. */
  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(
      [...this.#running.values()].map(async program => {
        await program.stop()
        this.logs.push(program.log)
      }),
    )
    this.#running.clear()
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
