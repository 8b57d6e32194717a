import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { MailboxGone } from '../../lib/mailbox/state.js'
import type { Update, View } from '../../lib/mailbox/view.js'
import {
  add,
  bareMaildir,
  elsewhere,
  files,
  freshRoot,
  openAccount,
  openInbox,
  put,
  until,
} from './support.js'

const short = (updates: readonly Update[]) =>
  updates.map(update => {
    if (update.kind === 'expunge') return `-${update.seq}`
    if (update.kind === 'flags') return `${update.seq} ${update.flags.join(' ')}`
    return `${update.kind} ${update.count}`
  })

test('a session hears of flags, arrivals and removals of another, in an order that may be sent', async () => {
  const inbox = await openInbox(freshRoot())
  for (let i = 0; i < 5; i++) await add(inbox)
  const [one, two] = [await inbox.select(), await inbox.select()]
  assert.deepEqual(one.sync({ expunge: true }), [])
  await inbox.store([1, 3, 5], { mode: 'add', flags: ['\\Seen'] }, { by: two })
  await inbox.remove([2, 4])
  await add(inbox)
  assert.ok(one.hasNews)
  assert.deepEqual(short(one.sync({ expunge: true })), [
    '-4',
    '-2',
    'exists 4',
    'recent 4',
    '1 \\Seen',
    '2 \\Seen',
    '3 \\Seen',
  ])
  assert.ok(!one.hasNews)
  assert.deepEqual([...one.uids], [1, 3, 5, 6])
  assert.deepEqual(short(two.sync({ expunge: true })), ['-4', '-2', 'exists 4'])
  one.close()
  two.close()
  inbox.close()
})

test('where removals may not be told, numbers stay, and new messages come after them', async () => {
  const inbox = await openInbox(freshRoot())
  for (let i = 0; i < 3; i++) await add(inbox)
  const view = await inbox.select()
  await inbox.remove([2])
  await add(inbox)
  await inbox.store([3], { mode: 'add', flags: ['\\Flagged'] })
  assert.deepEqual(short(view.sync({ expunge: false })), ['exists 4', 'recent 4', '3 \\Flagged'])
  assert.deepEqual([view.seqOf(2), view.seqOf(3), view.uidAt(4), view.uidAt(5)], [2, 3, 4, 0])
  assert.equal(inbox.message(2), undefined)
  await inbox.remove([4])
  await add(inbox)
  assert.deepEqual(short(view.sync({ expunge: false })), ['exists 5', 'recent 5'])
  assert.deepEqual(short(view.sync({ expunge: true })), ['-4', '-2', 'recent 3'])
  assert.deepEqual([...view.uids], [1, 3, 5])
  view.close()
  inbox.close()
})

test('exactly one session that writes has a message as \\Recent, also among processes', async () => {
  const root = bareMaildir()
  for (const i of [1, 2, 3]) put(root, `new/${i}.M1P1.h`)
  const inbox = await openInbox(root)
  const other = await elsewhere(inbox.directory)
  const reader = await inbox.select({ readOnly: true })
  const views: View[] = [await inbox.select(), await other.select(), await inbox.select()]
  assert.equal(reader.recentCount, 3)
  assert.deepEqual(
    views.map(view => view.recentCount),
    [3, 0, 0],
  )
  put(root, 'new/4.M1P1.h')
  await until(other, () => other.count === 4)
  await until(inbox, () => inbox.count === 4)
  assert.deepEqual(short(views[2]!.sync({ expunge: true })), ['exists 4', 'recent 1'])
  assert.deepEqual(short(views[0]!.sync({ expunge: true })), ['exists 4'])
  assert.equal(files(root).filter(name => name.startsWith('new/')).length, 0)
  for (const view of [reader, ...views]) view.close()
  inbox.close()
})

