import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pacer, slice } from '../../lib/sys/pacer.js'

function work(milliseconds: number): void {
  for (const until = performance.now() + milliseconds; performance.now() < until; );
}

test('Pacer: a slice is over when its time is', () => {
  const pacer = new Pacer()
  work(slice + 1)
  assert.equal(pacer.isOver, true)
})

test('Pacer: small steps look at the clock once in 64', () => {
  const pacer = new Pacer()
  work(slice + 1)
  const answers = Array.from({ length: 128 }, () => pacer.isDue)
  assert.deepEqual(
    answers.flatMap((due, step) => (due ? [step] : [])),
    [63, 127],
  )
})

test('Pacer: others run while it rests', async () => {
  const pacer = new Pacer()
  let ran = false
  setImmediate(() => {
    ran = true
  })
  await pacer.rest()
  assert.equal(ran, true)
})
