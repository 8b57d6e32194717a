import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { keepMailboxes } from '../../lib/mailbox/memory.js'
import {
  add,
  bareMaildir,
  elsewhere,
  flagsOf,
  freshRoot,
  modseqsOf,
  openInbox,
  put,
  rename,
} from './support.js'

test('another process sees flags, arrivals and removals with their MODSEQs', async () => {
  const ours = await openInbox(freshRoot())
  await add(ours)
  const theirs = await elsewhere(ours.directory)
  assert.deepEqual(modseqsOf(theirs), modseqsOf(ours))
  await add(ours, 'b\r\n', ['Work'])
  await ours.store([1], { mode: 'add', flags: ['\\Seen'] })
  await theirs.refresh()
  assert.deepEqual(flagsOf(theirs), { 1: '\\Seen', 2: 'Work' })
  assert.deepEqual(modseqsOf(theirs), modseqsOf(ours))
  await theirs.remove([1])
  await theirs.store([2], { mode: 'add', flags: ['\\Flagged'] })
  await ours.refresh()
  assert.deepEqual(flagsOf(ours), { 2: 'Work \\Flagged' })
  assert.deepEqual(modseqsOf(ours), modseqsOf(theirs))
  assert.equal(ours.highestModseq, theirs.highestModseq)
  assert.deepEqual(ours.goneSince(0), undefined)
  ours.close()
})

test('what is gone since a MODSEQ is known to other processes and after a restart', async () => {
  const ours = await openInbox(freshRoot())
  for (let i = 0; i < 4; i++) await add(ours)
  const start = ours.highestModseq
  await ours.remove([2])
  const middle = ours.highestModseq
  await ours.remove([1, 3])
  const again = await elsewhere(ours.directory)
  for (const mailbox of [ours, again]) {
    assert.deepEqual(mailbox.goneSince(start), [1, 2, 3])
    assert.deepEqual(mailbox.goneSince(middle), [1, 3])
    assert.deepEqual(mailbox.goneSince(mailbox.highestModseq), [])
    assert.equal(mailbox.goneSince(1), undefined)
  }
  ours.close()
})

test('the snapshot and the journal bring back MODSEQs, recent, dates and keywords without letters', async () => {
  const ours = await openInbox(freshRoot())
  const keywords = Array.from({ length: 30 }, (_, i) => `k${i}`)
  await add(ours, 'a\r\n', keywords, Date.UTC(2001, 1, 1))
  await add(ours)
  await ours.store([2], { mode: 'add', flags: ['k29', '\\Seen'] })
  const view = await ours.select()
  assert.equal(view.recentCount, 2)
  await keepMailboxes()
  const kept = await elsewhere(ours.directory)
  assert.equal((await kept.select()).recentCount, 0)
  await ours.store([2], { mode: 'remove', flags: ['k29'] })
  await ours.store([1], { mode: 'replace', flags: ['k28', '\\Seen'] })
  const again = await elsewhere(ours.directory)
  for (const mailbox of [ours, kept, again]) {
    await mailbox.refresh()
    assert.deepEqual(flagsOf(mailbox), { 1: '\\Seen k28', 2: '\\Seen' })
    assert.deepEqual(modseqsOf(mailbox), modseqsOf(ours))
    assert.equal(mailbox.date(1), Date.UTC(2001, 1, 1))
  }
  view.close()
  ours.close()
})

const damages: readonly [string, (directory: string) => void][] = [
  ['journal removed', at => rmSync(join(at, 'postern.journal'))],
  ['index removed', at => rmSync(join(at, 'postern.index'))],
  [
    'both removed',
    at => {
      rmSync(join(at, 'postern.journal'))
      rmSync(join(at, 'postern.index'))
    },
  ],
  ['journal empty', at => truncateSync(join(at, 'postern.journal'), 0)],
  ['journal without its end', at => cut(join(at, 'postern.journal'), 3)],
  ['journal with a wrong octet', at => spoil(join(at, 'postern.journal'), 60)],
  ['journal with a wrong header', at => spoil(join(at, 'postern.journal'), 12)],
  ['index empty', at => truncateSync(join(at, 'postern.index'), 0)],
  ['index without its end', at => cut(join(at, 'postern.index'), 1)],
  ['index with a wrong octet', at => spoil(join(at, 'postern.index'), 200)],
  ['index of another journal', at => spoil(join(at, 'postern.index'), 14)],
]

