import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countBareLf, toCrlf, toLf, wireSize } from '../../lib/message/wire.js'

const lines = [
  ['', '', 0],
  ['a', 'a', 0],
  ['\n', '\r\n', 1],
  ['a\nb\n', 'a\r\nb\r\n', 2],
  ['a\r\nb\n', 'a\r\nb\r\n', 1],
  ['a\rb\r\r\n\n', 'a\rb\r\r\n\r\n', 1],
  ['\n\n', '\r\n\r\n', 2],
] as const
for (const [stored, wire, bare] of lines)
  test(`${JSON.stringify(stored)} on the wire is ${JSON.stringify(wire)}`, () => {
    const octets = Buffer.from(stored)
    assert.equal(toCrlf(octets).toString(), wire)
    assert.equal(countBareLf(octets), bare)
    assert.equal(wireSize(octets), wire.length)
  })

test('a buffer that is right already comes back itself', () => {
  const wire = Buffer.from('a\r\nb\r\n')
  assert.equal(toCrlf(wire), wire)
  const stored = Buffer.from('a\nb\n')
  assert.equal(toLf(stored), stored)
})

test('toLf() takes the CR of every CRLF and no other', () =>
  assert.equal(toLf(Buffer.from('a\r\n\rb\r\r\nc\r')).toString(), 'a\n\rb\r\nc\r'))

/** Octets in which line ends of every kind are frequent, longer than a machine word. */
const octets = fc
  .string({ unit: fc.constantFrom('\r', '\n', '\r\n', 'x', 'a longer run of letters', '\x8a', '\x0b') })
  .map(text => Buffer.from(text, 'latin1'))

test('the conversions do what regular expressions do', () => {
  fc.assert(
    fc.property(octets, given => {
      const text = given.toString('latin1')
      assert.equal(toCrlf(given).toString('latin1'), text.replace(/\r?\n/g, '\r\n'))
      assert.equal(toLf(given).toString('latin1'), text.replaceAll('\r\n', '\n'))
      assert.equal(wireSize(given), toCrlf(given).length)
    }),
  )
})

test('countBareLf() of the halves is that of the whole, wherever it is cut', () => {
  fc.assert(
    fc.property(octets, fc.nat(400), (given, at) => {
      const cut = Math.min(at, given.length)
      assert.equal(countBareLf(given, 0, cut) + countBareLf(given, cut), countBareLf(given))
    }),
  )
})
