import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MailboxGone } from '../../lib/mailbox/state.js'
import {
  add,
  bareMaildir,
  elsewhere,
  files,
  flagsOf,
  freshRoot,
  openAccount,
  openInbox,
  put,
  rename,
  until,
} from './support.js'

test('a message that was removed and comes back from a backup is a new message', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,S', 'one\n')
  put(root, 'cur/2.M1P1.h:2,', 'two\n')
  const inbox = await openInbox(root)
  renameSync(join(root, 'cur/1.M1P1.h:2,S'), join(root, 'backup'))
  await until(inbox, () => inbox.count === 1)
  renameSync(join(root, 'backup'), join(root, 'cur/1.M1P1.h:2,S'))
  await until(inbox, () => inbox.count === 2)
  assert.deepEqual([...inbox.uids], [2, 3])
  assert.equal(inbox.read(3)?.toString(), 'one\n')
  const again = await elsewhere(root)
  assert.deepEqual([...again.uids], [2, 3])
  inbox.close()
})

test('a further link to a message in its own folder is removed; one in another folder is a message there', async () => {
  const account = await openAccount(freshRoot())
  const inbox = await account.open('INBOX')
  await add(inbox, 'x\r\n', ['\\Seen'])
  const [path] = files(inbox.directory)
  linkSync(join(inbox.directory, path!), join(inbox.directory, path!.replace(/:2,.*/, ':2,F')))
  const archive = await account.open('Archive')
  linkSync(join(inbox.directory, path!), join(archive.directory, path!))
  await until(inbox, () => files(inbox.directory).length === 1)
  assert.equal(inbox.count, 1)
  await until(archive, () => archive.count === 1)
  assert.deepEqual(flagsOf(archive), { 1: '\\Seen' })
  await account.close()
})

test('a message that another program moves to another folder goes here and comes there', async () => {
  const account = await openAccount(freshRoot())
  const [inbox, archive] = [await account.open('INBOX'), await account.open('Archive')]
  await add(inbox, 'a\r\n')
  await add(inbox, 'b\r\n')
  const [path] = files(inbox.directory)
  const text = readFileSync(join(inbox.directory, path!), 'utf8')
  renameSync(join(inbox.directory, path!), join(archive.directory, path!))
  await until(inbox, () => inbox.count === 1)
  await until(archive, () => archive.count === 1)
  assert.equal(archive.read(1)?.toString(), text)
  await account.close()
})

test('a flag that another program has set just now is removed all the same, and one that it removed is set', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,S', 'one\n')
  put(root, 'cur/2.M1P1.h:2,S', 'two\n')
  const inbox = await openInbox(root)
  rename(root, 'cur/1.M1P1.h:2,S', 'cur/1.M1P1.h:2,FS')
  rename(root, 'cur/2.M1P1.h:2,S', 'cur/2.M1P1.h:2,')
  await inbox.store([1], { mode: 'remove', flags: ['\\Flagged'] })
  await inbox.store([2], { mode: 'add', flags: ['\\Seen'] })
  assert.deepEqual(files(root), ['cur/1.M1P1.h:2,S', 'cur/2.M1P1.h:2,S'])
  inbox.close()
})

test('a file that is in new/ and in cur/ at once is one message, or two if they differ', async () => {
  const root = bareMaildir()
  put(root, 'new/1.M1P1.h', 'one\n')
  put(root, 'cur/1.M1P1.h:2,S', 'other\n')
  put(root, 'new/2.M1P1.h', 'two\n')
  linkSync(join(root, 'new/2.M1P1.h'), join(root, 'cur/2.M1P1.h:2,F'))
  const inbox = await openInbox(root)
  assert.equal(inbox.count, 3)
  const texts = [...inbox.uids].map(uid => inbox.read(uid)!.toString())
  assert.deepEqual(texts.sort(), ['one\n', 'other\n', 'two\n'])
  const view = await inbox.select()
  assert.equal(files(root).length, 3)
  view.close()
  inbox.close()
})

