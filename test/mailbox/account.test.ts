import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Account } from '../../lib/mailbox/account.js'
import { MailboxError } from '../../lib/mailbox/folders.js'
import { BadName } from '../../lib/maildir/layout.js'
import { add, bareMaildir, flagsOf, freshRoot, openAccount, put, quiet } from './support.js'

const standard = ['INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash']
const trouble = (wanted: string) => (error: unknown) =>
  error instanceof MailboxError && error.trouble === wanted

test('a new account has the six folders, subscribed and tagged; a second opening changes nothing', async () => {
  const root = freshRoot()
  await Promise.all([openAccount(root), openAccount(root)])
  const account = await openAccount(root)
  assert.deepEqual(
    account
      .list()
      .map(({ name, subscribed, selectable, specialUse }) => [name, subscribed, selectable, specialUse]),
    [
      ['INBOX', true, true, undefined],
      ['Archive', true, true, '\\Archive'],
      ['Drafts', true, true, '\\Drafts'],
      ['Junk', true, true, '\\Junk'],
      ['Sent', true, true, '\\Sent'],
      ['Trash', true, true, '\\Trash'],
    ],
  )
  await account.unsubscribe('Junk')
  await openAccount(root)
  assert.ok(!account.subscriptions().includes('Junk'))
})

test('an account of another program gets what it lacks and keeps what it has', async () => {
  const root = bareMaildir()
  for (const name of ['.Sent', '.Arch&AOk-.Deep', '.plain', '..odd', '.INBOX', '.bad&name'])
    mkdirSync(join(root, name, 'cur'), { recursive: true })
  mkdirSync(join(root, '.nocur'))
  writeFileSync(join(root, '.file'), '')
  writeFileSync(join(root, 'subscriptions'), 'V\t2\n\nSent\n')
  const account = await openAccount(root)
  const all = account.list()
  assert.deepEqual(
    all.map(folder => folder.name),
    ['INBOX', 'Archive', 'Arché', 'Arché.Deep', 'Drafts', 'Junk', 'Sent', 'Trash', 'bad&name', 'plain'],
  )
  assert.deepEqual(
    all.filter(folder => !folder.selectable).map(folder => folder.name),
    ['Arché'],
  )
  assert.deepEqual(account.subscriptions(), ['Sent', 'Drafts', 'Junk', 'Trash', 'Archive'])
})

test('the UTF-8 layout is written where asked for', async () => {
  const account = await Account.open(freshRoot(), { log: quiet, layout: 'utf8' })
  await account.create('받은편지함.보관')
  assert.ok(existsSync(join(account.root, '.받은편지함.보관', 'cur')))
  assert.ok(account.has('받은편지함.보관'))
  const plain = await openAccount(account.root)
  assert.ok(plain.list().some(folder => folder.name === '받은편지함.보관' && folder.selectable))
  assert.ok(plain.has('받은편지함.보관'))
})

test('create() makes the folders above too, in modified UTF-7, and refuses what is there', async () => {
  const account = await openAccount(freshRoot())
  await account.create('Ä.B.C')
  for (const name of ['.&AMQ-', '.&AMQ-.B', '.&AMQ-.B.C'])
    assert.deepEqual(readdirSync(join(account.root, name)).sort(), ['cur', 'maildirfolder', 'new', 'tmp'])
  await assert.rejects(account.create('Ä.B'), trouble('alreadyExists'))
  await assert.rejects(account.create('inbox'), trouble('alreadyExists'))
})

const badNames = ['', '.', '..', 'a..b', '.a', 'a.', 'a/b', '../x', 'a\0b', 'a\nb', 'x'.repeat(300), '\ud800']
for (const name of badNames)
  test(`no mailbox can be called ${JSON.stringify(name).slice(0, 20)}`, async () => {
    const account = await openAccount(freshRoot())
    await assert.rejects(account.create(name), BadName)
    await assert.rejects(account.rename('Sent', name), BadName)
    await assert.rejects(account.open(name), BadName)
    assert.deepEqual(
      account.list().map(folder => folder.name),
      standard,
    )
  })

test('delete() refuses INBOX, what is not there, and what has folders below it', async () => {
  const account = await openAccount(freshRoot())
  await account.create('A.B')
  await assert.rejects(account.delete('INBOX'), trouble('cannot'))
  await assert.rejects(account.delete('X'), trouble('nonexistent'))
  await assert.rejects(account.delete('A'), trouble('hasChildren'))
  await account.delete('A.B')
  await account.delete('A')
  assert.deepEqual(
    account.list().map(folder => folder.name),
    standard,
  )
  assert.ok(!readdirSync(account.root).some(name => name.startsWith('..')))
})

