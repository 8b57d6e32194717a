import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { changeHeader, type HeaderChange, rewriteHeader } from '../../lib/message/rewrite.js'
import { scanMessage } from '../../lib/message/structure.js'
import { toCrlf } from '../../lib/message/wire.js'

/** Rewrites a message that comes in chunks of some size. */
async function rewrite(octets: Buffer, changes: readonly HeaderChange[], size = 7): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let at = 0; at < octets.length; at += size) chunks.push(octets.subarray(at, at + size))
  const given: Buffer[] = []
  for await (const chunk of rewriteHeader(Readable.from(chunks), () => changes)) given.push(chunk)
  return Buffer.concat(given)
}

const cases = [
  ['A: 1\nB: 2\n\nbody', [{ remove: 'a' }], 'B: 2\n\nbody'],
  ['A: 1\n\tmore\nB: 2\na: 3\n\nbody', [{ remove: 'A' }], 'B: 2\n\nbody'],
  ['A: 1\nB: 2\na: 3\n\nbody', [{ set: 'A', value: 'x' }], 'A: x\nB: 2\n\nbody'],
  ['A: 1\n\nbody', [{ set: 'B', value: 'x' }], 'A: 1\nB: x\n\nbody'],
  ['A: 1\n\nbody', [{ add: 'B', value: 'x' }], 'B: x\nA: 1\n\nbody'],
  ['A: 1\r\n\r\nbody', [{ set: 'B', value: 'x' }], 'A: 1\r\nB: x\r\n\r\nbody'],
  ['A: 1\nB: 2\r\nno field\r\n\nbody', [{ remove: 'A' }], 'B: 2\r\nno field\r\n\nbody'],
  ['From x\nA: 1\n\nbody', [{ set: 'A', value: '2' }], 'From x\nA: 2\n\nbody'],
  ['A: 1', [{ set: 'B', value: 'x' }], 'A: 1\nB: x\n'],
  ['\nbody', [{ set: 'B', value: 'x' }], 'B: x\n\nbody'],
  ['', [{ add: 'B', value: 'x' }], 'B: x\n'],
  ['A: 1\n\nbody', [{ set: 'B', value: 'x' }, { set: 'A', value: 'y' }, { remove: 'b' }], 'A: y\n\nbody'],
  [
    'From: root@pve\nSubject: x\n\nFrom: body\n',
    [
      { set: 'From', value: 'me@gmail.com' },
      { set: 'Reply-To', value: 'root@pve' },
    ],
    'From: me@gmail.com\nSubject: x\nReply-To: root@pve\n\nFrom: body\n',
  ],
] as const
for (const [message, changes, changed] of cases)
  test(`${JSON.stringify(changes)} of ${JSON.stringify(message)}`, async () => {
    const octets = Buffer.from(message)
    assert.equal((await rewrite(octets, changes)).toString(), changed)
    const { bodyStart } = scanMessage(octets)
    const header = changeHeader(octets.subarray(0, bodyStart), () => changes)
    assert.equal(header.toString() + message.slice(bodyStart), changed)
  })

test('the changes are chosen by the header as it came, once', async () => {
  const seen: unknown[] = []
  const message = Readable.from([Buffer.from('From: a@b\n\nFrom: c@d\n')])
  const change = rewriteHeader(message, header => {
    seen.push(header.first('from'))
    return []
  })
  for await (const _ of change);
  assert.deepEqual(seen, ['a@b'])
})

const folder = 'fixtures/messages'
for (const name of readdirSync(folder).filter(file => file.endsWith('.eml')))
  test(`${name} passes unchanged, and loses nothing but what is removed`, async () => {
    const stored = readFileSync(`${folder}/${name}`)
    for (const octets of [stored, toCrlf(stored)]) {
      for (const size of [1, 64, 1 << 20]) assert.deepEqual(await rewrite(octets, [], size), octets)
      const field = scanMessage(octets).header.find('subject')
      assert.ok(field)
      const without = Buffer.concat([octets.subarray(0, field.start), octets.subarray(field.end)])
      assert.deepEqual(await rewrite(octets, [{ remove: 'Subject' }]), without)
    }
  })

test('any octets pass unchanged', async () => {
  const piece = fc.constantFrom(
    ...['\n', '\r\n', '\n\n', '\r', '--a', '--a--', '--ab', 'a', 'x: y\n', '\x00', '\xff', ' ', '\n--a\n'],
    ...['a', 'ab', ''].map(name => `Content-Type: multipart/mixed; boundary=${name}\n\n`),
    'Content-Type: message/rfc822\nContent-Disposition: inline\n\n',
  )
  const size = fc.integer({ min: 1, max: 50 })
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: piece, maxLength: 40 }), size, async (given, size) => {
      const octets = Buffer.from(given, 'latin1')
      assert.deepEqual((await rewrite(octets, [], size)).toString('latin1'), given)
    }),
    { numRuns: 300 },
  )
})

test('a run of CRs does not make rewriting slow', async () => {
  const octets = Buffer.from(`A: ${'\r'.repeat(1 << 20)}x\nB: 1\n\nbody\r\r\n`)
  assert.deepEqual(await rewrite(octets, [], 1 << 16), octets)
})

test('neither a huge header nor thousands of parts are too much', async () => {
  const huge = Buffer.from(`${'X: y\n'.repeat(300_000)}\nbody\n`)
  assert.equal((await rewrite(huge, [{ add: 'A', value: 'b' }], 1 << 16)).length, huge.length + 5)
  const parts = Buffer.from(
    `Content-Type: multipart/mixed; boundary=a\n\n${'--a\n\nx\n'.repeat(3_000)}--a--\n`,
  )
  assert.deepEqual(await rewrite(parts, [], 1 << 16), parts)
})

test('a source that fails fails the reader', async () => {
  async function* source() {
    yield Buffer.from('A: 1\n\nbody\n')
    throw new Error('disk on fire')
  }
  await assert.rejects(async () => {
    for await (const _ of rewriteHeader(source(), () => []));
  }, /disk on fire/)
})
