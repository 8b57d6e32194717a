/** An account at a real Dovecot, and a Maildir it is fetched into. */
import { createHash } from 'node:crypto'
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import {
  type FetchAccount,
  type FetchOptions,
  type FetchResult,
  fetchAccount,
} from '../../lib/fetch/fetch.js'
import { Account } from '../../lib/mailbox/account.js'
import { Log } from '../../lib/sys/log.js'
import { mailUser } from '../support/dovecot.js'

/** An account that logs in as `user` with Dovecot's password. */
export function accountAt(port: number, home: string, changes: Partial<FetchAccount> = {}): FetchAccount {
  return {
    name: 'test',
    host: '127.0.0.1',
    port,
    tls: 'off',
    trust: createSecureContext,
    user: 'alice',
    secret: async () => ({ password: 'pw' }),
    choices: { folders: ['*'], exclude: [] },
    policy: { flags: 'once', gone: 'keep' },
    bytesPerDay: 1e12,
    maildir: join(home, 'Maildir'),
    state: join(home, 'fetch', 'test.state'),
    ...changes,
  }
}

/** One run. */
export function fetchOnce(account: FetchAccount, options: Partial<FetchOptions> = {}): Promise<FetchResult> {
  const log = new Log({ write: () => {} })
  return fetchAccount(account, { log, signal: new AbortController().signal, ...options })
}

/** How many messages a run fetched. */
export function fetched({ folders }: FetchResult): number {
  return folders.reduce((total, folder) => total + folder.fetched, 0)
}

/** Puts messages into a folder of a Maildir at the provider; its numbers make them differ. */
export function put(maildir: string, numbers: Iterable<number>, flags = ''): void {
  for (const part of ['cur', 'new', 'tmp']) {
    mkdirSync(join(maildir, part), { recursive: true, mode: 0o700 })
    chownSync(join(maildir, part), mailUser, mailUser)
  }
  chownSync(maildir, mailUser, mailUser)
  for (const number of numbers) {
    const time = 1_700_000_000 + number
    const path = join(maildir, 'cur', `${time}.M${number}P1.provider:2,${flags}`)
    writeFileSync(path, text(number), { mode: 0o600 })
    chownSync(path, mailUser, mailUser)
    utimesSync(path, time, time)
  }
}

/** The message with a number. */
export function text(number: number): string {
  return `Message-ID: <${number}@provider>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nSubject: ${number}\n\n${'body\n'.repeat(number % 7)}`
}

/** Everything about a tree of files that its user could miss: a line for each. */
export function digest(directory: string): string[] {
  const lines: string[] = []
  const walk = (path: string) => {
    for (const name of readdirSync(path).sort()) {
      // Indexes of the server, which it writes when it likes to.
      if (/^dovecot\.(?:index|list)|^dovecot-uidvalidity|^maildirfolder|^postern\./.test(name)) continue
      const each = join(path, name)
      const { mtimeMs, mode } = statSync(each)
      if (statSync(each).isDirectory()) {
        lines.push(`${each} ${mode}`)
        walk(each)
      } else if (name === 'dovecot-uidlist') lines.push(...uidsOf(readFileSync(each, 'latin1')))
      else
        lines.push(
          `${each} ${mode} ${mtimeMs} ${createHash('sha256').update(readFileSync(each)).digest('hex')}`,
        )
    }
  }
  walk(directory)
  return lines
}

/** UIDVALIDITY, and which file has which UID; not the sizes that Dovecot adds when it has counted. */
function uidsOf(list: string): string[] {
  return list.split('\n').map(line => line.replace(/^3 (V\d+).*/, '$1').replace(/^(\d+) .*:/, '$1 '))
}

/** A message here. */
export interface Here {
  readonly uid: number
  readonly number: number
  readonly flags: string
  readonly date: number
  readonly octets: string
}

/** What a mailbox here holds, by the numbers of the messages. */
export async function holds(home: string, name = 'INBOX'): Promise<Here[]> {
  const account = await Account.open(join(home, 'Maildir'))
  try {
    if (!account.has(name)) return []
    const mailbox = await account.open(name)
    return [...mailbox.uids]
      .map(uid => {
        const octets = (mailbox.read(uid) as Buffer).toString('latin1')
        return {
          uid,
          number: Number(/^Message-ID: <(\d+)@/m.exec(octets)?.[1]),
          flags: [...(mailbox.message(uid)?.flags ?? [])].sort().join(' '),
          date: mailbox.date(uid) as number,
          octets,
        }
      })
      .sort((a, b) => a.number - b.number || a.uid - b.uid)
  } finally {
    await account.close()
  }
}

/** The numbers of the messages in a mailbox here, twice where one is there twice. */
export async function numbers(home: string, name = 'INBOX'): Promise<number[]> {
  return (await holds(home, name)).map(({ number }) => number)
}