test('names that are no text, and entries that are no messages, harm nobody', async () => {
  const root = bareMaildir()
  writeFileSync(
    Buffer.concat([Buffer.from(`${root}/cur/1.M1P1.h`), Buffer.from([0xff, 0xe9]), Buffer.from(':2,')]),
    'x\n',
  )
  mkdirSync(join(root, 'cur', 'directory'))
  put(root, 'cur/.hidden')
  put(root, 'cur/:2,S')
  const inbox = await openInbox(root)
  assert.equal(inbox.count, 1)
  assert.equal(inbox.read(1)?.toString(), 'x\n')
  await inbox.store([1], { mode: 'add', flags: ['\\Seen'] })
  assert.deepEqual(flagsOf(inbox), { 1: '\\Seen' })
  const again = await elsewhere(root)
  assert.deepEqual(flagsOf(again), { 1: '\\Seen' })
  await again.remove([1])
  assert.equal(again.count, 0)
  inbox.close()
})

test('letters that nobody named are kept and not shown', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,Sdz')
  writeFileSync(join(root, 'dovecot-keywords'), '3 Named\n')
  const inbox = await openInbox(root)
  assert.deepEqual(flagsOf(inbox), { 1: 'Named \\Seen' })
  await inbox.store([1], { mode: 'add', flags: ['New'] })
  assert.deepEqual(files(root), ['cur/1.M1P1.h:2,Sadz'])
  writeFileSync(join(root, 'dovecot-keywords'), '0 New\n3 Named\n25 Late\n')
  await until(inbox, () => inbox.flags.includes('Late'))
  assert.deepEqual(flagsOf(inbox), { 1: 'Late Named New \\Seen' })
  inbox.close()
})

test('a letter that nobody named is given to no keyword while a message has it', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,a')
  put(root, 'cur/2.M1P1.h:2,')
  const inbox = await openInbox(root)
  await inbox.store([2], { mode: 'add', flags: ['Work'] })
  assert.deepEqual(flagsOf(inbox), { 1: '', 2: 'Work' })
  assert.deepEqual(files(root), ['cur/1.M1P1.h:2,a', 'cur/2.M1P1.h:2,b'])
  inbox.close()
})

test('a list of UIDs with another UIDVALIDITY ends the sessions; new ones see the new UIDs', async () => {
  const inbox = await openInbox(freshRoot())
  await add(inbox, 'x\r\n')
  const view = await inbox.select()
  const path = join(inbox.directory, 'dovecot-uidlist')
  const [, line] = readFileSync(path, 'latin1').split('\n')
  writeFileSync(`${path}.new`, `3 V7 N50 G${'a'.repeat(32)}\n${line!.replace('1 :', '40 :')}\n`)
  renameSync(`${path}.new`, path)
  await inbox.refresh()
  assert.throws(() => view.sync({ expunge: true }), MailboxGone)
  assert.deepEqual([[...inbox.uids], inbox.uidValidity, inbox.uidNext], [[40], 7, 50])
  const again = await inbox.select()
  assert.equal(again.count, 1)
  view.close()
  again.close()
  inbox.close()
})

test('a list that says other UIDs is followed: the old ones are gone, no UID is another message', async () => {
  const inbox = await openInbox(freshRoot())
  await add(inbox, 'a\r\n')
  await add(inbox, 'b\r\n')
  const view = await inbox.select()
  const path = join(inbox.directory, 'dovecot-uidlist')
  const [head, first, second] = readFileSync(path, 'latin1').split('\n')
  writeFileSync(`${path}.new`, `${head}\n${first}\n${second!.replace('2 :', '9 :')}\n`)
  renameSync(`${path}.new`, path)
  await inbox.refresh()
  assert.deepEqual([...inbox.uids], [1, 9])
  assert.equal(inbox.read(9)?.toString(), 'b\n')
  assert.deepEqual(
    view.sync({ expunge: true }).map(update => update.kind),
    ['expunge', 'exists'],
  )
  assert.ok(inbox.uidNext > 9)
  view.close()
  inbox.close()
})

