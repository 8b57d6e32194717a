import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { Mailbox } from '../../lib/mailbox/mailbox.js'
import { State } from '../../lib/mailbox/state.js'
import type { SearchKey } from '../../lib/message/query.js'
import { until } from '../support/world.js'
import { add, bareMaildir, files, openInbox, quiet } from './support.js'

/** A mailbox of messages that each have a word of their own in the header, in the body, and one in common. */
async function stage(count: number): Promise<{ inbox: Mailbox; path: string }> {
  const inbox = await openInbox(bareMaildir())
  for (let i = 1; i <= count; i++) await add(inbox, messageOf(i))
  return { inbox, path: join(inbox.directory, 'postern.text') }
}

const messageOf = (i: number) => `Subject: head${i}-\r\n\r\nEveryone and body${i}-\r\n`
const body = (value: string): SearchKey => ({ kind: 'body', value })
const text = (value: string): SearchKey => ({ kind: 'text', value })
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

async function find(inbox: Mailbox, key: SearchKey): Promise<number[]> {
  const view = await inbox.select()
  try {
    return await inbox.search(key, view)
  } finally {
    view.close()
  }
}

async function checkAll(inbox: Mailbox, uids: readonly number[]): Promise<void> {
  assert.deepEqual(await find(inbox, body('EVERYONE')), uids)
  for (const uid of [uids[0]!, uids.at(-1)!]) {
    assert.deepEqual(await find(inbox, text(`head${uid}-`)), [uid])
    assert.deepEqual(await find(inbox, body(`body${uid}-`)), [uid])
    assert.deepEqual(await find(inbox, body(`head${uid}-`)), [])
  }
}

test('texts are kept for the owner alone, and looked up there', async () => {
  const { inbox, path } = await stage(20)
  await checkAll(inbox, range(1, 20))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  // The kept text is what is searched: messages never change.
  const [first] = files(inbox.directory)
  writeFileSync(join(inbox.directory, first!), 'Subject: other\n\nother\n')
  assert.deepEqual(await find(inbox, body('body1-')), [1])
  inbox.close()
})

test('a text is not found across the end of another', async () => {
  const { inbox } = await stage(3)
  for (const value of ['head1-everyone', 'body1-subject', '-\0subject'])
    assert.deepEqual(await find(inbox, text(value)), [], value)
  inbox.close()
})

test('a query is asked of the thread only where it matters, and joined with the rest', async () => {
  const { inbox, path } = await stage(10)
  const uid = (from: number, to: number): SearchKey => ({ kind: 'uid', set: [[from, to]] })
  const not = (key: SearchKey): SearchKey => ({ kind: 'not', key })
  const cases: readonly [SearchKey, number[]][] = [
    [{ kind: 'and', keys: [body('everyone'), uid(3, 4)] }, [3, 4]],
    [{ kind: 'or', keys: [body('body9-'), uid(1, 2)] }, [1, 2, 9]],
    [{ kind: 'and', keys: [not(body('body3-')), uid(2, 4)] }, [2, 4]],
    [not({ kind: 'or', keys: [text('head1-'), text('body2-'), uid(4, 10)] }), [3]],
    [{ kind: 'and', keys: [uid(11, 12), body('everyone')] }, []],
    [{ kind: 'and', keys: [body(''), text('')] }, range(1, 10)],
  ]
  // Only what was asked for is read.
  assert.deepEqual(await find(inbox, cases[0]![0]), cases[0]![1])
  const small = statSync(path).size
  for (const [key, uids] of cases) assert.deepEqual(await find(inbox, key), uids)
  assert.ok(statSync(path).size > small)
  inbox.close()
})

test('postern.text may be gone, cut, overwritten or grown at any moment', async () => {
  const { inbox, path } = await stage(30)
  await checkAll(inbox, range(1, 30))
  const whole = readFileSync(path)
  const later = () => utimesSync(path, new Date(), new Date(Date.now() + 10_000))
  const harms: readonly (readonly [string, () => void])[] = [
    ['removed', () => rmSync(path)],
    ['emptied', () => truncateSync(path, 0)],
    ['of another mailbox', () => writeFileSync(path, Buffer.concat([Buffer.from('PSTNTXT1\x07'), whole]))],
    ['replaced by an older one', () => renameOver(path, whole.subarray(0, 400))],
    ['grown by nonsense', () => appendFileSync(path, Buffer.alloc(300, 'x'))],
    ['grown by half a record', () => appendFileSync(path, whole.subarray(16, 40))],
    ...[1, 15, 16, 17, 35, 36, 37, 60, 200, whole.length - 1].flatMap(at => [
      [`cut at ${at}`, () => truncateSync(path, Math.min(at, statSync(path).size))] as const,
      [`wrong at ${at}`, () => writeFileSync(path, flipped(readFileSync(path), at))] as const,
    ]),
  ]
  for (const [name, harm] of harms) {
    harm()
    if (existsSync(path)) later()
    for (let again = 0; again < 2; again++) {
      assert.deepEqual(await find(inbox, body('everyone')), range(1, 30), name)
      assert.deepEqual(await find(inbox, text('head7-')), [7], name)
      assert.deepEqual(await find(inbox, text('no such text')), [], name)
    }
  }
  inbox.close()
})

function renameOver(path: string, octets: Buffer): void {
  writeFileSync(`${path}.other`, octets)
  renameSync(`${path}.other`, path)
}

function flipped(octets: Buffer, at: number): Buffer {
  const other = Buffer.from(octets)
  if (at < other.length) other[at] = other[at]! ^ 0x55
  return other
}

test('a message whose file was renamed meanwhile is found all the same', async () => {
  const { inbox } = await stage(3)
  const view = await inbox.select()
  const [first] = files(inbox.directory)
  renameSync(join(inbox.directory, first!), join(inbox.directory, `${first}S`))
  assert.deepEqual(await inbox.search(body('everyone'), view), [1, 2, 3])
  assert.deepEqual(await inbox.search(text('head'), view), [1, 2, 3])
  view.close()
  inbox.close()
})

test('what comes later is read when nobody is waiting, once the mailbox was searched', async () => {
  const { inbox, path } = await stage(2)
  await find(inbox, body('everyone'))
  const { size } = statSync(path)
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    await add(inbox, messageOf(3))
    mock.timers.tick(60_000)
  } finally {
    mock.timers.reset()
  }
  await until(() => statSync(path).size > size, 15_000)
  assert.ok(readFileSync(path, 'latin1').includes('body3-'))
  inbox.close()
})

test('texts of messages that are gone are dropped when many are', async () => {
  const directory = bareMaildir()
  const path = join(directory, 'postern.text')
  const state = new State({ name: 'INBOX', root: directory, directory, log: quiet, clock: Date.now })
  const inbox = new Mailbox(state, () => {})
  for (let i = 1; i <= 8; i++) await add(inbox, messageOf(i))
  await checkAll(inbox, range(1, 8))
  await inbox.remove([2, 3, 4, 5])
  await state.texts.clean()
  const kept = readFileSync(path, 'latin1')
  assert.ok(!kept.includes('body2-') && kept.includes('body1-'))
  await checkAll(inbox, [1, 6, 7, 8])
  inbox.close()
})
