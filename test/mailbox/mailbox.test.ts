import assert from 'node:assert/strict'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  add,
  bareMaildir,
  files,
  flagsOf,
  freshRoot,
  openAccount,
  openInbox,
  put,
  rename,
  until,
} from './support.js'

test('append() gives UIDs in order, keeps flags, keywords and date, and reads back the octets', async () => {
  const inbox = await openInbox(freshRoot())
  assert.equal(inbox.uidNext, 1)
  const date = Date.UTC(2008, 0, 2, 3, 4, 5)
  assert.equal(await add(inbox, 'Subject: a\r\n\r\nA\r\n', ['\\Seen', 'Work'], date), 1)
  assert.equal(await add(inbox), 2)
  assert.deepEqual(flagsOf(inbox), { 1: 'Work \\Seen', 2: '' })
  assert.equal(inbox.read(1)?.toString(), 'Subject: a\n\nA\n')
  assert.deepEqual([inbox.storedSize(1), inbox.size(1), inbox.date(1)], [14, 17, date])
  assert.equal(inbox.uidNext, 3)
  const list = readFileSync(join(inbox.directory, 'dovecot-uidlist'), 'latin1')
  assert.match(list, /^3 V\d+ N\d+ G[0-9a-f]{32}\n1 :\d+\.M\d+P\d+\.\S+,S=14,W=17\n2 :\S+\n$/)
  assert.equal(readFileSync(join(inbox.directory, 'dovecot-keywords'), 'latin1'), '0 Work\n')
  assert.match(files(inbox.directory).join(), /cur\/\S+,W=17:2,Sa/)
  inbox.close()
})

test('several messages are appended together or not at all', async () => {
  const inbox = await openInbox(freshRoot())
  const [a, b] = [await inbox.begin(), await inbox.begin()]
  await a.write(Buffer.from('a'))
  await b.write(Buffer.from('b'))
  await b.abort()
  await assert.rejects(
    inbox.append([
      { delivery: a, flags: [] },
      { delivery: b, flags: [] },
    ]),
  )
  assert.deepEqual(files(inbox.directory), [])
  assert.equal(inbox.count, 0)
  const uids = await Promise.all(Array.from({ length: 20 }, (_, i) => add(inbox, `${i}\r\n`)))
  assert.deepEqual(
    uids.sort((x, y) => x - y),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  for (const uid of uids) assert.match(inbox.read(uid)!.toString(), /^\d+\n$/)
  inbox.close()
})

test('foreign deliveries get UIDs in the order of their names; select() moves them to cur/, examine does not', async () => {
  const root = bareMaildir()
  put(root, 'new/1000000002.M1P1.h')
  put(root, 'new/1000000001.M2P1.h')
  put(root, 'cur/1000000000.M1P1.h:2,FS')
  const inbox = await openInbox(root)
  const examined = await inbox.select({ readOnly: true })
  assert.equal(examined.recentCount, 2)
  assert.equal(files(root).filter(name => name.startsWith('new/')).length, 2)
  const selected = await inbox.select()
  const other = await inbox.select()
  assert.deepEqual([selected.recentCount, other.recentCount], [2, 0])
  assert.deepEqual(files(root), [
    'cur/1000000000.M1P1.h:2,FS',
    'cur/1000000001.M2P1.h:2,',
    'cur/1000000002.M1P1.h:2,',
  ])
  assert.deepEqual(flagsOf(inbox), { 1: '\\Flagged \\Seen', 2: '', 3: '' })
  assert.equal(inbox.size(1), 20)
  for (const view of [examined, selected, other]) view.close()
  inbox.close()
})

test('store() changes flags relative to what another program set meanwhile', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,S')
  const inbox = await openInbox(root)
  rename(root, 'cur/1.M1P1.h:2,S', 'cur/1.M1P1.h:2,RSX')
  const { changed } = await inbox.store([1, 99], { mode: 'add', flags: ['\\Flagged', 'Later'] })
  assert.deepEqual(changed, [1])
  assert.deepEqual(files(root), ['cur/1.M1P1.h:2,FRSXa'])
  await inbox.store([1], { mode: 'remove', flags: ['\\seen', 'later', 'never'] })
  assert.deepEqual(files(root), ['cur/1.M1P1.h:2,FRX'])
  await inbox.store([1], { mode: 'replace', flags: ['\\Draft'] })
  assert.deepEqual(files(root), ['cur/1.M1P1.h:2,DX'])
  inbox.close()
})

