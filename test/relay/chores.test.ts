import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chores } from '../../lib/relay/chores.js'
import { Log } from '../../lib/sys/log.js'
import { until } from '../support/world.js'

test('a network that comes back, or another one, is told once; one that goes is not', async t => {
  const lines: string[] = []
  const chores = new Chores(new Log({ write: line => lines.push(line) }))
  t.after(() => chores.stop())
  // What the machine's addresses are, each time they are looked at; the last stays.
  const seen = ['10.0.0.2', '10.0.0.2', '', '', '10.0.0.2', '10.0.0.2', '192.168.1.5 fd00::5']
  let told = 0
  let looks = 0
  chores.watchNetwork(
    () => told++,
    () => seen[Math.min(looks++, seen.length - 1)] ?? '',
    1,
  )
  await until(() => looks > seen.length + 3)
  assert.equal(told, 2)
  assert.equal(lines.filter(line => line.includes('event=network-changed')).length, 2)
})

test('a chore that fails is logged, and fails nothing else', async () => {
  const lines: string[] = []
  const chores = new Chores(new Log({ write: line => lines.push(line) }))
  await chores.run(() => Promise.reject(new Error('no such disk')))
  assert.match(lines.join(''), /event=chore-failed reason="no such disk"/)
})
