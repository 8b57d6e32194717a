/** The short form of the soak: what every daemon holds stays what it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryDirectory } from '../support/world.js'
import { soak } from './soak/course.js'

test('memory, descriptors, threads and watches of every daemon stay what they are under load', async t => {
  const messages = Number(process.env['SOAK'] ?? 3_600)
  const folder = temporaryDirectory(t)
  const result = await soak({ folder, messages, minutes: 20, say: line => t.diagnostic(line) })
  assert.deepEqual(result?.faults, [])
})