test('store() of what messages have already waits for nobody', async () => {
  const root = bareMaildir()
  for (const name of ['1.M1P1.h', '2.M1P1.h']) put(root, `cur/${name}:2,`)
  const inbox = await openInbox(root)
  await inbox.store([1, 2], { mode: 'add', flags: ['\\Flagged', 'Later'] })
  writeFileSync(join(root, 'dovecot-uidlist.lock'), `${process.ppid}:${hostname()}`)
  for (const [mode, flags] of [
    ['add', ['\\Flagged', 'later']],
    ['remove', ['\\Seen']],
    ['replace', ['Later', '\\Flagged']],
  ] as const)
    assert.deepEqual(await inbox.store([1, 2], { mode, flags }), { changed: [], modified: [], gone: [] })
  rmSync(join(root, 'dovecot-uidlist.lock'))
  inbox.close()
})

test('store() with unchangedSince leaves alone what changed since', async () => {
  const inbox = await openInbox(freshRoot())
  await add(inbox)
  await add(inbox)
  const before = inbox.highestModseq
  await inbox.store([2], { mode: 'add', flags: ['\\Seen'] })
  const result = await inbox.store([1, 2], { mode: 'add', flags: ['\\Flagged'] }, { unchangedSince: before })
  assert.deepEqual(result, { changed: [1], modified: [2], gone: [] })
  assert.ok(inbox.message(1)!.modseq > before)
  assert.equal(inbox.highestModseq, inbox.message(1)!.modseq)
  inbox.close()
})

test('expunge() removes what is \\Deleted, remove() what it is told to', async () => {
  const inbox = await openInbox(freshRoot())
  for (let i = 0; i < 5; i++) await add(inbox, `${i}\r\n`)
  await inbox.store([2, 4, 5], { mode: 'add', flags: ['\\Deleted'] })
  assert.deepEqual(await inbox.expunge([1, 2, 4]), [2, 4])
  assert.deepEqual([...inbox.uids], [1, 3, 5])
  assert.deepEqual(await inbox.remove([1]), [1])
  assert.deepEqual(await inbox.expunge(), [5])
  assert.equal(files(inbox.directory).length, 1)
  assert.equal(await add(inbox), 6)
  inbox.close()
})

test('copy() and move() keep flags, keywords and dates', async () => {
  const account = await openAccount(freshRoot())
  const [inbox, archive] = [await account.open('INBOX'), await account.open('Archive')]
  const date = Date.UTC(2001, 1, 2)
  await add(inbox, 'a\r\n', ['\\Seen', 'One'], date)
  await add(inbox, 'b\r\n', ['Two'])
  const copied = await inbox.copy([2, 1, 77], archive)
  assert.deepEqual(
    [copied.sources, copied.targets],
    [
      [2, 1],
      [1, 2],
    ],
  )
  assert.equal(copied.validity, archive.uidValidity)
  assert.deepEqual(flagsOf(archive), { 1: 'Two', 2: 'One \\Seen' })
  assert.equal(archive.date(2), date)
  assert.equal(inbox.count, 2)
  const moved = await inbox.move([1], archive)
  assert.deepEqual(moved.targets, [3])
  assert.deepEqual([...inbox.uids], [2])
  assert.equal(archive.read(3)?.toString(), 'a\n')
  await account.close()
})

