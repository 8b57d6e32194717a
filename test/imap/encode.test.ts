import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Decoder } from '../../lib/imap/decode.js'
import { astring, mailboxText, OctetWriter, quote } from '../../lib/imap/encode.js'

const written = (write: (out: OctetWriter) => void): string => {
  const out = new OctetWriter(8)
  write(out)
  return out.take().toString('latin1')
}

const strings = [
  ['abc', '"abc"'],
  ['', '""'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['tab\there', '"tab\there"'],
  ['caf\xe9', '{4}\r\ncaf\xe9'],
  ['a\r\nb', '{4}\r\na\r\nb'],
  ['a\0b', '{2}\r\nab'],
  ['x'.repeat(1_500), `{1500}\r\n${'x'.repeat(1_500)}`],
] as const

for (const [octets, wire] of strings)
  test(`binary() writes ${JSON.stringify(octets.slice(0, 20))}`, () =>
    assert.equal(
      written(out => out.binary(octets)),
      wire,
    ))

test('numbers come out as numbers', () =>
  fc.assert(
    fc.property(fc.oneof(fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })), number =>
      assert.equal(
        written(out => out.number(number)),
        String(number),
      ),
    ),
  ))

test('what a writer took does not change with what is written next', () => {
  const out = new OctetWriter(4)
  const first = out.text('first').take()
  out.text('other')
  assert.equal(first.toString(), 'first')
  assert.equal(out.length, 5)
  const from = out.text('!').copyFrom(5)
  out.truncate(0)
  out.text('xxxxxxx')
  assert.equal(from.toString(), '!')
})

/** What a client of ours would read. */
function read(wire: Buffer): Buffer {
  const [head] = /^\{\d+\}\r\n/.exec(wire.toString('latin1')) ?? []
  const literal = head === undefined ? undefined : wire.subarray(head.length)
  return new Decoder([{ text: literal ? Buffer.alloc(0) : wire, literal }]).string('It')
}

test('every string comes back as it was, but for NUL', () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), octets => {
      const text = Buffer.from(octets).toString('latin1')
      const wire = Buffer.from(
        written(out => out.binary(text)),
        'latin1',
      )
      assert.equal(read(wire).toString('latin1'), text.replaceAll('\0', ''))
    }),
  ))

test('every text comes back as it was', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      if (text.includes('\0')) return
      assert.equal(read(Buffer.from(quote(text))).toString(), text)
    }),
  ))

test('mailbox names are written bare where they may be, NIL never', () => {
  assert.equal(mailboxText('INBOX'), 'INBOX')
  assert.equal(mailboxText('a b'), '"a b"')
  assert.equal(mailboxText('nil'), '"nil"')
  assert.equal(mailboxText('보낸'), '&vPSwuA-')
  assert.equal(mailboxText('보낸', true), '"보낸"')
  assert.equal(mailboxText('R&D'), 'R&-D')
  assert.equal(astring(''), '""')
  assert.equal(astring('a%b'), '"a%b"')
})
