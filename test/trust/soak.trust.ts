/** The short form of the soak: what every daemon has open stays what it is. Memory needs the whole of it to be judged. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryDirectory } from '../support/world.js'
import { soak } from './soak/course.js'

test('descriptors, watches and timers of every daemon stay what they are under load', async t => {
  const messages = Number(process.env['SOAK'] ?? 3_600)
  const folder = temporaryDirectory(t)
  const result = await soak({ folder, messages, minutes: 20, say: line => t.diagnostic(line) })
  assert.deepEqual(result?.faults, [])
})
