/** A Maildir of a test's own, and another program that changes it. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Account } from '../../lib/mailbox/account.js'
import { Mailbox } from '../../lib/mailbox/mailbox.js'
import { State } from '../../lib/mailbox/state.js'
import { Log } from '../../lib/sys/log.js'

const world = mkdtempSync(join(tmpdir(), 'postern-mailbox-'))
after(() => rmSync(world, { recursive: true, force: true }))
let count = 0

/** A path that is free. */
export function freshRoot(): string {
  const home = join(world, `u${++count}`)
  mkdirSync(home)
  return join(home, 'Maildir')
}

/** A Maildir with cur, new and tmp and nothing else. */
export function bareMaildir(): string {
  const root = freshRoot()
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(root, part), { recursive: true })
  return root
}

/** Puts a file into a Maildir as a foreign program would. */
export function put(maildir: string, path: string, content = 'Subject: x\n\nbody\n', date?: number): void {
  writeFileSync(join(maildir, path), content)
  if (date !== undefined) utimesSync(join(maildir, path), date / 1000, date / 1000)
}

export function rename(maildir: string, from: string, to: string): void {
  renameSync(join(maildir, from), join(maildir, to))
}

/** Names in cur/ and new/. */
export function files(maildir: string): string[] {
  return ['cur', 'new']
    .flatMap(part => readdirSync(join(maildir, part)).map(name => `${part}/${name}`))
    .sort()
}

export const quiet = new Log({ write: () => {} })

export function openAccount(root: string): Promise<Account> {
  return Account.open(root, { log: quiet })
}

export async function openInbox(root: string): Promise<Mailbox> {
  return (await openAccount(root)).open('INBOX')
}

/** Appends a message and gives its UID. */
export async function add(
  mailbox: Mailbox,
  text = 'Subject: x\r\n\r\nbody\r\n',
  flags: string[] = [],
  date?: number,
) {
  const delivery = await mailbox.begin()
  await delivery.write(Buffer.from(text))
  const [uid] = await mailbox.append([{ delivery, flags, ...(date === undefined ? {} : { date }) }])
  return uid!
}

/** Refreshes until a condition holds. What never holds fails the test by its time limit. */
export async function until(mailbox: Mailbox, condition: () => boolean): Promise<void> {
  for (;;) {
    await mailbox.refresh()
    if (condition()) return
    await new Promise(resolve => setTimeout(resolve, 3))
  }
}

/** UID to flags of all messages. */
export function flagsOf(mailbox: Mailbox): Record<number, string> {
  return Object.fromEntries(
    [...mailbox.uids].map(uid => [uid, [...mailbox.message(uid)!.flags].sort().join(' ')]),
  )
}

/** The mailbox as another process of ours has it: nothing in memory is shared. */
export async function elsewhere(directory: string, clock: () => number = Date.now): Promise<Mailbox> {
  const state = new State({ name: 'INBOX', root: directory, directory, log: quiet, clock })
  const mailbox = new Mailbox(state, () => {})
  await mailbox.refresh()
  return mailbox
}

/** UID to MODSEQ of all messages. */
export function modseqsOf(mailbox: Mailbox): Record<number, number> {
  return Object.fromEntries([...mailbox.uids].map(uid => [uid, mailbox.message(uid)!.modseq]))
}