test('uidsBetween() gives the told UIDs of a range', async () => {
  const inbox = await openInbox(freshRoot())
  for (let i = 0; i < 6; i++) await add(inbox)
  await inbox.remove([3])
  const view = await inbox.select()
  assert.deepEqual([...view.uidsBetween(2, 5)], [2, 4, 5])
  assert.deepEqual([...view.uidsBetween(3, 3)], [])
  assert.deepEqual([...view.uidsBetween(6, 4294967295)], [6])
  view.close()
  inbox.close()
})

test('a mailbox that is deleted, or changes its UIDVALIDITY, ends its sessions', async () => {
  const account = await openAccount(freshRoot())
  await account.create('Gone')
  const gone = await account.open('Gone')
  const view = await gone.select()
  await account.delete('Gone')
  assert.throws(() => view.sync({ expunge: true }), MailboxGone)
  await assert.rejects(gone.refresh(), MailboxGone)
  await account.create('Gone')
  const again = await account.open('Gone')
  assert.notEqual(again.uidValidity, gone.uidValidity)
  const second = await again.select()
  rmSync(join(again.directory), { recursive: true })
  await assert.rejects(again.refresh(), MailboxGone)
  assert.throws(() => second.sync({ expunge: true }), MailboxGone)
  await account.close()
})

test('watching tells of changes by other programs', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.M1P1.h:2,')
  const inbox = await openInbox(root)
  const view = await inbox.select()
  // Watching keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  const told = (wanted: () => boolean) =>
    new Promise<void>(resolve => {
      const end = inbox.onChange(() => {
        if (!wanted()) return
        end()
        resolve()
      })
    })
  const arrival = told(() => inbox.count === 2)
  put(root, 'new/2.M1P1.h')
  await arrival
  const removal = told(() => inbox.count === 1)
  rmSync(join(root, 'cur/1.M1P1.h:2,'))
  await removal
  clearInterval(alive)
  assert.deepEqual(short(view.sync({ expunge: true })), ['-1', 'exists 1', 'recent 1'])
  view.close()
  inbox.close()
})

/** What a client knows that does as it is told. */
class Client {
  readonly view: View
  uids: number[]
  constructor(view: View) {
    this.view = view
    this.uids = [...view.uids]
  }

  hear(expunge: boolean): void {
    for (const update of this.view.sync({ expunge })) {
      if (update.kind === 'expunge') {
        assert.equal(this.uids[update.seq - 1], update.uid)
        this.uids.splice(update.seq - 1, 1)
      } else if (update.kind === 'exists') {
        assert.ok(update.count > this.uids.length)
        this.uids = [...this.uids, ...this.view.uids.subarray(this.uids.length)]
        assert.equal(this.uids.length, update.count)
      } else if (update.kind === 'flags') assert.equal(this.uids[update.seq - 1], update.uid)
    }
    assert.deepEqual(this.uids, [...this.view.uids])
  }
}

test('clients that do as they are told always count what the view counts', async () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'remove', 'flag', 'hear', 'hearAll'),
    who: fc.nat(2),
    pick: fc.nat(20),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async steps => {
      const inbox = await openInbox(freshRoot())
      for (let i = 0; i < 4; i++) await add(inbox)
      const clients = [
        new Client(await inbox.select()),
        new Client(await inbox.select()),
        new Client(await inbox.select({ readOnly: true })),
      ]
      for (const { what, who, pick } of steps) {
        const uid = inbox.uids[pick % Math.max(1, inbox.count)] ?? 0
        if (what === 'add') await add(inbox)
        else if (what === 'remove') await inbox.remove([uid])
        else if (what === 'flag')
          await inbox.store(
            [uid],
            { mode: pick % 2 ? 'add' : 'remove', flags: ['\\Seen'] },
            { by: clients[who]!.view },
          )
        else clients[who]!.hear(what === 'hearAll')
      }
      for (const client of clients) {
        client.hear(true)
        assert.deepEqual(client.uids, [...inbox.uids])
        client.view.close()
      }
      inbox.close()
    }),
    { numRuns: 20 },
  )
})
