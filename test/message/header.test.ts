import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findBody, readHeader } from '../../lib/message/header.js'

const read = (text: string) => readHeader(Buffer.from(text, 'latin1'))

for (const [end, why] of [
  ['\n', 'LF'],
  ['\r\n', 'CRLF'],
])
  test(`readHeader() reads fields, folded lines and the body's start with ${why}`, () => {
    const text = ['From: a@b', 'Subject : one', '\ttwo', ' three ', 'X:', '', 'body'].join(end)
    const header = read(text)
    assert.deepEqual(
      header.fields.map(field => field.name),
      ['From', 'Subject', 'X'],
    )
    assert.equal(header.first('SUBJECT'), 'one\ttwo three')
    assert.equal(header.first('x'), '')
    assert.equal(header.first('To'), undefined)
    assert.equal(text.slice(header.bodyStart), 'body')
    assert.equal(
      header.fields.map(field => text.slice(field.start, field.end)).join('') + end,
      text.slice(0, header.bodyStart),
    )
  })

test('all() gives every field of a name in order', () =>
  assert.deepEqual(read('Received: 1\nA: x\nreceived: 2\n\n').all('Received'), ['1', '2']))

test('8-bit values are UTF-8 when they are valid UTF-8, else Latin-1', () => {
  assert.equal(readHeader(Buffer.from('Subject: 안녕\n\n')).first('subject'), '안녕')
  assert.equal(readHeader(Buffer.from('Subject: \ufffd한\n\n')).first('subject'), '\ufffd한')
  assert.equal(read('Subject: caf\xe9\n\n').first('subject'), 'café')
})

const odd = [
  ['', [], 0, 'nothing at all'],
  ['\nbody', [], 1, 'an empty header'],
  ['\r\nbody', [], 2, 'an empty header'],
  ['A: 1', ['A'], 4, 'no line end'],
  ['A: 1\n', ['A'], 5, 'no empty line'],
  ['no colon\nA: 1\n\nB: 2', ['', 'A'], 15, 'a line that is no field'],
  [' folded\nA: 1\n\n', ['', 'A'], 14, 'a folded line that follows nothing'],
  ['A: 1\n \n\nB: 2', ['A'], 8, 'a line of space does not end the header'],
  ['A: 1\r\r\nB: 2\n\r\n', ['A', 'B'], 14, 'a stray CR is not an empty line'],
  ['A: 1\rB: 2\n\n', ['A'], 11, 'a bare CR ends no line'],
  ['a\nb: 1\n\n', ['', 'b'], 8, 'a colon of the next line'],
] as const
for (const [text, names, bodyStart, why] of odd)
  test(`readHeader() of ${JSON.stringify(text)}: ${why}`, () => {
    const header = read(text)
    assert.deepEqual(
      header.fields.map(field => field.name),
      names,
    )
    assert.equal(header.bodyStart, bodyStart)
  })

test('readHeader() of a part looks at nothing outside of it', () => {
  const text = '\nA: 1\nB: 2\n\n'
  const header = readHeader(Buffer.from(text), 1, 8)
  assert.deepEqual(
    header.fields.map(field => [field.name, field.start, field.end]),
    [
      ['A', 1, 6],
      ['B', 6, 8],
    ],
  )
  assert.equal(header.bodyStart, 8)
})

test('more fields than are listed still end where the body starts', () => {
  const header = read(`${'a: b\n'.repeat(20_000)}\nbody`)
  assert.equal(header.fields.length, 10_000)
  assert.equal(header.bodyStart, 100_001)
})

test('a run of CRs does not make reading slow', () =>
  assert.equal(read(`A: b${'\r'.repeat(500_000)}c\n\n`).first('a')?.length, 500_002))

test('any octets: fields touch one another, and findBody() agrees', () => {
  const text = fc.string({ unit: fc.constantFrom('\r', '\n', '\n\n', ' ', 'a', ':', 'From: x\n', '\xff') })
  fc.assert(
    fc.property(text, given => {
      const header = read(given)
      let at = 0
      for (const field of header.fields) {
        assert.equal(field.start, at)
        assert.ok(field.valueStart >= at && field.valueStart <= field.end && field.end > at)
        at = field.end
      }
      assert.ok(at === header.bodyStart || /^\r?\n$/.test(given.slice(at, header.bodyStart)))
      assert.equal(findBody(header.octets), header.bodyStart)
    }),
  )
})
