import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { plainText } from '../../lib/message/html.js'
import { foldText } from '../../lib/message/searchable.js'
import { decodeTransfer } from '../../lib/message/transfer.js'

const cases = [
  // encoding          encoded                     decoded            why
  ['7bit', 'a=3Db', 'a=3Db', 'nothing to undo'],
  ['x-unknown', 'a=3Db', 'a=3Db', 'nobody knows how'],
  ['quoted-printable', 'a=3Db=c3=A9', 'a=b\xc3\xa9', 'octets in either case'],
  ['quoted-printable', 'so=\r\nft=\nend=', 'softend', 'soft line ends'],
  ['quoted-printable', 'so= \t\r\nft', 'soft', 'space after the "=" of a soft line end'],
  ['quoted-printable', 'a \t\r\nb  \nc  ', 'a\r\nb\nc  ', 'space at the end of a line goes'],
  ['quoted-printable', 'a=20\nb', 'a \nb', 'encoded space stays'],
  ['quoted-printable', 'a==3D=zz=4', 'a===zz=4', 'what makes no sense is itself'],
  ['base64', 'aGVs\r\nbG8=\r\n', 'hello', 'lines'],
  ['base64', 'aGVs!bG8', 'hello', 'strange characters, no padding'],
  ['base64', 'aGk=\naGk=\n', 'hihi', 'padding within'],
  ['base64', '', '', 'nothing'],
] as const
for (const [encoding, encoded, decoded, why] of cases)
  test(`decodeTransfer() ${encoding}: ${why}`, () =>
    assert.equal(decodeTransfer(Buffer.from(encoded, 'latin1'), encoding).toString('latin1'), decoded))

test('decodeTransfer() gives back what was encoded, and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array(), octets => {
      const buffer = Buffer.from(octets)
      const lines = buffer.toString('base64').replace(/.{20}/g, '$&\r\n')
      assert.deepEqual(decodeTransfer(Buffer.from(lines), 'base64'), buffer)
      const quoted = [...buffer].map(octet => `=${octet.toString(16).padStart(2, '0')}`).join('')
      assert.deepEqual(decodeTransfer(Buffer.from(quoted), 'quoted-printable'), buffer)
      decodeTransfer(buffer, 'quoted-printable')
      decodeTransfer(buffer, 'base64')
    }),
  )
})

test('foldText() makes equal letters equal', () => {
  const same = [
    ['É', 'e\u0301'],
    ['가', '\u1100\u1161'],
    ['ＡＢＣ', 'abc'],
    ['İ', 'i\u0307'],
    ['ﬁ', 'FI'],
  ] as const
  for (const [a, b] of same) assert.equal(foldText(a), foldText(b))
  assert.ok(!foldText('각').includes(foldText('가')))
})

test('plainText() takes time in proportion to the text, whatever is hidden in it', () => {
  const html = '<style>x</style>İ<STYLE>y</STYLE >z'.repeat(20_000)
  assert.equal(plainText(html).replaceAll(/İ *z */g, ''), '')
})
