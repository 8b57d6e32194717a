import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { UidList } from '../../lib/mailbox/uidlist.js'

const world = mkdtempSync(join(tmpdir(), 'postern-uidlist-'))
after(() => rmSync(world, { recursive: true, force: true }))
mkdirSync(join(world, 'tmp'))
const path = join(world, 'dovecot-uidlist')
const guid = '0123456789abcdef0123456789abcdef'
const head = `3 V1700000000 N5 G${guid}`

function listOf(text: string): UidList {
  writeFileSync(path, text, 'latin1')
  const list = new UidList(world)
  list.read()
  return list
}

const reads = [
  // what                          file                                     UIDs               next  broken
  ['a plain list', `${head}\n1 :a\n3 :b\n`, { a: 1, b: 3 }, 5, false],
  ['N is only a floor', `${head}\n1 :a\n7 :b\n`, { a: 1, b: 7 }, 8, false],
  ['sizes in the line', `${head}\n1 S12 W14 :a\n`, { a: 1 }, 5, false],
  ['spaces and colons in names', `${head}\n1 :a b,S=1:2,S\n`, { 'a b,S=1': 1 }, 5, false],
  ['octets beyond ASCII', `${head}\n1 :\xff\xe9\n`, { '\xff\xe9': 1 }, 5, false],
  ['a last line without an end', `${head}\n1 :a\n2 :b`, { a: 1 }, 5, true],
  ['a line of nonsense', `${head}\n1 :a\nxyz\n3 :c\n`, { a: 1, c: 3 }, 5, true],
  ['a line without a name', `${head}\n1 :\n3 :c\n`, { c: 3 }, 5, true],
  ['a line with "/"', `${head}\n1 :x/y\n3 :c\n`, { c: 3 }, 5, true],
  ['UIDs that fall', `${head}\n8 :a\n3 :b\n9 :c\n`, { a: 8, c: 9 }, 10, true],
  ['a broken line keeps its UID from coming again', `${head}\n1 :a\n9 x\n`, { a: 1 }, 10, true],
  ['a number that nobody believes', `${head}\n1 :a\n4000000000 x\n`, { a: 1 }, 5, true],
  ['a file listed twice has the later UID', `${head}\n1 :a\n2 :b\n3 :a\n`, { a: 3, b: 2 }, 5, false],
  ['zeros from a crash', `${head}\n1 :a\n\0\0\0\0\n4 :d\n`, { a: 1, d: 4 }, 5, true],
  ['version 1', '1 1700000000 5\n1 a\n3 b\n', { a: 1, b: 3 }, 5, true],
  ['no GUID', '3 V1700000000 N5\n1 :a\n', { a: 1 }, 5, true],
] as const
for (const [what, text, uids, next, broken] of reads)
  test(`read(): ${what}`, () => {
    const list = listOf(text)
    assert.deepEqual(Object.fromEntries(list.uids), uids)
    assert.deepEqual([list.validity, list.next, list.broken], [1700000000, next, broken])
  })

test('a file without a header that makes sense does not take away what we know', () => {
  const list = listOf(`${head}\n1 :a\n`)
  writeFileSync(path, 'garbage\n')
  list.read()
  assert.deepEqual([list.validity, list.next, list.broken, list.uids.get('a')], [1700000000, 5, true, 1])
})

test('lines that others append are read from where we stood; a new file is read whole', async () => {
  const list = listOf(`${head}\n1 :a\n`)
  assert.equal(list.read(), 'same')
  appendFileSync(path, '6 :b\n')
  assert.equal(list.read(), 'grown')
  assert.deepEqual([list.uids.get('b'), list.next], [6, 7])
  writeFileSync(`${path}.x`, `${head.replace('N5', 'N9')}\n6 :b\n8 :c\n`)
  renameSync(`${path}.x`, path)
  assert.equal(list.read(), 'replaced')
  assert.deepEqual(Object.fromEntries(list.uids), { b: 6, c: 8 })
  assert.equal(list.next, 9)
})

test('a grown file with other content before is read whole, whatever its inode', () => {
  const list = listOf(`${head}\n1 :a\n`)
  writeFileSync(path, `${head.replace('V17', 'V18')}\n1 :b\n2 :c\n`)
  assert.equal(list.read(), 'replaced')
  assert.deepEqual(Object.fromEntries(list.uids), { b: 1, c: 2 })
  assert.equal(list.validity, 1800000000)
})

test('numbers that went back do not make UIDs come again', () => {
  const list = listOf(`${head}\n1 :a\n7 :b\n`)
  writeFileSync(path, `${head}\n1 :a\n`)
  list.read()
  assert.equal(list.next, 8)
})

test('append() adds lines in place and leaves N alone', async () => {
  const list = listOf(`${head}\n1 :a\n`)
  const { ino } = statSync(path)
  await list.append(list.assign(['x', 'y']))
  assert.equal(readFileSync(path, 'latin1'), `${head}\n1 :a\n5 :x\n6 :y\n`)
  assert.equal(statSync(path).ino, ino)
  assert.equal(list.read(), 'same')
})

test('append() to a torn file writes it anew, whole', async () => {
  const list = listOf(`${head}\n1 :a\n2 :b`)
  await list.append(list.assign(['x']))
  assert.equal(readFileSync(path, 'latin1'), `3 V1700000000 N6 G${guid}\n1 :a\n5 :x\n`)
})

test('rewrite() keeps unknown keys of the header and of lines, and drops the dead', async () => {
  const list = listOf(`${head} P%v Zfoo\n1 S12 :a\n2 :b\n3 XY bad :c\n`)
  list.forget('b', 7)
  assert.ok(!list.wantsRewrite)
  list.forget('b', 2)
  assert.ok(list.wantsRewrite)
  await list.rewrite()
  assert.equal(readFileSync(path, 'latin1'), `${head} P%v Zfoo\n1 S12 :a\n3 XY :c\n`)
  assert.equal(list.read(), 'same')
  assert.ok(!list.wantsRewrite)
})

test('a file that was removed is written again from what we know', async () => {
  const list = listOf(`${head}\n1 :a\n`)
  rmSync(path)
  assert.equal(list.read(), 'missing')
  assert.ok(list.wantsRewrite)
  await list.rewrite()
  assert.equal(readFileSync(path, 'latin1'), `${head}\n1 :a\n`)
})