test('rename() takes the folders below along; messages keep their UIDs', async () => {
  const account = await openAccount(freshRoot())
  await account.create('A.B')
  await account.create('AB')
  const before = await account.open('A.B')
  await add(before, 'x\r\n', ['Work'])
  await account.rename('A', 'New.Place')
  assert.deepEqual(
    account.list().map(folder => folder.name),
    ['INBOX', 'AB', 'Archive', 'Drafts', 'Junk', 'New', 'New.Place', 'New.Place.B', 'Sent', 'Trash'],
  )
  const after = await account.open('New.Place.B')
  assert.deepEqual(
    [flagsOf(after), after.uidValidity, after.guid],
    [{ 1: 'Work' }, before.uidValidity, before.guid],
  )
  await assert.rejects(account.rename('New', 'New.Place.Deeper'), trouble('cannot'))
  await assert.rejects(account.rename('New', 'Sent'), trouble('alreadyExists'))
  await assert.rejects(account.rename('New', 'Inbox'), trouble('alreadyExists'))
  await assert.rejects(account.rename('Nothing', 'Y'), trouble('nonexistent'))
  await account.close()
})

test('rename() of INBOX moves its messages out and leaves it there', async () => {
  const account = await openAccount(freshRoot())
  const inbox = await account.open('INBOX')
  await add(inbox, 'x\r\n', ['\\Seen'])
  put(account.root, 'new/1.M1P1.h')
  await account.create('INBOX.Below')
  await account.rename('inbox', 'Old')
  const old = await account.open('Old')
  assert.equal(old.count, 2)
  assert.equal(inbox.count, 0)
  assert.ok(account.has('INBOX.Below'))
  await account.close()
})

test('status() counts', async () => {
  const account = await openAccount(freshRoot())
  const inbox = await account.open('INBOX')
  await add(inbox, 'x\r\n', ['\\Seen', '\\Deleted'])
  await add(inbox)
  put(account.root, 'new/1.M1P1.h')
  const { messages, unseen, deleted, recent, uidNext, uidValidity, highestModseq } =
    await account.status('inbox')
  assert.deepEqual([messages, unseen, deleted, recent, uidNext], [3, 2, 1, 3, 4])
  assert.deepEqual([uidValidity, highestModseq], [inbox.uidValidity, inbox.highestModseq])
  assert.match(readFileSync(join(account.root, 'dovecot-uidlist'), 'latin1'), /\n3 :1\.M1P1\.h\n$/)
  await assert.rejects(account.status('X'), trouble('nonexistent'))
  await account.close()
})

test('what dead processes left in tmp/ of any mailbox goes when it is old enough', async () => {
  const root = bareMaildir()
  mkdirSync(join(root, '.Work', 'cur'), { recursive: true })
  mkdirSync(join(root, '.Work', 'tmp'))
  for (const path of ['tmp/old', '.Work/tmp/old']) {
    writeFileSync(join(root, path), 'half')
  }
  const hours = (count: number) => Date.now() + count * 3_600_000
  await (await Account.open(root, { log: quiet, clock: () => hours(35) })).close()
  assert.deepEqual(readdirSync(join(root, 'tmp')), ['old'])
  const other = bareMaildir()
  renameSync(root, `${other}/moved`)
  await (await Account.open(`${other}/moved`, { log: quiet, clock: () => hours(37) })).close()
  assert.deepEqual(readdirSync(join(`${other}/moved`, 'tmp')), [])
  assert.deepEqual(readdirSync(join(`${other}/moved`, '.Work', 'tmp')), [])
})

test('mailboxes that are deleted at the same time do not stand in each other’s way', async () => {
  const root = freshRoot()
  const account = await openAccount(root)
  const names = Array.from({ length: 12 }, (_, i) => `Work${i}`)
  for (const name of names) {
    await account.create(name)
    for (let i = 0; i < 5; i++)
      writeFileSync(join(root, `.${name}`, 'cur', `170000000${i}.M1P1.h:2,S`), 'x: y\n\n')
  }
  await Promise.all(names.map(name => account.delete(name)))
  assert.deepEqual(
    readdirSync(root).filter(name => /Work|TRASHED/.test(name)),
    [],
  )
})
