import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Kind, trend } from './soak/meter.js'

const mib = 2 ** 20
const steps = Array.from({ length: 40 }, (_, i) => i)
const courses: readonly (readonly [what: string, kind: Kind, values: readonly number[], grows: boolean])[] = [
  ['a heap that is filled once', 'heap', steps.map(i => Math.min(10 + i, 18) * mib), false],
  ['a heap that goes up and down', 'heap', steps.map(i => (20 + (i % 5)) * mib), false],
  ['a heap that grows to the end', 'heap', steps.map(i => (20 + i / 4) * mib), true],
  ['one descriptor at every look', 'descriptors', steps.map(i => 20 + i), true],
  ['one look at a busy moment', 'descriptors', steps.map(i => (i === 35 ? 40 : 20)), false],
  ['a watch at every fourth look', 'watches', steps.map(i => 8 + (i >> 1)), true],
]
for (const [what, kind, values, grows] of courses)
  test(`${what}: ${grows ? 'grows' : 'does not grow'}`, () => assert.equal(trend(kind, values).grows, grows))
