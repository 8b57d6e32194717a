import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from '../../lib/sys/directory.js'
import { temporaryDirectory } from '../support/world.js'

test('makeDirectory() makes what is missing, with its mode, and tells the outermost', t => {
  const root = temporaryDirectory(t)
  assert.equal(makeDirectory(join(root, 'a/b/c'), 0o700), join(root, 'a'))
  assert.equal(makeDirectory(join(root, 'a/b/c'), 0o700), undefined)
  assert.equal(makeDirectory(join(root, 'a/b/d'), 0o700), join(root, 'a/b/d'))
  for (const path of ['a', 'a/b', 'a/b/c']) assert.equal(statSync(join(root, path)).mode & 0o777, 0o700)
})

test('makeDirectory() says what is in the way', t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '')
  assert.throws(() => makeDirectory(join(root, 'file'), 0o700), { code: 'EEXIST' })
  assert.throws(() => makeDirectory(join(root, 'file/below'), 0o700), { code: 'ENOTDIR' })
  assert.throws(() => makeDirectory('/proc/nothing/here', 0o700), { code: /^E/ })
})
