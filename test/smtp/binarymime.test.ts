import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Part, scanMessage } from '../../lib/message/structure.js'
import { decodeTransfer } from '../../lib/message/transfer.js'
import { BinaryMimeDecoder } from '../../lib/smtp/binarymime.js'

/** @param cuts where the octets are cut into chunks */
function convert(octets: Buffer, cuts: readonly number[] = []): Buffer {
  const decoder = new BinaryMimeDecoder()
  const at = [0, ...[...cuts].sort((a, b) => a - b), octets.length]
  const out = at.slice(1).map((end, i) => decoder.push(octets.subarray(at[i], end)))
  return Buffer.concat([...out, decoder.end()])
}

const wire = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')
const multipart = (boundary: string, more = '') =>
  `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=${boundary}\n${more}\n`
const binary = 'Content-Transfer-Encoding: binary\n'

const cases: [string, Buffer, string][] = [
  [
    'a message without binary parts is stored as any other',
    wire('Subject: x\n\na\n\nb'),
    'Subject: x\n\na\n\nb\n',
  ],
  [
    'a message that is binary itself',
    Buffer.concat([wire(`Content-Type: image/png\n${binary}\n`), Buffer.from('a\r\0\nb\r\n')]),
    `Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n${btoa('a\r\0\nb\r\n')}\n`,
  ],
  [
    'text parts stay, binary ones become base64, the line end before a boundary is no part of them',
    wire(`${multipart('b', binary)}--b\n\ntext\n--b\n${binary}\nabc\n--b--\nend\n`),
    `${multipart('b', 'Content-Transfer-Encoding: 8bit\n')}--b\n\ntext\n--b\nContent-Transfer-Encoding: base64\n\nYWJj\n--b--\nend\n`,
  ],
  [
    'a bare LF ends no line of binary data, and so begins no boundary',
    Buffer.concat([wire(`${multipart('b')}--b\n${binary}\n`), Buffer.from('x\n--b\r\n--c\r\n--b--')]),
    `${multipart('b')}--b\nContent-Transfer-Encoding: base64\n\n${btoa('x\n--b\r\n--c')}\n--b--\n`,
  ],
  [
    'an empty part, and one that has no end',
    wire(`${multipart('b')}--b\n${binary}\n--b\n${binary}\nabc\n`),
    `${multipart('b')}--b\nContent-Transfer-Encoding: base64\n\n--b\nContent-Transfer-Encoding: base64\n\nYWJjDQo=\n`,
  ],
  [
    'a message in a message, and a boundary that begins as another does',
    wire(
      `${multipart('b')}--b\nContent-Type: message/rfc822\n${binary}\n${multipart('bb')}--bb\n${binary}\n1\n--bb--\n--b--\n`,
    ),
    `${multipart('b')}--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n${multipart('bb')}--bb\nContent-Transfer-Encoding: base64\n\nMQ==\n--bb--\n--b--\n`,
  ],
  [
    'an outer boundary ends the inner multipart, and a boundary ends a header',
    wire(
      `${multipart('o')}--o\n${multipart('i')}--i\n${binary}\n12\n--o\n${binary}--o\nX: y\n\n${binary}\n--o--\n`,
    ),
    `${multipart('o')}--o\n${multipart('i')}--i\nContent-Transfer-Encoding: base64\n\nMTI=\n--o\nContent-Transfer-Encoding: base64\n--o\nX: y\n\n${binary}\n--o--\n`,
  ],
  [
    'what is in a digest is a message',
    wire(`Content-Type: multipart/digest; boundary=d\n\n--d\n\nContent-Type: a/b\n${binary}\n\0\n--d--\n`),
    'Content-Type: multipart/digest; boundary=d\n\n--d\n\nContent-Type: a/b\nContent-Transfer-Encoding: base64\n\nAA==\n--d--\n',
  ],
  [
    'the first of two labels counts, whatever its case',
    wire('content-transfer-encoding: BINARY (all of it)\nContent-Transfer-Encoding: 7bit\nX: y\n\nabc'),
    'Content-Transfer-Encoding: base64\nX: y\n\nYWJj\n',
  ],
]
for (const [why, octets, stored] of cases)
  test(`BinaryMimeDecoder: ${why}`, () => {
    assert.equal(convert(octets).toString('latin1'), stored)
    const everywhere = Array.from(octets, (_, i) => i)
    assert.equal(convert(octets, everywhere).toString('latin1'), stored, 'octet by octet')
  })

