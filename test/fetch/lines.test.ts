import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ServerLines } from '../../lib/fetch/lines.js'

function lines(text: string, cuts: readonly number[] = []): string[] {
  const seen: string[] = []
  const server = new ServerLines(line => seen.push(line))
  let octets = Buffer.from(text, 'latin1')
  for (const cut of cuts) {
    server.push(octets.subarray(0, cut))
    octets = octets.subarray(cut)
  }
  server.push(octets)
  return seen
}

const dialogue =
  '* OK hello\r\n* 1 FETCH (UID 1 BODY[] {26}\r\na1 OK faked\r\n+ go on\r\nxx\r\n FLAGS ())\r\na1 OK done\r\n+ go\r\n* LIST () "/" {3}\r\na\r\n\r\n'

test('ServerLines takes no line from within a literal', () => {
  assert.deepEqual(lines(dialogue), [
    '* OK hello',
    '* 1 FETCH (UID 1 BODY[] {26}',
    'a1 OK done',
    '+ go',
    '* LIST () "/" {3}',
  ])
})

test('ServerLines finds the same lines in whatever pieces they come', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 12 }), cuts =>
      assert.deepEqual(lines(dialogue, cuts), lines(dialogue)),
    ),
  )
})

test('ServerLines keeps the beginning and the end of a line that is too long', () => {
  assert.deepEqual(lines(`* X ${'y'.repeat(50_000)} {2}\r\n\r\n\r\na OK\r\n`).at(-1), 'a OK')
})
