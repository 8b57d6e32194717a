/** A private instance of Debian's Postfix on loopback, as smarthost and as measure. Needs root, as Postfix does. */
import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts, until } from './world.js'

const run = promisify(execFile)
const program = '/usr/sbin/postfix'

/** Why there can be no Postfix here; undefined when there can. */
export function noPostfix(): string | false {
  if (process.getuid?.() !== 0) return 'Postfix needs root'
  return existsSync(program) && existsSync('/usr/sbin/smtp-sink') ? false : 'Postfix is not installed'
}

export interface PostfixOptions {
  /** More lines of main.cf. */
  readonly main?: string
  /** Services of master.cf that listen, a name each; PORT stands for the port. */
  readonly listeners: Readonly<Record<string, string>>
}

export class Postfix {
  readonly directory: string
  readonly ports: Readonly<Record<string, number>>

  private constructor(directory: string, ports: Readonly<Record<string, number>>) {
    this.directory = directory
    this.ports = ports
  }

  /** Makes one and starts it. Mail of virtual mailboxes is kept in Maildirs below `mail/`. */
  static async start(options: PostfixOptions): Promise<Postfix> {
    const directory = mkdtempSync(join(tmpdir(), 'postfix-'))
    chmodSync(directory, 0o755)
    const names = Object.keys(options.listeners)
    const free = await freePorts(names.length)
    const ports = Object.fromEntries(names.map((name, i) => [name, free[i] as number]))
    for (const each of ['etc', 'spool', 'data', 'mail']) mkdirSync(join(directory, each))
    const id = (what: string) => Number(spawnSync('id', [what, 'postfix'], { encoding: 'utf8' }).stdout)
    chownSync(join(directory, 'data'), id('-u'), id('-g'))
    chownSync(join(directory, 'mail'), 20_000, 20_000)
    for (const each of ['dynamicmaps.cf', 'postfix-files'])
      if (existsSync(`/etc/postfix/${each}`)) cpSync(`/etc/postfix/${each}`, join(directory, 'etc', each))
    writeFileSync(join(directory, 'etc', 'main.cf'), mainOf(directory, options.main ?? ''))
    writeFileSync(join(directory, 'etc', 'master.cf'), masterOf(options.listeners, ports))
    const postfix = new Postfix(directory, ports)
    await postfix.again()
    return postfix
  }

  get config(): string {
    return join(this.directory, 'etc')
  }

  get log(): string {
    const path = join(this.directory, 'mail.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  /** Starts it, for the first time or after {@link Postfix.halt}. */
  async again(): Promise<void> {
    // It goes on in the background, and would keep pipes of ours open.
    const { status } = spawnSync(program, ['-c', this.config, 'start'], { stdio: 'ignore' })
    if (status !== 0) throw new Error(`Postfix does not start: ${this.log}`)
    for (const port of Object.values(this.ports)) await until(() => answers(port))
  }

  async halt(): Promise<void> {
    await run(program, ['-c', this.config, 'stop']).catch(() => {})
  }

  async stop(): Promise<void> {
    await this.halt()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Messages in a mailbox. */
  mail(user: string): string[] {
    const at = join(this.directory, 'mail', user, 'new')
    if (!existsSync(at)) return []
    return readdirSync(at).map(name => readFileSync(join(at, name), 'utf8'))
  }
}

function mainOf(directory: string, more: string): string {
  return `compatibility_level = 3.6
queue_directory = ${directory}/spool
data_directory = ${directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = smarthost.outside.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_base = ${directory}/mail
virtual_uid_maps = static:20000
virtual_gid_maps = static:20000
alias_maps =
alias_database =
local_recipient_maps =
maillog_file = ${directory}/mail.log
maillog_file_prefixes = ${directory}
biff = no
${more}
`
}

function masterOf(listeners: PostfixOptions['listeners'], ports: Readonly<Record<string, number>>): string {
  const own = Object.entries(listeners).map(([name, line]) => line.replace('PORT', String(ports[name])))
  return `${own.join('\n')}
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`
}

/** Whether anybody listens on a port of loopback. */
export function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
