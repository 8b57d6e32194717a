import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  dueAt,
  type Envelope,
  envelopeOf,
  isFinished,
  isIdentifier,
  newIdentifier,
  reportIdentifier,
} from '../../lib/queue/entry.js'
import { formatEnvelope, parseEnvelope } from '../../lib/queue/envelope-text.js'

const address = fc.stringMatching(/^[a-z0-9가-힣.+-]{1,20}@[a-z.]{1,20}$/)
const recipient = fc.record(
  {
    address,
    original: fc.constant('rfc822;x@y'),
    notify: fc.subarray(['success', 'failure', 'delay'] as const, { minLength: 1 }),
    state: fc.constantFrom('waiting', 'delivered', 'relayed', 'passed', 'failed'),
    due: fc.nat(),
    attempts: fc.nat(),
    said: fc.record({ at: fc.nat(), code: fc.nat(999), status: fc.string(), text: fc.string() }),
  },
  { requiredKeys: ['address', 'state', 'due', 'attempts'] },
)
const envelope = fc.record(
  {
    arrived: fc.nat(),
    sender: fc.oneof(address, fc.constant('')),
    recipients: fc.array(recipient),
    size: fc.nat(),
    wireSize: fc.nat(),
    envid: fc.string(),
    ret: fc.constantFrom('full', 'headers'),
    utf8: fc.boolean(),
    held: fc.string(),
    login: fc.string(),
    owed: fc.array(
      fc.record({
        kind: fc.constantFrom('failure', 'delay', 'success'),
        number: fc.nat(),
        recipients: fc.array(address),
      }),
    ),
  },
  { requiredKeys: ['arrived', 'sender', 'recipients', 'size', 'wireSize'] },
) as fc.Arbitrary<Envelope>

test('an envelope comes back as it was written, in one line', () => {
  fc.assert(
    fc.property(envelope, each => {
      const text = formatEnvelope(each)
      assert.equal(text.indexOf('\n'), text.length - 1)
      assert.deepEqual(parseEnvelope(text), JSON.parse(JSON.stringify(each)))
    }),
  )
})

test('whatever is read, it is an envelope or nothing', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        envelope.map(each => formatEnvelope(each).slice(0, -3)),
      ),
      text => {
        const read = parseEnvelope(text)
        assert.ok(read === undefined || typeof read.sender === 'string')
      },
    ),
  )
})

const good = envelopeOf({ sender: 'a@x', recipients: [{ address: 'b@y' }] }, { size: 1, wireSize: 1 }, 5)
const broken: [string, object][] = [
  ['an unknown key', { ...good, extra: 1 }],
  ['a key of Object', { ...good, constructor: 1 }],
  ['a sender that ends a command', { ...good, sender: 'a@x>\r\nDATA' }],
  ['a recipient that is empty', { ...good, recipients: [{ ...good.recipients[0], address: '' }] }],
  ['a state that there is not', { ...good, recipients: [{ ...good.recipients[0], state: 'lost' }] }],
  ['a time that is no number', { ...good, arrived: 'now' }],
  ['recipients that are no list', { ...good, recipients: {} }],
]
for (const [what, value] of broken)
  test(`parseEnvelope() refuses ${what}`, () =>
    assert.equal(parseEnvelope(JSON.stringify({ version: 1, ...value })), undefined))

test('identifiers sort by time, and those of reports are identifiers', () => {
  const ids = [1_000, 1_764_000_000_000, 2_500_000_000_000].map(newIdentifier)
  assert.deepEqual([...ids].sort(), ids)
  for (const id of ids) {
    assert.ok(isIdentifier(id))
    assert.ok(isIdentifier(reportIdentifier(reportIdentifier(id, 1), 40)))
  }
  for (const text of ['', '..', 'a/b', '.hidden', 'MWTR02IPA8SRMY', `${ids[0]}-`, `${ids[0]}.x`])
    assert.ok(!isIdentifier(text), text)
})

test('a recipient who is named twice gets it once', () => {
  const twice = envelopeOf(
    { sender: '', recipients: [{ address: 'b@y' }, { address: 'b@y' }] },
    { size: 1, wireSize: 1 },
    5,
  )
  assert.equal(twice.recipients.length, 1)
})

test('dueAt(), isFinished()', () => {
  const [waiting] = good.recipients
  const done = { ...waiting!, state: 'relayed' } as const
  assert.equal(dueAt(good), 5)
  assert.equal(
    dueAt({
      ...good,
      recipients: [
        { ...waiting!, due: 9 },
        { ...waiting!, due: 7 },
      ],
    }),
    7,
  )
  assert.equal(dueAt({ ...good, held: 'x' }), Number.POSITIVE_INFINITY)
  assert.equal(dueAt({ ...good, recipients: [done] }), 0)
  assert.equal(isFinished({ ...good, recipients: [done] }), true)
  assert.equal(
    isFinished({ ...good, recipients: [done], owed: [{ kind: 'failure', number: 1, recipients: [] }] }),
    false,
  )
  assert.equal(isFinished({ ...good, recipients: [done, waiting!] }), false)
})
