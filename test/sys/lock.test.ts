import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { lock } from '../../lib/sys/lock.js'
import { temporaryDirectory } from '../support/world.js'

test('lock() lets one in, tells the other, and opens again', async t => {
  const path = join(temporaryDirectory(t), 'account')
  const held = await lock(path)
  await assert.rejects(lock(path), { name: 'TemporaryError', message: /in use by another process/ })
  const waiting = lock(path, 2_000)
  await held.release()
  const second = await waiting
  assert.equal(second.signal.aborted, false)
  await second.release()
})
