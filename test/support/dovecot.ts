/** A private instance of Debian's Dovecot 2.3 on loopback, as peer and as measure. Needs root, as Dovecot does. */
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { has } from './program.js'
import { freePorts, until } from './world.js'

const run = promisify(execFile)

/** Dovecot serves no mail as root: homes belong to this user, and our own programs run as it beside Dovecot. */
export const mailUser = 20_000

/** Why there can be no Dovecot here; undefined when there can. */
export function noDovecot(): string | false {
  if (process.getuid?.() !== 0) return 'Dovecot needs root'
  return has('dovecot') || spawnSync('/usr/sbin/dovecot', ['--version']).status === 0
    ? false
    : 'Dovecot is not installed'
}

export interface DovecotOptions {
  /** Users and their homes; the Maildir is HOME/Maildir. Passwords are `pw`. */
  readonly homes: Readonly<Record<string, string>>
  /** More lines of dovecot.conf. */
  readonly configuration?: string
}

export class Dovecot {
  readonly directory: string
  readonly imap: number
  readonly pop3: number
  readonly lmtp: number

  private constructor(directory: string, ports: readonly number[]) {
    this.directory = directory
    ;[this.imap = 0, this.pop3 = 0, this.lmtp = 0] = ports
  }

  /** Starts one and returns when it answers on IMAP. */
  static async start(options: DovecotOptions): Promise<Dovecot> {
    const directory = mkdtempSync(join(tmpdir(), 'dovecot-'))
    chmodSync(directory, 0o755)
    const dovecot = new Dovecot(directory, await freePorts(3))
    writeFileSync(join(directory, 'dovecot.conf'), dovecot.#configuration(options.configuration ?? ''))
    const lines = Object.entries(options.homes).map(
      ([user, home]) => `${user}:{PLAIN}pw:${mailUser}:${mailUser}::${home}::\n`,
    )
    writeFileSync(join(directory, 'passwd'), lines.join(''))
    for (const home of Object.values(options.homes)) {
      mkdirSync(home, { recursive: true })
      chownSync(home, mailUser, mailUser)
    }
    await dovecot.again()
    return dovecot
  }

  /** Starts it, for the first time or after {@link Dovecot.halt}. */
  async again(): Promise<void> {
    // It goes on in the background, and would keep pipes of ours open.
    spawnSync('/usr/sbin/dovecot', ['-c', join(this.directory, 'dovecot.conf')], { stdio: 'ignore' })
    await until(() => this.pid > 0)
  }

  /** The master process; its children do the work. 0 when it has not started yet. */
  get pid(): number {
    try {
      return Number(readFileSync(join(this.directory, 'run', 'master.pid'), 'latin1'))
    } catch {
      return 0
    }
  }

  get log(): string {
    return readFileSync(join(this.directory, 'dovecot.log'), 'utf8')
  }

  async halt(): Promise<void> {
    const { pid } = this
    if (pid === 0) return
    await run('/usr/bin/doveadm', ['-c', join(this.directory, 'dovecot.conf'), 'stop'])
    await until(() => !isAlive(pid))
  }

  async stop(): Promise<void> {
    await this.halt()
    rmSync(this.directory, { recursive: true, force: true })
  }

  #configuration(more: string): string {
    return `base_dir = ${this.directory}/run
state_dir = ${this.directory}/state
log_path = ${this.directory}/dovecot.log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
mail_location = maildir:~/Maildir
first_valid_uid = 1000
mail_max_userip_connections = 10000
postmaster_address = postmaster@ilnmors.internal
default_client_limit = 20000
default_process_limit = 2000
default_vsz_limit = 2G
namespace inbox {
  inbox = yes
}
passdb {
  driver = passwd-file
  args = username_format=%Ln ${this.directory}/passwd
}
userdb {
  driver = passwd-file
  args = username_format=%Ln ${this.directory}/passwd
}
service imap-login {
  inet_listener imap {
    port = ${this.imap}
  }
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${this.pop3}
  }
  inet_listener pop3s {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    port = ${this.lmtp}
  }
}
${more}
`
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
