/**
 * A whole suite in one directory, for trying out: every piece that is missing is made, every piece that is there stays.
 *
 *     mail.toml            written anew at each start, since it follows the options
 *     tls/                 a private authority, and a certificate for this machine
 *     users aliases        two users with random passwords
 *     netrc                for curl: an app password that is good for reading mail, and for nothing else
 *     home/                their mail
 */
import { randomInt } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatLine, type Line, parsePasswdFile } from '../auth/passwd-file.js'
import { makePassword } from '../auth/password.js'
import { Account } from '../mailbox/account.js'
import { Delivery } from '../maildir/maildir.js'
import { formatDate } from '../message/date.js'
import { writeAtomic } from '../sys/atomic.js'
import { describe, exits, isMissing, MailError } from '../sys/error.js'
import { authorityPlace, makeAuthority, makeServer, readFacts } from './certificate.js'

export const demoHost = 'mail.ilnmors.internal'
export const demoDomain = 'ilnmors.internal'

const names = [demoHost, 'localhost', '127.0.0.1', '::1']
const users = [
  { name: 'alice', fullName: 'Alice Liddell' },
  { name: 'bob', fullName: 'Bob Dodgson' },
] as const

/** One port of the demonstration, before the offset. */
export interface DemoPort {
  readonly server: 'smtpd' | 'imapd' | 'pop3d' | 'sieved'
  readonly port: number
  readonly tls: 'implicit' | 'required' | 'offered'
  readonly auth?: 'required' | 'offered'
}

export const demoPorts: readonly DemoPort[] = [
  { server: 'smtpd', port: 2525, tls: 'offered', auth: 'offered' },
  { server: 'smtpd', port: 2587, tls: 'required', auth: 'required' },
  { server: 'smtpd', port: 2465, tls: 'implicit', auth: 'required' },
  { server: 'imapd', port: 2143, tls: 'offered' },
  { server: 'imapd', port: 2993, tls: 'implicit' },
  { server: 'pop3d', port: 2110, tls: 'offered' },
  { server: 'pop3d', port: 2995, tls: 'implicit' },
  { server: 'sieved', port: 2419, tls: 'offered' },
]

export interface DemoOptions {
  readonly directory: string
  readonly ports: readonly DemoPort[]
  /** Loopback addresses to listen on: `127.0.0.1`, `[::1]`. */
  readonly hosts: readonly string[]
  readonly now: Date
  /** Told what is being made. */
  readonly step: (text: string) => void
}

export interface Demo {
  readonly config: string
  readonly authority: string
  readonly netrc: string
  /** Addresses, with the password where it was made just now: it is not to be had again. */
  readonly users: readonly { readonly address: string; readonly password: string | undefined }[]
}

/** Makes the directory. @throws MailError (73) when it holds something else, or cannot be made */
export function openDemo(directory: string): Promise<void> {
  return telling(directory, async () => {
    await refuseForeign(directory)
    await mkdir(directory, { recursive: true, mode: 0o700 })
  })
}

/** Makes what is missing in a directory that {@link openDemo} has made. @throws MailError (73) when it cannot be written */
export function prepareDemo(options: DemoOptions): Promise<Demo> {
  const { directory } = options
  return telling(directory, async () => {
    const config = join(directory, 'mail.toml')
    await writeAtomic(config, configuration(options), 0o600)
    await writeCertificates(options)
    const netrc = join(directory, 'netrc')
    const made = await writeUsers(options, netrc)
    await writeMail(options)
    return { config, authority: join(directory, 'tls/ca.crt'), netrc, users: made }
  })
}

async function telling<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MailError) throw error
    throw new MailError(`cannot set up ${directory}: ${describe(error)}`, { exit: exits.cannotCreate })
  }
}

const mark = '# Written by mail-suite --demo'

async function refuseForeign(directory: string): Promise<void> {
  const entries = await readdir(directory).catch(missingIs([] as string[]))
  // A start that was cut off at once leaves its lock alone.
  if (entries.every(entry => entry === 'suite.lock')) return
  const text = await readFile(join(directory, 'mail.toml'), 'utf8').catch(missingIs(''))
  if (text.startsWith(mark)) return
  throw new MailError(`${directory} holds something else; name an empty directory with --state`, {
    exit: exits.cannotCreate,
  })
}

function missingIs<T>(value: T): (error: unknown) => T {
  return error => {
    if (isMissing(error)) return value
    throw error
  }
}

function configuration({ ports, hosts }: DemoOptions): string {
  const listeners = ports.flatMap(({ server, port, tls, auth }) =>
    hosts.map(host =>
      [
        `[[${server}.listen]]`,
        `address = "${host}:${port}"`,
        `tls = "${tls}"`,
        ...(auth ? [`auth = "${auth}"`] : []),
      ].join('\n'),
    ),
  )
  return [
    `${mark}, at each start: copy it before you change it. See mail.toml(5).`,
    `hostname = "${demoHost}"\ndomains = ["${demoDomain}"]`,
    '[users]\nhome = "home/%d/%n"',
    '[queue]\ndirectory = "queue"',
    '[runtime]\ndirectory = "run"',
    ...listeners,
    '',
  ].join('\n\n')
}

