import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineDecoder } from '../../lib/wire/crlf.js'

function decode(...chunks: readonly string[]): string {
  const decoder = new LineDecoder()
  const out = chunks.map(chunk => decoder.push(Buffer.from(chunk, 'latin1')))
  return Buffer.concat([...out, decoder.end()]).toString('latin1')
}

const cases = [
  [['a\r\nb\r\n'], 'a\nb\n', 'CRLF becomes LF'],
  [['a\r', '\nb\r\n'], 'a\nb\n', 'a line end in two chunks'],
  [['a\nb\r\n'], 'a\nb\n', 'a bare LF is a line end'],
  [['a\rb\r\n'], 'a b\n', 'a bare CR is a space'],
  [['a\r', 'b\r\r\n'], 'a b \n', 'a bare CR in two chunks, and before a line end'],
  [['a'], 'a\n', 'the last line gets its end'],
  [['a\r'], 'a\n', 'so does one whose LF is missing'],
  [[''], '', 'nothing stays nothing'],
  [['.\r\n..\r\n'], '.\n..\n', 'dots are left alone'],
] as const
for (const [chunks, stored, why] of cases)
  test(`LineDecoder: ${why}`, () => assert.equal(decode(...chunks), stored))

test('LineDecoder gives the same however the text is cut', () => {
  const text = fc.string({ unit: fc.constantFrom('\r', '\n', '.', 'a', '\0', '\xff'), maxLength: 30 })
  fc.assert(
    fc.property(text, fc.nat(30), fc.nat(30), (whole, a, b) => {
      const [first, second] = [Math.min(a, b), Math.max(a, b)]
      assert.equal(
        decode(whole.slice(0, first), whole.slice(first, second), whole.slice(second)),
        decode(whole),
      )
    }),
  )
})
