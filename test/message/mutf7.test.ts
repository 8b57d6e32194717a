import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMutf7, encodeMutf7 } from '../../lib/message/mutf7.js'

const names = [
  ['INBOX', 'INBOX'],
  ['', ''],
  ['R&D', 'R&-D'],
  ['&&', '&-&-'],
  ['~peter/mail/台北/日本語', '~peter/mail/&U,BTFw-/&ZeVnLIqe-'], // RFC 3501 §5.1.3
  ['Entwürfe', 'Entw&APw-rfe'],
  ['보낸편지함', '&vPSwuNO4ycDVaA-'],
  ['휴지통&보관', '&1zTJwNG1-&-&vPStAA-'],
  ['😀', '&2D3eAA-'],
  ['a\nb', 'a&AAo-b'],
] as const
for (const [name, text] of names)
  test(`${JSON.stringify(name)} is ${text}`, () => {
    assert.equal(encodeMutf7(name), text)
    assert.equal(decodeMutf7(text), name)
  })

const invalid = [
  ['&', 'a shift that does not end'],
  ['a&b', 'a shift that does not end'],
  ['&AGE', 'a shift that does not end'],
  ['&AGE-', 'a letter in base64 that can stand for itself'],
  ['&U,BTFw-&ZeVnLIqe-', 'a shift that follows another (RFC 3501 §5.1.3)'],
  ['&U/BTFw-', 'a slash in base64'],
  ['&U-', 'less than one character'],
  ['&ZeV-', 'stray bits'],
  ['&APx-', 'stray bits'],
  ['&2D0-', 'half of a character'],
  ['&3gDYPQ-', 'halves in the wrong order'],
  ['&APw=-', 'padding'],
  ['&AP w-', 'space in base64'],
  ['Entwürfe', '8-bit octets'],
  ['a\x07', 'a control character'],
] as const
for (const [text, why] of invalid)
  test(`decodeMutf7() refuses ${JSON.stringify(text)}: ${why}`, () =>
    assert.equal(decodeMutf7(text), undefined))

test('half a character becomes U+FFFD', () => assert.equal(decodeMutf7(encodeMutf7('a\ud800b')), 'a\ufffdb'))

test('shifts without end do not make decoding slow', () => {
  assert.equal(decodeMutf7('&'.repeat(300_000)), undefined)
  assert.equal(decodeMutf7('&A'.repeat(300_000)), undefined)
})

test('every name survives', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), name => decodeMutf7(encodeMutf7(name)) === name))
  fc.assert(fc.property(fc.string({ unit: 'binary' }), name => /^[\x20-\x7e]*$/.test(encodeMutf7(name))))
})

test('what decodes has no other form', () => {
  const text = fc.string({ unit: fc.constantFrom(...'&-,/A2DZaeP9') })
  fc.assert(
    fc.property(text, given => {
      const name = decodeMutf7(given)
      return name === undefined || encodeMutf7(name) === given
    }),
  )
})