async function writeCertificates({ directory, now, step }: DemoOptions): Promise<void> {
  const server = { certificate: join(directory, 'tls/mail.crt'), key: join(directory, 'tls/mail.key') }
  const authority = authorityPlace(server)
  const ends = await endOf(server.certificate)
  if (ends && ends.getTime() - now.getTime() > 30 * 86_400_000) return
  step('Making a certificate')
  if (!(await endOf(authority.certificate)))
    await makeAuthority({ place: authority, domains: [demoDomain], keyType: 'ecdsa', now })
  await makeServer({ authority, place: server, names, keyType: 'ecdsa', now })
}

async function endOf(certificate: string): Promise<Date | undefined> {
  const there = await readFile(certificate).then(() => true, missingIs(false))
  return there ? (await readFacts(certificate)).until : undefined
}

async function writeUsers({ directory, step }: DemoOptions, netrc: string): Promise<Demo['users']> {
  const file = join(directory, 'users')
  const text = await readFile(file, 'utf8').catch(missingIs(''))
  const lines = parsePasswdFile(text)
  const here = new Set(lines.map(({ line }) => line?.user))
  const added: string[] = []
  const made: { address: string; password: string | undefined }[] = []
  for (const { name, fullName } of users) {
    const address = `${name}@${demoDomain}`
    const password = here.has(address) ? undefined : newPassword()
    made.push({ address, password })
    if (password === undefined) continue
    step('Making users')
    added.push(formatLine(await newLine(address, password, fullName)))
  }
  const kept = [...lines]
  const reader = `${users[0].name}@${demoDomain}`
  const netrcThere = await readFile(netrc).then(() => true, missingIs(false))
  if (!netrcThere || !lines.some(({ line }) => line && isForCurl(line))) {
    const token = newPassword()
    const extra = new Map([
      ['postern_label', 'curl'],
      ['postern_protocols', 'imap,pop3'],
    ])
    added.push(formatLine({ ...(await newLine(reader, token)), extra }))
    for (const [i, { line }] of [...kept.entries()].reverse()) if (line && isForCurl(line)) kept.splice(i, 1)
    await writeAtomic(netrc, `machine localhost\nlogin ${reader}\npassword ${token}\n`, 0o600)
  }
  const whole = [...kept.map(each => each.text), ...added]
  if (added.length > 0) await writeAtomic(file, `${whole.join('\n')}\n`, 0o600)
  const aliases = join(directory, 'aliases')
  await appendFile(aliases, '', { mode: 0o600 })
  if ((await readFile(aliases, 'utf8')) === '') await writeFile(aliases, `postmaster: ${users[0].name}\n`)
  return made
}

function isForCurl(line: Line): boolean {
  return line.extra.get('postern_label') === 'curl'
}

async function newLine(user: string, password: string, gecos = ''): Promise<Line> {
  const stored = await makePassword('ARGON2ID', password)
  return { user, password: stored, uid: '', gid: '', gecos, home: '', shell: '', extra: new Map() }
}

/** Easy to type and to tell apart: four times four letters and digits, 80 bits. */
function newPassword(): string {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789'
  const group = () => Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('')
  return [group(), group(), group(), group()].join('-')
}

/** Makes the folders of both users; whoever has no mail at all yet gets the first message. */
async function writeMail({ directory, now, step }: DemoOptions): Promise<void> {
  for (const { name } of users) {
    const maildir = join(directory, 'home', demoDomain, name, 'Maildir')
    const isNew = (await readdir(maildir).catch(missingIs([]))).length === 0
    const account = await Account.open(maildir)
    account.close()
    if (!isNew) continue
    step('Making mailboxes')
    const delivery = await Delivery.begin(maildir)
    await delivery.write(Buffer.from(welcome(name, directory, now)))
    await delivery.commit()
  }
}

function welcome(name: string, directory: string, now: Date): string {
  const other = name === 'alice' ? 'bob' : 'alice'
  return `Return-Path: <postmaster@${demoDomain}>
Date: ${formatDate(now.getTime())}
From: Postern <postmaster@${demoDomain}>
To: ${name}@${demoDomain}
Subject: Welcome to Postern
Message-ID: <welcome-${name}-${now.getTime()}@${demoHost}>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Hello ${name},

this message stands in a file of its own, below
${join(directory, 'home', demoDomain, name, 'Maildir')}

Some things to try:

 - Write to ${other}@${demoDomain} and answer as ${other}. It never leaves this machine.
 - Leave a mail client open and copy a file into Maildir/new: it shows at once.
 - Read the same mail with mutt, mblaze or notmuch while the server runs.
 - Stop the suite with Ctrl-C and start it again: everything is still here.

How a message goes through the programs is told in postern(7); every key of the configuration in mail.toml(5).
`
}