test('move() renames the files: the same inode, no second one; one renamed meanwhile comes along', async () => {
  const account = await openAccount(freshRoot())
  const [inbox, archive] = [await account.open('INBOX'), await account.open('Archive')]
  for (let i = 0; i < 3; i++) await add(inbox, `${i}\r\n`, ['Work'])
  const before = files(inbox.directory).map(path => statSync(join(inbox.directory, path)).ino)
  const [second = ''] = files(inbox.directory)
    .filter(path => path.startsWith('cur/'))
    .slice(1)
  const moved = await inbox.move([1, 3], archive)
  assert.deepEqual(
    [moved.sources, moved.targets],
    [
      [1, 3],
      [1, 2],
    ],
  )
  const after = files(archive.directory).map(path => statSync(join(archive.directory, path)).ino)
  assert.ok(after.every(ino => before.includes(ino)))
  assert.deepEqual(files(inbox.directory), [second])
  assert.deepEqual(flagsOf(archive), { 1: 'Work', 2: 'Work' })
  assert.equal(inbox.count, 1)
  rename(inbox.directory, second, `${second}S`)
  assert.deepEqual((await inbox.move([2], archive)).targets, [3])
  await Promise.all([inbox.refresh(), archive.refresh()])
  assert.deepEqual([inbox.count, archive.count, archive.read(3)?.toString()], [0, 3, '1\n'])
  await account.close()
})

test('a message renamed under our hands is read all the same; one removed is undefined', async () => {
  const root = bareMaildir()
  put(root, 'new/1.M1P1.h', 'one\n')
  put(root, 'cur/2.M1P1.h:2,', 'two\n')
  const inbox = await openInbox(root)
  rename(root, 'new/1.M1P1.h', 'cur/1.M1P1.h:2,S')
  assert.equal(inbox.read(1)?.toString(), 'one\n')
  rmSync(join(root, 'cur/2.M1P1.h:2,'))
  assert.equal(inbox.read(2), undefined)
  assert.equal(inbox.size(2), undefined)
  await until(inbox, () => inbox.count === 1)
  assert.deepEqual(flagsOf(inbox), { 1: '\\Seen' })
  inbox.close()
})

test('a copy with the same unique name becomes a message of its own; a link does not', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,S', 'one\n')
  const inbox = await openInbox(root)
  put(root, 'cur/1.M1P1.h:2,', 'other\n')
  await until(inbox, () => inbox.count === 2)
  assert.deepEqual([...inbox.uids], [1, 2])
  assert.deepEqual([1, 2].map(uid => inbox.read(uid)!.toString()).sort(), ['one\n', 'other\n'])
  assert.equal(files(root).length, 2)
  inbox.close()
})

test('wrong sizes in a name do not matter', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h,S=9999,W=99:2,S', 'one\ntwo\n')
  put(root, 'cur/2.M1P1.h,S=1,W=1:2,S', 'one\ntwo\n')
  const account = await openAccount(root)
  const inbox = await account.open('INBOX')
  assert.equal(inbox.read(1)?.toString(), 'one\ntwo\n')
  assert.deepEqual([inbox.size(1), inbox.storedSize(1)], [10, 8])
  const archive = await account.open('Archive')
  await inbox.copy([2], archive)
  assert.doesNotMatch(files(archive.directory).join(), /S=1|W=1/)
  await account.close()
})

test('messages appended at once, each with a keyword of its own, get different letters', async () => {
  const inbox = await openInbox(freshRoot())
  const uids = await Promise.all(
    Array.from({ length: 12 }, (_, i) => add(inbox, `${i}\r\n`, [`keyword${i}`, '\\Seen'])),
  )
  for (const [i, uid] of uids.entries()) {
    assert.deepEqual(inbox.message(uid)?.flags, ['\\Seen', `keyword${i}`])
    assert.equal(inbox.read(uid)?.toString(), `${i}\n`)
  }
  inbox.close()
})

test('one that cannot be appended does not keep others from it', async () => {
  const inbox = await openInbox(freshRoot())
  const [good, bad] = [await inbox.begin(), await inbox.begin()]
  await good.write(Buffer.from('good'))
  const outcomes = [good, bad].map(delivery => inbox.append([{ delivery, flags: [] }]))
  await bad.abort()
  const results = await Promise.allSettled(outcomes)
  assert.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'rejected'],
  )
  assert.deepEqual([...inbox.uids], [1])
  assert.equal(files(inbox.directory).length, 1)
  inbox.close()
})
