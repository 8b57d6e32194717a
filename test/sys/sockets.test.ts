import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { exits } from '../../lib/sys/error.js'
import { Networks } from '../../lib/sys/network.js'
import {
  type Address,
  formatAddress,
  inheritedSockets,
  isLoopback,
  listen,
  parseAddress,
  plainAddress,
} from '../../lib/sys/sockets.js'

const addresses: [string, Address | undefined][] = [
  ['0.0.0.0:587', { host: '0.0.0.0', port: 587 }],
  ['[::]:587', { host: '::', port: 587 }],
  ['localhost:25', { host: 'localhost', port: 25 }],
  ['unix:/run/postern/lmtp.sock', { path: '/run/postern/lmtp.sock' }],
  ['587', undefined],
  ['127.0.0.1:70000', undefined],
  ['[127.0.0.1]:25', undefined],
  ['unix:', undefined],
  ['::1:25', undefined],
]
for (const [text, address] of addresses)
  test(`parseAddress() ${text}`, () => {
    assert.deepEqual(parseAddress(text), address)
    if (address) assert.equal(formatAddress(address), text)
  })

test('Networks hold what is in them, in both families', () => {
  const networks = new Networks(['127.0.0.0/8', '192.168.7.4', 'fd00::/8'])
  for (const inside of ['127.9.9.9', '192.168.7.4', 'fd12::1']) assert.ok(networks.has(inside), inside)
  for (const outside of ['128.0.0.1', '192.168.7.5', 'fe80::1', '', 'nonsense'])
    assert.ok(!networks.has(outside), outside)
})

for (const wrong of ['10.0.0.0/33', 'home', '10.0.0/8', '10.0.0.0/', 'fd00::/129'])
  test(`Networks refuse ${wrong}`, () => assert.throws(() => new Networks([wrong]), { exit: exits.config }))

test('an IPv4 peer of a dual-stack socket is what it is', () => {
  assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(plainAddress('fd00::1'), 'fd00::1')
  assert.ok(isLoopback('127.0.0.53') && isLoopback('::1') && isLoopback('') && !isLoopback('10.0.0.1'))
})

test('inheritedSockets() reads what systemd hands over, by name, and clears it', () => {
  const environment = { LISTEN_PID: String(process.pid), LISTEN_FDS: '3', LISTEN_FDNAMES: 'smtp:lmtp:smtp' }
  assert.deepEqual(
    [...inheritedSockets(environment)],
    [
      ['smtp', [3, 5]],
      ['lmtp', [4]],
    ],
  )
  assert.deepEqual(environment, {})
  assert.equal(inheritedSockets({ LISTEN_PID: '1', LISTEN_FDS: '3' }).size, 0)
})

test('listen() names the address that is taken', async t => {
  const first = createServer()
  await listen(first, { host: '127.0.0.1', port: 0 })
  t.after(() => first.close())
  const { port } = first.address() as { port: number }
  await assert.rejects(listen(createServer(), { host: '127.0.0.1', port }), {
    exit: exits.unavailable,
    message: new RegExp(`^127\\.0\\.0\\.1:${port} is taken`),
  })
})
