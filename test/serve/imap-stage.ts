/** A mail-imapd in a temporary world: real sockets, real Maildirs, two users. */

import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Logins } from '../../lib/auth/login.js'
import { Users } from '../../lib/auth/users.js'
import { serveImap } from '../../lib/imap/server.js'
import { imapBackend } from '../../lib/serve/imap.js'
import { Log } from '../../lib/sys/log.js'
import { Listener } from '../../lib/wire/listener.js'
import { Identity } from '../../lib/wire/tls.js'
import type { Action, Stage } from '../support/transcript.js'
import { until } from '../support/world.js'

/** As the messages that a test puts down are dated: 2026-03-10T12:00:00Z, then a minute apart. */
const firstDate = Date.UTC(2026, 2, 10, 12)

export interface ImapStage extends Stage {
  readonly home: string
  readonly lines: string[]
  readonly listener: Listener
  readonly actions: Readonly<Record<string, Action>>
}

/**
 * Starts a server for alice (password wonderland), bob (builder), and carol (small), who may have 10 KiB and four
 * messages, of example.test.
 */
export async function imapStage({
  sharing = false,
  ...options
}: {
  sharing?: boolean
  appendLimit?: number
  loginTimeout?: number
  progressEvery?: number
} = {}): Promise<ImapStage> {
  const home = mkdtempSync(join(tmpdir(), 'postern-imap-'))
  const lines: string[] = []
  const log = new Log({ level: 'debug', write: line => lines.push(line) })
  const file = join(home, 'users')
  writeFileSync(
    file,
    'alice:{PLAIN}wonderland\nbob:{PLAIN}builder\ncarol:{PLAIN}small::::::userdb_quota_rule=*:storage=10K:messages=4\n',
  )
  const users = await Users.open({ file, home: join(home, '%n'), domain: 'example.test', log, watch: false })
  const logins = new Logins({ users, log, penalty: 0 })
  const identity = new Identity({
    certificate: readFileSync('fixtures/tls/localhost.pem'),
    key: readFileSync('fixtures/tls/localhost-key.pem'),
  })
  let from: string | undefined
  const listener = new Listener({
    address: { host: '127.0.0.1', port: 0 },
    tls: 'off',
    identity,
    log,
    serve: (connection, sessionLog) => {
      if (from !== undefined) connection.remoteAddress = from
      return serveImap(
        connection,
        {
          backend: imapBackend({
            logins,
            mechanisms: ['PLAIN', 'LOGIN'],
            neighbours: sharing ? users : undefined,
            log,
          }),
          hostname: 'mail.example.test',
          tls: 'required',
          identity,
          id: { name: 'Postern' },
          appendLimit: 50_000_000,
          ...options,
        },
        sessionLog,
      )
    },
  })
  await listener.open()
  const disk = new Disk(home)
  return {
    home,
    lines,
    listener,
    port: listener.port,
    actions: {
      from: address => {
        from = address
      },
      shutdown: () => void listener.close(1_000),
      message: disk.message,
      remove: disk.remove,
      flag: disk.flag,
    },
    checks: disk.checks,
    close: async () => {
      await listener.close(0)
      await logins.close()
      await users.close()
      rmSync(home, { recursive: true, force: true })
      const bugs = lines.filter(line => line.includes('session-failed') || line.includes('TypeError'))
      assert.deepEqual(bugs, [])
    },
  }
}

/** What another program does to the Maildirs, and what it sees there. */
class Disk {
  readonly #home: string
  #count = 0

  constructor(home: string) {
    this.#home = home
  }

  #directory(user: string, mailbox: string): string {
    return join(this.#home, user, 'Maildir', mailbox === 'INBOX' ? '' : `.${mailbox}`)
  }

  #names(user: string, mailbox: string): string[] {
    return ['new', 'cur'].flatMap(part => {
      const directory = join(this.#directory(user, mailbox), part)
      return readdirSync(directory).map(name => join(directory, name))
    })
  }

  /** What a lock is made of again stays in tmp/ for a while. */
  #messagesIn(user: string, directory: string): string[] {
    const names = readdirSync(join(this.#home, user, 'Maildir', directory))
    return names.filter(name => !name.startsWith('dovecot-uidlist.lock.'))
  }

  /** `@ message alice INBOX plain S`: a file in cur/ with these letters, or in new/ without any. */
  message: Action = (user = '', mailbox = '', fixture = '', letters) => {
    const directory = this.#directory(user, mailbox)
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(directory, part), { recursive: true })
    const date = new Date(firstDate + this.#count * 60_000)
    const unique = `${date.getTime() / 1000}.M${++this.#count}P1.test`
    const path = join(
      directory,
      letters === undefined ? `new/${unique}` : `cur/${unique}:2,${letters.replace('-', '')}`,
    )
    writeFileSync(`${directory}/tmp/${unique}`, readFileSync(`fixtures/imap/messages/${fixture}.eml`))
    utimesSync(`${directory}/tmp/${unique}`, date, date)
    renameSync(`${directory}/tmp/${unique}`, path)
  }

  /** `@ remove alice INBOX 1`: the file that was put down first. */
  remove: Action = (user = '', mailbox = '', number = '') => unlinkSync(this.#find(user, mailbox, number))

  /** `@ flag alice INBOX 1 FS` */
  flag: Action = (user = '', mailbox = '', number = '', letters = '') => {
    const path = this.#find(user, mailbox, number)
    renameSync(path, `${path.replace(/:2,.*$/, '').replace('/new/', '/cur/')}:2,${letters}`)
  }

  #find(user: string, mailbox: string, number: string): string {
    const path = this.#names(user, mailbox).find(name => name.includes(`.M${number}P1.`))
    assert.ok(path, `there is no message ${number}`)
    return path
  }

  readonly checks: Readonly<Record<string, Action>> = {
    messages: (user = '', mailbox = '', count = '') =>
      assert.equal(this.#names(user, mailbox).length, Number(count)),
    /** Some file's name ends so. */
    stored: (user = '', mailbox = '', ending = '') =>
      assert.ok(
        this.#names(user, mailbox).some(name => name.endsWith(ending)),
        `none of ${this.#names(user, mailbox)} ends in ${ending}`,
      ),
    /** The file of the Maildir holds these words, in one line or in several that are joined by blanks. */
    holds: (user = '', file = '', ...words) =>
      assert.equal(
        readFileSync(join(this.#home, user, 'Maildir', file), 'utf8')
          .trim()
          .replaceAll('\n', ' '),
        words.join(' '),
      ),
    folder: (user = '', name = '') =>
      assert.ok(readdirSync(join(this.#home, user, 'Maildir')).includes(name), `no folder ${name}`),
    empty: (user = '', directory = '') => assert.deepEqual(this.#messagesIn(user, directory), []),
    /** The server needs a moment to notice that a client is gone. */
    'soon-empty': (user = '', directory = '') => until(() => this.#messagesIn(user, directory).length === 0),
    above: (larger, smaller) =>
      assert.ok(Number(larger) > Number(smaller), `${larger} is not above ${smaller}`),
    differ: (first, second) => assert.notEqual(first, second),
  }
}
