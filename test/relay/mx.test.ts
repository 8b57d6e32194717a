import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { type Directory, serversOf, Undeliverable } from '../../lib/relay/mx.js'
import { NoConnection } from '../../lib/smtp/no-connection.js'
import { until } from '../support/world.js'
import { Sink } from './sink.js'
import { world } from './world.js'

const failure = (code: string) => Object.assign(new Error(code), { code })

/** DNS as a table: MX records, an error's code, or whether the name has an address. */
function directory(mx: [number, string][] | string, address: boolean | string = true): Directory {
  return {
    mx: async () => {
      if (typeof mx === 'string') throw failure(mx)
      return mx.map(([priority, exchange]) => ({ priority, exchange }))
    },
    hasAddress: async () => {
      if (typeof address === 'string') throw failure(address)
      return address
    },
  }
}

const found: [string, Directory, string[], string][] = [
  [
    'x.org',
    directory([
      [20, 'b'],
      [10, 'a'],
      [30, 'c'],
    ]),
    ['a', 'b', 'c'],
    'by preference',
  ],
  ['x.org', directory('ENODATA'), ['x.org'], 'no MX: the domain itself'],
  ['x.org', directory([]), ['x.org'], 'an empty answer'],
  [
    'x.org',
    directory([
      [10, 'a'],
      [20, 'Me.internal.'],
      [20, 'b'],
      [30, 'c'],
    ]),
    ['a'],
    'only what is better than ourselves',
  ],
  ['[10.0.0.1]', directory('ESERVFAIL'), ['10.0.0.1'], 'an address literal'],
  ['[IPv6:fd00::1]', directory('ESERVFAIL'), ['fd00::1'], 'an address literal of IPv6'],
]
for (const [domain, dns, expected, why] of found)
  test(`serversOf() ${domain} - ${why}`, async () =>
    assert.deepEqual(await serversOf(domain, 'me.internal', dns), expected))

const never: [Directory, string, string][] = [
  [directory([[0, '']]), '5.1.10', 'a null MX'],
  [directory([[0, '.']]), '5.1.10', 'a null MX with its dot'],
  [directory('ENOTFOUND', false), '5.1.2', 'no such domain'],
  [directory([[10, 'me.internal']]), '5.4.6', 'we are the only server'],
]
for (const [dns, status, why] of never)
  test(`serversOf() never: ${why}`, () =>
    assert.rejects(
      serversOf('x.org', 'me.internal', dns),
      error => error instanceof Undeliverable && error.status === status,
    ))

for (const dns of [directory('ESERVFAIL'), directory('ETIMEOUT'), directory('ENODATA', 'ESERVFAIL')])
  test('serversOf() not now: DNS gives no answer', () =>
    assert.rejects(serversOf('x.org', 'me.internal', dns), NoConnection))

test('direct: the first server is down, the second takes it, signed', async t => {
  const w = await world(t)
  const sink = await Sink.start({}, 0, '127.0.0.3')
  t.after(() => sink.close())
  await w.send({})
  const key = generateKeyPairSync('ed25519').privateKey
  const dns = directory([
    [10, '127.0.0.2'],
    [20, '127.0.0.3'],
  ])
  await w
    .relay(
      { direct: true, directPort: sink.port, dkim: { domain: 'x.internal', selector: 's', key } },
      { dns },
    )
    .once()
  assert.match(sink.received[0]?.text ?? '', /^DKIM-Signature: v=1;/)
  assert.deepEqual(await w.queue.list(), [])
})

test('direct: DNS that is slow for one domain holds up nobody else', async t => {
  const w = await world(t)
  const sink = await Sink.start({}, 0, '127.0.0.3')
  t.after(() => sink.close())
  let answer = () => {}
  const slow = new Promise<void>(resolve => (answer = resolve))
  const dns: Directory = {
    mx: async domain => {
      if (domain === 'slow.org') await slow
      return [{ priority: 1, exchange: '127.0.0.3' }]
    },
    hasAddress: async () => false,
  }
  for (let i = 0; i < 20; i++) await w.send({ to: [`a${i}@slow.org`, `b${i}@there.org`] })
  const relay = w.relay({ direct: true, directPort: sink.port }, { dns })
  await relay.start()
  await until(() => sink.received.length === 20)
  assert.ok(sink.received.every(({ recipients }) => /@there\.org/.test(recipients.join())))
  answer()
  await until(() => sink.received.length === 40)
  await relay.settled()
  assert.deepEqual(await w.queue.list(), [])
})

test('direct: a domain that is not there is told to the sender at once, others go on', async t => {
  const w = await world(t)
  const sink = await Sink.start({}, 0, '127.0.0.3')
  t.after(() => sink.close())
  const dns: Directory = {
    mx: async domain => {
      if (domain === 'gone.org') throw failure('ENOTFOUND')
      if (domain === 'slow.org') throw failure('ETIMEOUT')
      return [{ priority: 1, exchange: '127.0.0.3' }]
    },
    hasAddress: async () => false,
  }
  const id = await w.send({ to: ['a@gone.org', 'b@there.org', 'c@slow.org'] })
  await w.relay({ direct: true, directPort: sink.port }, { dns }).once()
  assert.equal(sink.received.length, 1)
  assert.deepEqual(
    w.queue.read(id)?.recipients.map(({ state }) => state),
    ['failed', 'relayed', 'waiting'],
  )
  assert.match(w.local[0]?.text ?? '', /a@gone\.org\nAction: failed\nStatus: 5\.1\.2/)
})
