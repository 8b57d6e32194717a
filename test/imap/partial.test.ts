import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder } from '../../lib/imap/decode.js'
import { partialOf, partialSpans, readPartialRange } from '../../lib/imap/partial.js'
import { ImapError } from '../../lib/imap/reply.js'

const read = (text: string) =>
  readPartialRange(new Decoder([{ text: Buffer.from(` ${text}`), literal: undefined }]))

const pages = [
  // asked    of   positions
  ['1:10', 25, [0, 10]],
  ['21:30', 25, [20, 25]],
  ['31:40', 25, [25, 25]],
  ['10:1', 25, [0, 10]],
  ['-1:-10', 25, [15, 25]],
  ['-21:-30', 25, [0, 5]],
  ['-1:-1', 25, [24, 25]],
  ['1:1', 0, [0, 0]],
  ['-1:-1', 0, [0, 0]],
] as const

for (const [text, count, expected] of pages)
  test(`page ${text} of ${count}`, () => assert.deepEqual(partialOf(count, read(text)), expected))

for (const text of ['1', '0:1', '1:-1', '-1:1', '1:', 'a:b', ''])
  test(`"${text}" is no page`, () => assert.throws(() => read(text), ImapError))

test('partialSpans() counts over the gaps', () => {
  const spans = [
    [2, 4],
    [10, 12],
    [20, 25],
  ] as const
  assert.deepEqual(partialSpans(spans, read('2:5')), [
    [3, 4],
    [10, 12],
    [20, 21],
  ])
  assert.deepEqual(partialSpans(spans, read('-1:-2')), [[23, 25]])
  assert.deepEqual(partialSpans(spans, read('20:30')), [])
})
