/** One user's Maildir with our daemons and Debian's Dovecot on it, all as one Unix user, and a second Maildir to sync with. */
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dovecot, mailUser } from '../support/dovecot.js'
import { commandPath, Program } from '../support/program.js'
import { removeTree } from '../support/world.js'
import type { SessionName } from './model-plan.js'

/** Who works on the Maildir: ours and Dovecot, ours alone, or Dovecot alone, to see what is its own. */
export type Cast = 'all' | 'ours' | 'dovecot'

export const user = 'alice'
export const password = 'pw'

export class World {
  readonly directory: string
  readonly cast: Cast
  readonly maildir: string
  readonly mirror: string
  #dovecot: Dovecot | undefined
  readonly #programs = new Map<string, Program>()

  private constructor(directory: string, cast: Cast) {
    this.directory = directory
    this.cast = cast
    this.maildir = join(directory, 'home', user, 'Maildir')
    this.mirror = join(directory, 'mirror')
  }

  static async start(cast: Cast): Promise<World> {
    const world = new World(mkdtempSync(join(tmpdir(), 'postern-model-')), cast)
    const { directory } = world
    chmodSync(directory, 0o755)
    for (const path of ['home', `home/${user}`, 'mirror', 'mblaze']) {
      mkdirSync(join(directory, path))
      chownSync(join(directory, path), mailUser, mailUser)
    }
    world.#configure()
    const home = join(directory, 'home', user)
    if (cast !== 'ours') world.#dovecot = await Dovecot.start({ homes: { [user]: home } })
    if (cast !== 'dovecot')
      for (const name of ['mail-imapd', 'mail-imapd 2', 'mail-pop3d', 'mail-smtpd']) {
        const options = { owner: mailUser }
        world.#programs.set(name, await Program.start(name.split(' ')[0] as string, world.config, options))
      }
    world.#mbsyncrc()
    return world
  }

  get config(): string {
    return join(this.directory, 'mail.toml')
  }

  get mbsyncrc(): string {
    return join(this.directory, 'mbsyncrc')
  }

  /** The servers of IMAP that there are: `ours`, `ours too`, `dovecot`. */
  get servers(): string[] {
    if (this.cast === 'all') return ['ours', 'ours too', 'dovecot']
    return this.cast === 'ours' ? ['ours', 'ours too'] : ['dovecot']
  }

  /** The server that a session is with. */
  serverOf(session: SessionName): string {
    if (this.cast === 'dovecot') return 'dovecot'
    if (this.cast === 'ours') return session === 'one' || session === 'dove' ? 'ours' : 'ours too'
    if (session === 'three') return 'ours too'
    return session.startsWith('dove') ? 'dovecot' : 'ours'
  }

  imap(server: string): number {
    if (server === 'dovecot') return this.#dovecot?.imap as number
    return this.#port(server === 'ours' ? 'mail-imapd' : 'mail-imapd 2')
  }

  get pop3(): number {
    return this.cast === 'dovecot' ? (this.#dovecot?.pop3 as number) : this.#port('mail-pop3d')
  }

  get smtp(): number | undefined {
    return this.cast === 'dovecot' ? undefined : this.#port('mail-smtpd')
  }

  /** Dovecot's, where it is. */
  get lmtp(): number | undefined {
    return this.#dovecot?.lmtp
  }

  #port(name: string): number {
    const program = this.#programs.get(name) as Program
    return program.ports((name.split(' ')[0] as string).slice(5))[0] as number
  }

  /** The directory of a folder. */
  folder(name: string): string {
    return name === 'INBOX' ? this.maildir : join(this.maildir, `.${name}`)
  }

  /** Runs a command of ours to its end. */
  command(name: string, args: readonly string[], input: string): Promise<Ended> {
    return this.run(process.execPath, [commandPath(name), '-c', this.config, ...args], input)
  }

  /** Runs a program as the user whose mail it is. */
  run(program: string, args: readonly string[], input = ''): Promise<Ended> {
    const env = { ...process.env, HOME: this.directory, MBLAZE: join(this.directory, 'mblaze') }
    const child = spawn(program, args, { uid: mailUser, gid: mailUser, env, cwd: this.directory })
    let [out, said] = ['', '']
    child.stdout.on('data', chunk => {
      out += chunk
    })
    child.stderr.on('data', chunk => {
      said += chunk
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', code => resolve({ code, out, said }))
    })
  }

  /** All that was logged since the last time; lines of Dovecot begin with its name. */
  #read = 0
  readonly #readOf = new Map<string, number>()
  news(): string[] {
    const lines: string[] = []
    for (const [name, { log }] of this.#programs) {
      lines.push(...log.slice(this.#readOf.get(name) ?? 0).split('\n'))
      this.#readOf.set(name, log.length)
    }
    const theirs = this.#dovecot?.log ?? ''
    lines.push(
      ...theirs
        .slice(this.#read)
        .split('\n')
        .map(line => `dovecot: ${line}`),
    )
    this.#read = theirs.length
    return lines
  }

  async stop(): Promise<void> {
    for (const program of this.#programs.values()) await program.stop()
    await this.#dovecot?.stop()
  }

  remove(): void {
    removeTree(this.directory)
  }

  #configure(): void {
    const { directory } = this
    const door = (name: string, rest = '') =>
      `[[${name}.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n${rest}`
    writeFileSync(
      this.config,
      `hostname = "mail.x.internal"
domains = ["x.internal"]
[users]
file = "users"
home = "${directory}/home/%n"
[login]
penalty = "0s"
[tls]
certificate = "mail.crt"
key = "mail.key"
[queue]
directory = "queue"
${door('smtpd', 'auth = "off"\n')}${door('imapd')}${door('pop3d')}`,
    )
    writeFileSync(join(directory, 'users'), `${user}:{PLAIN}${password}\n`)
    copyFileSync('fixtures/tls/localhost.pem', join(directory, 'mail.crt'))
    copyFileSync('fixtures/tls/localhost-key.pem', join(directory, 'mail.key'))
    for (const name of ['mail.toml', 'users', 'mail.crt', 'mail.key'])
      chownSync(join(directory, name), mailUser, mailUser)
    mkdirSync(join(directory, 'queue'))
    chownSync(join(directory, 'queue'), mailUser, mailUser)
  }

  #mbsyncrc(): void {
    writeFileSync(
      this.mbsyncrc,
      `IMAPStore far
Host 127.0.0.1
Port ${this.imap(this.servers.at(-1) === 'dovecot' && this.cast === 'dovecot' ? 'dovecot' : 'ours too')}
User ${user}
Pass ${password}
SSLType None
AuthMechs LOGIN

MaildirStore near
Path ${this.mirror}/
Inbox ${this.mirror}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
SyncState *
`,
    )
  }
}

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly said: string
}
