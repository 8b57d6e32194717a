import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { syncDirectory, writeAtomic, writeSynced } from '../../lib/sys/atomic.js'
import { temporaryDirectory } from '../support/world.js'

test('writeAtomic() replaces a file whole, with the mode asked for, and leaves nothing else', async t => {
  const path = join(temporaryDirectory(t), 'users')
  writeFileSync(path, 'old')
  await writeAtomic(path, 'new', 0o640)
  assert.equal(readFileSync(path, 'utf8'), 'new')
  assert.equal(statSync(path).mode & 0o777, 0o640)
  assert.deepEqual(readdirSync(join(path, '..')), ['users'])
})

test('writeAtomic() keeps the old file when the new one cannot be written', async t => {
  const folder = temporaryDirectory(t)
  await assert.rejects(writeAtomic(join(folder, 'missing', 'users'), 'new'), { code: 'ENOENT' })
  assert.deepEqual(readdirSync(folder), [])
})

test('writeSynced() never writes over a file', async t => {
  const path = join(temporaryDirectory(t), 'message')
  await writeSynced(path, 'first')
  await assert.rejects(writeSynced(path, 'second'), { code: 'EEXIST' })
  assert.equal(readFileSync(path, 'utf8'), 'first')
})

test('syncDirectory() serves many callers with few syncs, and an error does not stay', async t => {
  const folder = temporaryDirectory(t)
  await Promise.all(Array.from({ length: 100 }, () => syncDirectory(folder)))
  await assert.rejects(syncDirectory(join(folder, 'later')), { code: 'ENOENT' })
  await assert.rejects(syncDirectory(join(folder, 'later')), { code: 'ENOENT' })
  await syncDirectory(folder)
})
