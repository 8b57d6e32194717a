import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { askAll, Control } from '../../lib/sys/control.js'
import { temporaryDirectory } from '../support/world.js'

test('all processes answer by name; the sockets are for their owner alone', async t => {
  const directory = join(temporaryDirectory(t), 'run')
  const one = await Control.open(directory, 'imapd', ({ verb, n }) => ({ verb, twice: Number(n) * 2 }))
  const two = await Control.open(directory, 'smtpd', async () => undefined)
  t.after(() => Promise.all([one.close(), two.close()]))
  assert.deepEqual(await askAll(directory, { verb: 'double', n: 21 }), [
    { name: 'imapd', pid: process.pid, answer: { verb: 'double', twice: 42 } },
    { name: 'smtpd', pid: process.pid, answer: null },
  ])
  for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600)
})

test('who throws, and what is none of ours, is left out; a closed socket is gone', async t => {
  const directory = temporaryDirectory(t)
  const control = await Control.open(directory, 'imapd', () => {
    throw new Error('no')
  })
  writeFileSync(join(directory, 'notes.txt'), '')
  assert.deepEqual(await askAll(directory, { verb: 'who' }), [])
  await control.close()
  assert.deepEqual(readdirSync(directory), ['notes.txt'])
  assert.deepEqual(await askAll(join(directory, 'missing'), { verb: 'who' }), [])
})

test('the socket of a process that was killed is removed by whoever finds it', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'imapd.999999999.sock')
  const server = createServer()
  await new Promise<void>(resolve => server.listen(path, resolve))
  // Node would remove it: a name that leads to nobody is what a kill leaves.
  const other = join(directory, 'smtpd.999999999.sock')
  const { linkSync } = await import('node:fs')
  linkSync(path, other)
  await new Promise(resolve => server.close(resolve))
  assert.equal(existsSync(other), true)
  assert.deepEqual(await askAll(directory, { verb: 'who' }), [])
  assert.equal(existsSync(other), false)
})
