/** Comparators: RFC 4790 §9, RFC 5051. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { asciiCasemap, asciiNumeric, octet, unicodeCasemap } from '../../lib/sieve/comparator.js'

const orders = [
  [octet, 'a', 'b', -1],
  [octet, 'a', 'A', 1],
  [octet, 'a', 'a', 0],
  [octet, 'a', 'aa', -1],
  [octet, '\uffff', '😀', -1],
  [octet, '', 'a', -1],
  [asciiCasemap, 'a', 'A', 0],
  [asciiCasemap, 'é', 'É', 1],
  [asciiCasemap, 'a', '_', -1],
  [asciiNumeric, '9', '10', -1],
  [asciiNumeric, '0010', '10x', 0],
  [asciiNumeric, 'x', '99999999999999999999999', 1],
  [asciiNumeric, 'x', 'y', 0],
  [asciiNumeric, '-1', '5', 1],
  [asciiNumeric, '123456789012345678901', '123456789012345678902', -1],
  [unicodeCasemap, 'É', 'é', 0],
  [unicodeCasemap, 'e\u0301', 'É', 0],
  [unicodeCasemap, 'Σ', 'ς', 0],
] as const

for (const [comparator, a, b, order] of orders)
  test(`${comparator.name}: ${a} and ${b}`, () => {
    assert.equal(Math.sign(comparator.compare(a, b)), order)
    assert.equal(Math.sign(comparator.compare(b, a)), order === 0 ? 0 : -order)
    assert.equal(comparator.fold(a) === comparator.fold(b), order === 0)
  })

test('i;octet sorts as the octets of UTF-8 do', () => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(Math.sign(octet.compare(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})
