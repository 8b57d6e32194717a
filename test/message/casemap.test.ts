/** The collation i;unicode-casemap (RFC 5051). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casemap, compareCasemapped } from '../../lib/message/casemap.js'

const equal = [
  ['straße', 'STRAßE', 'ß has no other case'],
  ['Ångström', 'a\u030angstro\u0308m', 'composed or not'],
  ['ǆ', 'ǅ', 'three forms of one letter'],
  ['ᾳ', 'ᾼ', 'iota below'],
  ['안녕', '안녕'.normalize('NFD'), 'Hangul, composed or not'],
  ['Ｆｕｌｌ', 'FULL', 'full width'],
] as const
for (const [one, other, why] of equal)
  test(`casemap() ${one} = ${other} - ${why}`, () => assert.equal(casemap(one), casemap(other)))

test('texts are ordered by their code points', () => {
  const texts = ['', 'a', 'AB', 'b', 'é', 'f', 'Z', 'Я', '가', '가나', '각', '\uffee', '😀'].map(casemap)
  assert.deepEqual(
    [...texts].sort(compareCasemapped),
    [
      ...['', 'A', 'AB', 'B', casemap('é'), 'F', 'Z', 'Я', casemap('가'), casemap('가나'), casemap('각')],
      casemap('\uffee'),
      '😀',
    ].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  )
})

test('compareCasemapped() orders as UTF-8 octets do', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const bySign = Math.sign(compareCasemapped(a, b))
      assert.equal(bySign, Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))))
    }),
  )
})
