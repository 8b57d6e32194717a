import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Work } from '../../lib/auth/worker.js'
import { Threads } from '../../lib/sys/threads.js'
import { until } from '../support/world.js'

test('a thread without work ends, and another one does the next work', async t => {
  const threads = new Threads<Work, boolean>('auth', 1, 20)
  t.after(() => threads.close())
  assert.equal(await threads.run({ stored: '{PLAIN}a', password: 'a' }), true)
  await until(() => threads.count === 0, 20_000)
  assert.equal(await threads.run({ stored: '{PLAIN}a', password: 'b' }), false)
})

test('what the work throws is thrown, and the thread goes on', async t => {
  const threads = new Threads<Work, boolean>('auth', 1)
  t.after(() => threads.close())
  await assert.rejects(threads.run({ stored: '{NOSUCH}a', password: 'a' }), /NOSUCH/)
  assert.equal(await threads.run({ stored: '{PLAIN}a', password: 'a' }), true)
  assert.equal(threads.count, 1)
})

test('a thread can be given more before it has answered, and each answer finds its question', async t => {
  const threads = new Threads<Work, boolean>('auth', 1, 15_000, 3)
  t.after(() => threads.close())
  const passwords = ['a', 'b', 'a', 'a', 'c', 'a', 'b']
  const answers = await Promise.all(passwords.map(password => threads.run({ stored: '{PLAIN}a', password })))
  assert.deepEqual(
    answers,
    passwords.map(password => password === 'a'),
  )
  assert.equal(threads.count, 1)
})