function cut(path: string, octets: number): void {
  truncateSync(path, statSync(path).size - octets)
}

function spoil(path: string, at: number): void {
  const octets = readFileSync(path)
  octets[at]! ^= 0x55
  writeFileSync(path, octets)
}

for (const [what, damage] of damages)
  test(`${what}: nothing but time is lost, for sessions that run and for new ones`, async () => {
    const ours = await openInbox(freshRoot())
    for (let i = 0; i < 3; i++) await add(ours, `${i}\r\n`, ['\\Seen'])
    await ours.store([2], { mode: 'add', flags: ['Work'] })
    const theirs = await elsewhere(ours.directory)
    const highest = ours.highestModseq
    damage(ours.directory)
    const fresh = await elsewhere(ours.directory)
    const all = { 1: '\\Seen', 2: 'Work \\Seen', 3: '\\Seen' }
    for (const mailbox of [fresh, ours, theirs]) {
      await mailbox.refresh()
      assert.deepEqual(flagsOf(mailbox), all)
      assert.equal(mailbox.uidNext, 4)
    }
    await theirs.store([1], { mode: 'remove', flags: ['\\Seen'] })
    assert.ok(theirs.message(1)!.modseq > highest)
    await fresh.remove([3])
    await add(ours)
    for (const mailbox of [fresh, ours, theirs]) {
      await mailbox.refresh()
      assert.deepEqual(flagsOf(mailbox), { 1: '', 2: 'Work \\Seen', 4: '' })
      assert.ok(mailbox.highestModseq > highest)
    }
    const late = await elsewhere(ours.directory)
    assert.deepEqual(flagsOf(late), flagsOf(ours))
    assert.ok(late.highestModseq >= ours.highestModseq)
    ours.close()
  })

test('the journal is folded into a snapshot and does not grow for ever', async () => {
  const ours = await openInbox(freshRoot())
  for (let i = 0; i < 50; i++) await add(ours)
  const theirs = await elsewhere(ours.directory)
  const uids = [...ours.uids]
  for (let i = 0; i < 800; i++) {
    await ours.store(uids, { mode: i % 2 ? 'add' : 'remove', flags: ['\\Seen', `k${i % 7}`] })
    if (i % 100 === 50) await theirs.refresh()
  }
  assert.ok(statSync(join(ours.directory, 'postern.journal')).size < 300_000)
  await theirs.refresh()
  assert.deepEqual(modseqsOf(theirs), modseqsOf(ours))
  const again = await elsewhere(ours.directory)
  assert.deepEqual(modseqsOf(again), modseqsOf(ours))
  ours.close()
})

test('MODSEQs rise although the clock stands still, or the index is lost', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,')
  const now = Date.UTC(2030, 1, 1)
  const first = await elsewhere(root, () => now)
  await first.store([1], { mode: 'add', flags: ['\\Seen'] })
  await first.store([1], { mode: 'remove', flags: ['\\Seen'] })
  assert.ok(first.highestModseq > now * 1000)
  rmSync(join(root, 'postern.index'))
  rmSync(join(root, 'postern.journal'))
  const second = await elsewhere(root, () => now + 1)
  assert.ok(second.highestModseq > first.highestModseq)
})

test('flags that another program sets while nobody looks get a MODSEQ when they are seen', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,')
  put(root, 'cur/2.M1P1.h:2,')
  const first = await elsewhere(root)
  const before = first.highestModseq
  rename(root, 'cur/1.M1P1.h:2,', 'cur/1.M1P1.h:2,S')
  const second = await elsewhere(root)
  assert.ok(second.message(1)!.modseq > before)
  assert.equal(second.message(2)!.modseq, first.message(2)!.modseq)
})

test('a list of UIDs that was removed comes back as it was', async () => {
  const ours = await openInbox(freshRoot())
  for (let i = 0; i < 3; i++) await add(ours)
  await ours.remove([1])
  const { uidValidity, guid } = ours
  const path = join(ours.directory, 'dovecot-uidlist')
  rmSync(path)
  await ours.refresh()
  assert.ok(existsSync(path))
  await keepMailboxes()
  rmSync(path)
  const again = await elsewhere(ours.directory)
  assert.deepEqual([[...again.uids], again.uidValidity, again.guid], [[2, 3], uidValidity, guid])
  assert.ok(again.uidNext > 4)
  ours.close()
})
