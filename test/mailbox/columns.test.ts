/** postern.columns: what was found out of headers is there again, and what is wrong in it does no harm. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { Columns } from '../../lib/mailbox/columns.js'
import { readColumns, writeColumns } from '../../lib/mailbox/columns-file.js'
import { makeHeadline } from '../../lib/mailbox/headline.js'
import { keepColumns } from '../../lib/mailbox/kept.js'
import { sortUids } from '../../lib/mailbox/sort.js'
import { State } from '../../lib/mailbox/state.js'
import { synchronise } from '../../lib/mailbox/sync.js'
import { thread } from '../../lib/mailbox/thread.js'
import { View } from '../../lib/mailbox/view.js'
import { readHeader } from '../../lib/message/header.js'
import type { SortField, SortKey } from '../../lib/message/query.js'
import { Pacer } from '../../lib/sys/pacer.js'
import { bareMaildir, put, quiet } from './support.js'

const by = (field: SortField): SortKey => ({ field, reverse: false })
const orders = (['subject', 'from', 'displayto', 'date'] as const).map(by)
const count = 40

function fill(root: string): void {
  for (let i = 1; i <= count; i++)
    put(
      root,
      `cur/${i}.x:2,`,
      `Subject: Re: ${'안녕hello'.slice(i % 7)}\nFrom: ${(i * 7) % 11}@x\nTo: "${(i * 5) % 9}" <a@b>\nMessage-ID: <${i}@x>\nReferences: <${i % 5}@x> <${i - 3}@x>\n\n`,
      Date.UTC(2026, 0, 1) + ((i * 13) % count) * 60_000,
    )
}

/** The mailbox as a process of its own has it. */
async function opened(
  root: string,
): Promise<{ state: State; view: View; results: () => Promise<unknown[]> }> {
  const state = new State({ name: 'INBOX', root, directory: root, log: quiet, clock: Date.now })
  await state.locked(() => synchronise(state))
  const view = new View(state, false)
  const results = async () => [
    ...(await Promise.all(orders.map(order => sortUids(state, view.uids, [order], view)))),
    await thread(state, 'references', { kind: 'all' }, view, 0),
  ]
  return { state, view, results }
}

test('columns come back as they were written', async () => {
  const root = bareMaildir()
  fill(root)
  const first = await opened(root)
  const wanted = await first.results()
  await keepColumns(first.state)
  const path = join(root, 'postern.columns')
  assert.ok(existsSync(path))
  // Whatever the headers say now: they are not read again.
  for (let i = 1; i <= count; i++) put(root, `cur/${i}.x:2,`, 'Subject: other\n\n', Date.UTC(2026, 0, 1))
  const second = await opened(root)
  assert.deepEqual((await second.results()).slice(0, 3), wanted.slice(0, 3))
  // Messages that came later are read, and written down too.
  put(root, 'cur/50.x:2,', 'Subject: =\nFrom: a@x\n\n', Date.UTC(2026, 1, 1))
  await second.state.locked(() => synchronise(second.state))
  second.view.sync({ expunge: true })
  const later = await second.results()
  assert.equal((later[0] as number[]).length, count + 1)
  await keepColumns(second.state)
  const third = await opened(root)
  assert.deepEqual(await third.results(), later)
})

test('a file that is gone, cut or changed anywhere is none', async () => {
  const root = bareMaildir()
  const columns = new Columns(7)
  columns.follow([3, 5])
  const header = readHeader(Buffer.from('Subject: x\nMessage-ID: <a@b>\nReferences: <c@d>\n\n'))
  for (const row of [0, 1]) columns.put(row, makeHeadline(header))
  await columns.ranksOf('subject', new Pacer())
  await writeColumns(root, columns)
  const path = join(root, 'postern.columns')
  const octets = readFileSync(path)
  const again = await readColumns(root, 7)
  assert.deepEqual(again?.rows.uids, Uint32Array.of(3, 5))
  assert.deepEqual(again?.rows.texts.subject, Uint32Array.of(1, 1))
  assert.equal(await readColumns(root, 8), undefined, 'another UIDVALIDITY')
  for (let length = 0; length < octets.length; length += 3) {
    writeFileSync(path, octets.subarray(0, length))
    assert.equal(await readColumns(root, 7), undefined, `cut at ${length}`)
  }
  for (let at = 0; at < octets.length; at += 3) {
    const changed = Buffer.from(octets)
    changed[at]! ^= 0x40
    writeFileSync(path, changed)
    assert.equal(await readColumns(root, 7), undefined, `changed at ${at}`)
  }
  rmSync(path)
  assert.equal(await readColumns(root, 7), undefined)
})

test('nonsense with the right sum is nothing, or leads nowhere', async () => {
  const root = bareMaildir()
  fill(root)
  const first = await opened(root)
  await first.results()
  await keepColumns(first.state)
  const path = join(root, 'postern.columns')
  const octets = readFileSync(path)
  const change = fc.tuple(fc.nat(octets.length - 1), fc.nat(255))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async changes => {
      const changed = Buffer.from(octets)
      for (const [at, octet] of changes) if (at >= 20) changed[at] = octet
      changed.writeUInt32LE(crc32(changed.subarray(16)), 12)
      writeFileSync(path, changed)
      const { results } = await opened(root)
      for (const result of (await results()).slice(0, orders.length))
        assert.ok((result as number[]).every(uid => uid >= 1 && uid <= count))
    }),
    { numRuns: 60 },
  )
})

test('rows of messages that are gone can be let go of', () => {
  const columns = new Columns(1)
  columns.follow([1, 2, 3, 4])
  for (const [row, subject] of ['a', 'b', 'c', 'd'].entries())
    columns.put(row, makeHeadline(readHeader(Buffer.from(`Subject: ${subject}\n\n`))))
  columns.drop(uid => uid % 2 === 0)
  assert.deepEqual([...columns.rows.uids.subarray(0, columns.count)], [1, 3])
  assert.deepEqual([...columns.rows.texts.subject.subarray(0, 2)], [1, 3])
  columns.follow([3, 9])
  assert.deepEqual([...columns.rowsOf([1, 2, 3, 9])], [0, 1, 2])
  assert.equal(columns.rows.known[2], 0)
})
