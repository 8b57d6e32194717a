import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf, matchMessages } from '../../lib/fetch/identity.js'

const message = (id: string, date = 'Thu, 1 Jan 2026 00:00:00 +0000') =>
  Buffer.from(`Message-ID: ${id}\r\nDate: ${date}\r\n\r\n`)

test('keyOf() does not care for line ends, folding, other fields or the arrival', () => {
  const key = keyOf(message('<a@b>'), 100, 1_000)
  const folded = Buffer.from(
    'Subject: x\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nmessage-id:\n <a@b>\n\nMessage-ID: <no>\n',
  )
  assert.equal(keyOf(folded, 100, 2_000), key)
  assert.notEqual(keyOf(message('<a@b>'), 101, 1_000), key)
  assert.notEqual(keyOf(message('<a@c>'), 100, 1_000), key)
})

test('keyOf() tells messages without Message-ID apart by their arrival', () => {
  const without = Buffer.from('Subject: x\r\n\r\n')
  assert.notEqual(keyOf(without, 100, 1_000), keyOf(without, 100, 2_000))
  assert.equal(keyOf(without, 100, 1_000), keyOf(without, 100, 1_999))
})

const found = (remote: [number, string][], here: [string, number][]) =>
  [
    ...matchMessages(
      remote,
      here.map(([key, local]) => ({ key, local })),
    ),
  ].map(([uid, { local }]) => [uid, local])

test('matchMessages() gives each message here to one there, alike ones in order', () => {
  assert.deepEqual(
    found(
      [
        [1, 'a.1'],
        [2, 'a.1'],
        [3, 'a.1'],
        [4, 'b.2'],
      ],
      [
        ['a.1', 11],
        ['b.2', 12],
        ['a.1', 13],
      ],
    ),
    [
      [1, 11],
      [2, 13],
      [4, 12],
    ],
  )
})

test('matchMessages() overlooks a size when nothing else can be meant', () => {
  assert.deepEqual(found([[1, 'a.1']], [['a.9', 5]]), [[1, 5]])
  assert.deepEqual(
    found(
      [
        [1, 'a.1'],
        [2, 'a.2'],
      ],
      [['a.9', 5]],
    ),
    [],
  )
  assert.deepEqual(
    found(
      [[1, 'a.1']],
      [
        ['a.8', 5],
        ['a.9', 6],
      ],
    ),
    [],
  )
})
