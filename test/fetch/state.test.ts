import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Memory } from '../../lib/fetch/state.js'
import { temporaryDirectory } from '../support/world.js'

const beginning = { path: 'INBOX', validity: '7', local: 'INBOX', localValidity: 3 }
const known = (local: number) => ({ local, key: `k.${local}`, flags: '\\Seen' })

async function reopened(path: string, memory: Memory): Promise<Memory> {
  await memory.close()
  return Memory.open(path, 'test')
}

test('what is noted is there when it is opened again', async t => {
  const path = join(temporaryDirectory(t), 'fetch', 'a.state')
  let memory = await Memory.open(path, 'test')
  const folder = await memory.begin(beginning)
  await memory.intend(folder, [
    { uid: 1, unique: 'u1', key: 'k1', flags: 'a b' },
    { uid: 2, unique: 'u2', key: 'k2', flags: '' },
  ])
  memory.got(folder, [[1, 11]])
  memory.flags(folder, [[1, 'c']])
  memory.spend('2026-03-15', 100)
  memory.spend('2026-03-15', 11)
  await memory.login('print', 'no')
  memory = await reopened(path, memory)
  const again = memory.folder('INBOX')
  assert.deepEqual([...(again?.known ?? [])], [[1, { local: 11, key: 'k1', flags: 'c' }]])
  assert.deepEqual([...(again?.pending.keys() ?? [])], [2])
  assert.equal(memory.spent('2026-03-15'), 111)
  assert.equal(memory.spent('2026-03-16'), 0)
  assert.deepEqual(memory.refused, { fingerprint: 'print', said: 'no' })
  await memory.login('', '')
  memory = await reopened(path, memory)
  assert.equal(memory.refused, undefined)
  await memory.close()
})

test('a damaged line ends the file, and what was before it counts', async t => {
  const path = join(temporaryDirectory(t), 'a.state')
  let memory = await Memory.open(path, 'test')
  const folder = await memory.begin(beginning)
  memory.know(folder, [[1, known(1)]])
  memory.know(folder, [[2, known(2)]])
  await memory.close()
  const octets = readFileSync(path)
  octets[octets.length - 5] = (octets[octets.length - 5] as number) ^ 1
  writeFileSync(path, octets)
  memory = await Memory.open(path, 'test')
  assert.deepEqual([...(memory.folder('INBOX')?.known.keys() ?? [])], [1])
  memory.know(memory.folder('INBOX') as typeof folder, [[3, known(3)]])
  memory = await reopened(path, memory)
  assert.deepEqual([...(memory.folder('INBOX')?.known.keys() ?? [])], [1, 3])
  await memory.close()
})

test('a folder begun anew knows what is handed in, and nothing of before', async t => {
  const path = join(temporaryDirectory(t), 'a.state')
  let memory = await Memory.open(path, 'test')
  memory.know(await memory.begin(beginning), [[1, known(1)]])
  await memory.begin({ ...beginning, validity: '8' }, [[5, known(1)]])
  memory = await reopened(path, memory)
  const folder = memory.folder('INBOX')
  assert.equal(folder?.validity, '8')
  assert.deepEqual([...(folder?.known.keys() ?? [])], [5])
  await memory.close()
})

test('a file that is mostly outdated is written anew and says the same', async t => {
  const path = join(temporaryDirectory(t), 'a.state')
  let memory = await Memory.open(path, 'test')
  const folder = await memory.begin(beginning)
  for (let round = 0; round < 100; round++)
    memory.know(
      folder,
      Array.from({ length: 100 }, (_, i) => [i + 1, known(i + round)] as const),
    )
  memory.pass(folder, { floor: 100, uidNext: 101, messages: 100, modseq: '9', localNext: 4 })
  const before = statSync(path).size
  memory = await reopened(path, memory)
  assert.ok(statSync(path).size < before / 20)
  const again = memory.folder('INBOX')
  assert.deepEqual(again?.known.get(100), known(198))
  assert.deepEqual([again?.floor, again?.modseq, again?.localNext], [100, '9', 4])
  await memory.close()
})

test('a dry memory writes nothing', async t => {
  const path = join(temporaryDirectory(t), 'fetch', 'a.state')
  const memory = await Memory.open(path, 'test', true)
  memory.know(await memory.begin(beginning), [[1, known(1)]])
  assert.equal(memory.folder('INBOX')?.known.size, 1)
  await memory.close()
  assert.throws(() => statSync(path))
})
