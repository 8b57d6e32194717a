import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChangeLog } from '../../lib/mailbox/changes.js'

test('who made a change is not told of it, everybody else is', () => {
  const log = new ChangeLog()
  const [mine, another] = [{}, {}]
  log.add([3, 1], mine)
  log.add([2])
  assert.deepEqual(log.since(0, mine), [2])
  assert.deepEqual(log.since(0, another), [1, 2, 3])
})

test('the log is bounded by its changes as well as by their messages', () => {
  for (const uids of [[1], Array.from({ length: 500 }, (_, i) => i)]) {
    const log = new ChangeLog()
    for (let i = 0; i < 1_000; i++) log.add(uids)
    assert.equal(log.since(0, {}), undefined)
    assert.deepEqual(log.since(990, {}), uids)
  }
})