test('a mailbox that another program deletes and makes anew is another one, and has no UIDs of the old one', async () => {
  const account = await openAccount(freshRoot())
  await account.create('Temp')
  const old = await account.open('Temp')
  await add(old, 'old\r\n')
  rmSync(old.directory, { recursive: true })
  // As Dovecot makes one: the list of UIDs comes when somebody looks into it.
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(old.directory, part), { recursive: true })
  const fresh = await account.open('Temp')
  assert.equal(fresh.count, 0)
  assert.notEqual(fresh.uidValidity, old.uidValidity)
  await add(fresh, 'new\r\n')
  await assert.rejects(async () => add(old, 'for the old one\r\n'), MailboxGone)
  assert.equal(fresh.count, 1)
  await account.close()
})

test('a folder that lacks new/ and tmp/ gets them', async () => {
  const account = await openAccount(freshRoot())
  mkdirSync(join(account.root, '.Half', 'cur'), { recursive: true })
  put(join(account.root, '.Half'), 'cur/1.M1P1.h:2,')
  const half = await account.open('Half')
  const inbox = await account.open('INBOX')
  await add(inbox)
  rmSync(join(half.directory, 'tmp'), { recursive: true })
  assert.deepEqual((await inbox.copy([1], half)).targets, [2])
  assert.equal(half.count, 2)
  assert.ok(existsSync(join(half.directory, 'new')))
  await account.close()
})

test('a torn last line of the list costs its message nothing but its UID', async () => {
  const root = bareMaildir()
  for (const i of [1, 2, 3]) put(root, `cur/${i}.M1P1.h:2,`)
  const first = await elsewhere(root)
  const path = join(root, 'dovecot-uidlist')
  writeFileSync(path, readFileSync(path, 'latin1').slice(0, -4))
  await first.refresh()
  // Who knew it writes it again.
  assert.deepEqual([...first.uids], [1, 2, 3])
  writeFileSync(path, readFileSync(path, 'latin1').slice(0, -4))
  for (const name of ['postern.index', 'postern.journal']) rmSync(join(root, name))
  const second = await elsewhere(root)
  assert.deepEqual([...second.uids], [1, 2, 4])
  copyFileSync(path, `${path}.copy`)
  appendFileSync(path, 'nonsense\n')
  const third = await elsewhere(root)
  assert.deepEqual([...third.uids], [1, 2, 4])
  assert.equal(
    readFileSync(path, 'latin1').replace(/N\d+/, ''),
    readFileSync(`${path}.copy`, 'latin1').replace(/N\d+/, ''),
  )
})

test('other sessions go on while one changes many messages', async () => {
  const root = bareMaildir()
  for (let i = 0; i < 4000; i++) put(root, `cur/${1_000_000 + i}.M1P1.h:2,`)
  const inbox = await openInbox(root)
  const other = await elsewhere(root)
  const view = await inbox.select()
  let turns = 0
  let ended = false
  const counting = (async () => {
    while (!ended) {
      await new Promise(resolve => setImmediate(resolve))
      await inbox.refresh()
      view.sync({ expunge: true })
      turns++
    }
  })()
  await inbox.store(inbox.uids.slice(), { mode: 'add', flags: ['\\Seen'] })
  ended = true
  await counting
  assert.ok(turns > 1)
  await other.refresh()
  assert.equal(other.unseenCount, 0)
  rename(root, 'cur/1000000.M1P1.h:2,S', 'cur/1000000.M1P1.h:2,')
  await until(inbox, () => inbox.unseenCount === 1)
  assert.equal((await inbox.remove(inbox.uids.slice())).length, 4000)
  await until(other, () => other.count === 0)
  view.close()
  inbox.close()
})
