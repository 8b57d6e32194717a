import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageRate } from '../../lib/serve/smtp-rate.js'

test('a minute of messages may go at once, and grows back evenly', () => {
  const rate = new MessageRate(() => 60)
  for (let i = 0; i < 60; i++) {
    assert.ok(rate.allows('alice', 0))
    rate.count('alice', 0)
  }
  assert.ok(!rate.allows('alice', 0))
  assert.ok(!rate.allows('alice', 999))
  assert.ok(rate.allows('alice', 1_000))
  assert.ok(rate.allows('bob', 0))
  rate.count('alice', 1_000)
  assert.ok(!rate.allows('alice', 1_500))
})

test('a clock that goes back takes nothing away', () => {
  const rate = new MessageRate(() => 2)
  rate.count('alice', 100_000)
  assert.ok(rate.allows('alice', 0))
})

test('who has everything back is forgotten, and who has not is remembered', () => {
  const rate = new MessageRate(() => 1)
  rate.count('alice', 59_000)
  for (let i = 0; i < 2_000; i++) rate.count(`user${i}`, 0)
  rate.count('late', 61_000)
  assert.ok(!rate.allows('alice', 62_000))
  assert.ok(rate.allows('user1', 62_000))
})