const refused: [string, string][] = [
  ['a binary multipart without a boundary', `Content-Type: multipart/mixed\n${binary}\n--b\n`],
  ['a binary message/partial', `Content-Type: message/partial\n${binary}\nx\n`],
  ['a header without an end', `X: ${'x'.repeat(300_000)}`],
  ['a boundary line without an end', `${multipart('b')}--b${' '.repeat(5_000)}`],
  [
    'multiparts within multiparts without an end',
    Array.from({ length: 102 }, (_, i) => `${multipart(`b${i}.`)}--b${i}.\n`).join(''),
  ],
]
for (const [why, text] of refused)
  test(`BinaryMimeDecoder refuses ${why}`, () =>
    assert.throws(() => convert(wire(text)), { code: 554, status: '5.6.3' }))

interface Tree {
  readonly boundary?: string
  readonly parts?: readonly Tree[]
  readonly octets?: Buffer
}

const { tree } = fc.letrec<{ tree: Tree; leaf: Tree; multipart: Tree }>(tie => ({
  tree: fc.oneof({ maxDepth: 4, withCrossShrink: true }, tie('leaf'), tie('multipart')),
  leaf: fc.record({
    octets: fc
      .array(fc.constantFrom('\r', '\n', '\r\n', '-', '--', 'b', '\r\n--b', '\0', '\xff', 'x'.repeat(60)), {
        maxLength: 12,
      })
      .map(words => Buffer.from(words.join(''), 'latin1'))
      // Something that is in no boundary's way.
      .filter(octets => !octets.includes('\r\n--b') && !octets.toString('latin1').startsWith('--b')),
  }),
  multipart: fc.record({
    boundary: fc.constantFrom('b', 'ba', 'bb', 'bab', 'b-'),
    parts: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
  }),
}))

/** As octets of the wire, with a number of its own in each boundary. */
function write({ boundary = '', parts, octets }: Tree, path = 'x'): Buffer {
  if (!parts) return Buffer.concat([wire(`Content-Type: application/x\n${binary}\n`), octets as Buffer])
  const own = `${boundary}${path}`
  const pieces = parts.flatMap((part, i) => [wire(`\n--${own}\n`), write(part, `${path}${i}`)])
  return Buffer.concat([
    wire(`Content-Type: multipart/x; boundary="${own}"\n${binary}`),
    ...pieces,
    wire(`\n--${own}--`),
  ])
}

function leavesOf({ parts, octets }: Tree): Buffer[] {
  return parts ? parts.flatMap(leavesOf) : [octets as Buffer]
}

function storedLeaves(stored: Buffer, part: Part): Buffer[] {
  if (part.type === 'multipart') return part.parts.flatMap(each => storedLeaves(stored, each))
  assert.equal(part.encoding, 'base64')
  return [decodeTransfer(stored.subarray(part.bodyStart, part.bodyEnd), part.encoding)]
}

test('BinaryMimeDecoder: whatever the parts and wherever it is cut, a reader finds the same octets', () => {
  fc.assert(
    fc.property(tree, fc.array(fc.nat(2_000), { maxLength: 8 }), (message, cuts) => {
      const octets = write(message)
      const stored = convert(
        octets,
        cuts.map(cut => cut % (octets.length + 1)),
      )
      assert.deepEqual(stored, convert(octets))
      assert.ok(!stored.includes('\r') && !stored.includes(0))
      assert.deepEqual(storedLeaves(stored, scanMessage(stored)), leavesOf(message))
    }),
    { numRuns: 500 },
  )
})
