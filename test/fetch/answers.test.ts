/** Answers to FETCH as they come in: cut anywhere, right or wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Answers, octetsOfAnswer } from '../../lib/fetch/answers.js'
import { type Parts, type Row, readRow } from '../../lib/fetch/row.js'

function answersIn(chunks: readonly Buffer[], until = ''): { answers: Parts[]; rest: string } {
  const answers: Parts[] = []
  const reader = new Answers(parts => {
    answers.push(parts)
    return parts[0] !== until
  })
  let rest = ''
  for (const chunk of chunks) rest += rest === '' ? reader.push(chunk).toString('latin1') : chunk
  return { answers, rest }
}

const stream = Buffer.from(
  '* 1 FETCH (UID 5 BODY[] {6}\r\na\r\nb\r\n FLAGS ())\r\n* OK {3}\r\n\n)\r\r\n* 2 FETCH (BODY[] {0}\r\n)\n* BYE\r\n',
  'latin1',
)
const whole = [
  ['* 1 FETCH (UID 5 BODY[] {6}', Buffer.from('a\r\nb\r\n'), ' FLAGS ())'],
  ['* OK {3}', Buffer.from('\n)\r'), ''],
  ['* 2 FETCH (BODY[] {0}', Buffer.alloc(0), ')'],
  ['* BYE'],
]

test('answers are the same however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 30 }), cuts => {
      const chunks: Buffer[] = []
      let at = 0
      for (const cut of [...cuts, stream.length]) {
        chunks.push(stream.subarray(at, at + cut))
        at += cut
      }
      assert.deepEqual(answersIn(chunks).answers, whole)
    }),
  )
})

test('what follows the last answer that is wanted is given back', () => {
  const { answers, rest } = answersIn([Buffer.from('* 1 EXISTS\r\nP1 OK\r\n* 2 EXISTS\r\n')], 'P1 OK')
  assert.deepEqual([answers.length, rest], [2, '* 2 EXISTS\r\n'])
})

test('an answer can be said again', () => {
  const [first = []] = whole
  assert.equal(octetsOfAnswer(first).toString(), '* 1 FETCH (UID 5 BODY[] {6}\r\na\r\nb\r\n FLAGS ())\r\n')
})

test('answers without an end, and literals that nothing could hold, break the connection', () => {
  assert.throws(() => answersIn([Buffer.from('* 1 FETCH (BODY[] {9999999999}\r\n')]), /too large/)
  assert.throws(() => answersIn(Array(17).fill(Buffer.alloc(65_536, 'x'))), /without an end/)
})

const date = Date.UTC(2023, 10, 14, 22, 13, 21)
const rows: readonly (readonly [Parts, Row | undefined])[] = [
  [['* 1 FETCH (UID 7 RFC822.SIZE 90 MODSEQ (600))'], { uid: 7, size: 90 }],
  [
    ['* 1 fetch (flags (\\Seen  $x ) uid 7 internaldate "14-Nov-2023 22:13:21 +0000")'],
    { uid: 7, flags: ['\\Seen', '$x'], date },
  ],
  [
    ['*  1  FETCH  ( UID  7 FLAGS NIL INTERNALDATE "whenever" BODY[] NIL )  '],
    { uid: 7, flags: [], octets: Buffer.alloc(0) },
  ],
  [
    ['* 1 FETCH (INTERNALDATE NIL BODY[]<0> ~{2}', Buffer.from('ab'), ' UID 7)'],
    { uid: 7, octets: Buffer.from('ab') },
  ],
  [
    ['* 1 FETCH (UID 7 BODY[HEADER.FIELDS (Message-ID "Date")] "a: \\"b\\\\c\\"")'],
    { uid: 7, head: Buffer.from('a: "b\\c"') },
  ],
  [
    ['* 1 FETCH (X-GM-MSGID 12 X-GM-LABELS ("\\\\Important" &yATMtA- {1}', Buffer.from('x'), ') UID 7)'],
    { uid: 7, id: '12', labels: ['\\Important', '전체', 'x'] },
  ],
  [['* 1 FETCH (EMAILID (M6d) THREADID NIL UID 7)'], { uid: 7, id: 'M6d' }],
  [['* 1 FETCH (UID seven)'], { uid: 0 }],
  [['* 1 FETCH (BODYSTRUCTURE (("a" NIL) ("b")) UID 7)'], { uid: 7 }],
  [['* 1 FETCH (UID 7'], undefined],
  [['* 1 FETCH (UID 7 FLAGS (\\Seen)'], undefined],
  [['* 1 FETCH (UID 7 FLAGS "a)'], undefined],
  [['* 1 FETCH (UID)'], undefined],
  [[`* 1 FETCH (UID 7 X ${'('.repeat(100)}${')'.repeat(100)})`], undefined],
  [['* 3 EXISTS'], undefined],
  [['P1 OK FETCH done'], undefined],
]
for (const [parts, row] of rows)
  test(`readRow() ${String(parts[0]).slice(0, 70)}`, () => assert.deepEqual(readRow(parts), row))

test('readRow() takes anything', () => {
  const text = fc.string({
    unit: fc.constantFrom(...'()[]{}"\\ <>0a~', '\r', 'NIL', 'UID ', 'BODY[]', '{1}'),
  })
  fc.assert(fc.property(text, line => void readRow([`* 1 FETCH (${line})`, Buffer.from('x'), line])))
})
