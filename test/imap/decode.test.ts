import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Decoder, type Piece } from '../../lib/imap/decode.js'
import { ImapError } from '../../lib/imap/reply.js'

/** A decoder over text and literals by turns. */
function over(...parts: (string | Buffer)[]): Decoder {
  const pieces: Piece[] = []
  for (let at = 0; at < parts.length || at === 0; at += 2)
    pieces.push({ text: Buffer.from(parts[at] ?? ''), literal: parts[at + 1] as Buffer | undefined })
  return new Decoder(pieces as [Piece, ...Piece[]])
}

const refused = (condition: string) => (error: unknown) =>
  error instanceof ImapError && error.condition === condition

const astrings = [
  // on the wire            read
  ['abc', 'abc'],
  ['a]b', 'a]b'],
  ['"a b"', 'a b'],
  ['""', ''],
  ['"a\\"b\\\\c"', 'a"b\\c'],
  ['"\\\\"', '\\'],
  ['NIL', 'NIL'],
  ['nil', 'nil'],
  ['"한글"', '한글'],
] as const

for (const [wire, read] of astrings)
  test(`astring ${wire} is ${JSON.stringify(read)}`, () => {
    const decoder = over(wire)
    assert.equal(decoder.text('It'), read)
    decoder.end()
  })

for (const wire of ['', ' a', '(', '"a', '"a\\"', '%', '*', '\\a', '{'])
  test(`astring refuses ${JSON.stringify(wire)}`, () =>
    assert.throws(() => over(wire).astring('It'), refused('BAD')))

test('a literal is a string, between text before and text after it', () => {
  const decoder = over('a ', Buffer.from('x\r\ny'), ' b')
  assert.equal(decoder.atom('It'), 'a')
  decoder.space()
  assert.equal(decoder.peek, '')
  assert.equal(decoder.atEnd, false)
  assert.equal(decoder.string('It').toString(), 'x\r\ny')
  decoder.space()
  assert.equal(decoder.atom('It'), 'b')
  assert.equal(decoder.atEnd, true)
})

test('a literal does not stick to an atom before it', () => {
  const decoder = over('ab', Buffer.from('x'), '')
  assert.equal(decoder.astring('It').toString(), 'ab')
  assert.throws(() => decoder.space(), refused('BAD'))
  assert.throws(() => decoder.end(), refused('BAD'))
})

test('nstring knows NIL in any case, and a quoted NIL as a word', () => {
  assert.equal(over('NIL').nstring('It'), undefined)
  assert.equal(over('nil').nstring('It'), undefined)
  assert.equal(over('"NIL"').nstring('It')?.toString(), 'NIL')
})

const names = [
  ['inbox', 'INBOX'],
  ['"INBOX"', 'INBOX'],
  ['InBox.Sent', 'INBOX.Sent'],
  ['inboxes', 'inboxes'],
  ['&ZeVnLIqe-', '日本語'],
  ['R&-D', 'R&D'],
  ['"보낸 편지함"', '보낸 편지함'],
  ['NIL', 'NIL'],
] as const

for (const [wire, name] of names)
  test(`mailbox ${wire} is ${name}`, () => assert.equal(over(wire).mailbox(), name))

for (const wire of ['R&D', '"a\\\\\tb"', '&Jjo', '"\u00ff'])
  test(`mailbox refuses ${JSON.stringify(wire)}`, () =>
    assert.throws(
      () => over(wire).mailbox(),
      (error: unknown) => error instanceof ImapError,
    ))

test('list reads items between parentheses', () => {
  assert.deepEqual(
    over('()').list(() => 1),
    [],
  )
  const decoder = over('(\\Seen $Junk)')
  assert.deepEqual(
    decoder.list(() => decoder.flag()),
    ['\\Seen', '$Junk'],
  )
  const open = over('(a b')
  assert.throws(() => open.list(() => open.atom('It')), refused('BAD'))
})

test('numbers have a largest value', () => {
  assert.equal(over('4294967295').number('It'), 4294967295)
  assert.throws(() => over('4294967296').number('It'), refused('BAD'))
  assert.throws(() => over('0').nzNumber('It'), refused('BAD'))
  assert.throws(() => over('1e3').number('It'), refused('BAD'))
})

test('blanks at the end are no argument', () => over('  ').end())

test('any octets are read or refused, and reading ends', () =>
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(13), { maxLength: 30 }),
      (parts, steps) => {
        const decoder = over(...parts.map(part => Buffer.from(part)))
        const ways: ((d: Decoder) => unknown)[] = [
          d => d.tryTag(),
          d => d.atom('x'),
          d => d.astring('x'),
          d => d.string('x'),
          d => d.nstring('x'),
          d => d.number('x'),
          d => d.set(),
          d => d.mailbox(),
          d => d.pattern(),
          d => d.list(() => d.flag()),
          d => d.keyword('x'),
          d => d.text('x'),
          d => d.trySpace(),
          d => d.tryWord('NIL'),
        ]
        for (const step of steps)
          try {
            ways[step]?.(decoder)
          } catch (error) {
            assert.ok(error instanceof ImapError, String(error))
          }
      },
    ),
  ))
