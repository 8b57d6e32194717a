import assert from 'node:assert/strict'
import { BlockList, isIP, SocketAddress } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { ipFamily, Networks } from '../../lib/sys/network.js'

const byte = fc.integer({ min: 0, max: 255 })
const four = fc.tuple(byte, byte, byte, byte).map(parts => parts.join('.'))
const group = fc.oneof(
  fc.constant('0'),
  fc.integer({ min: 0, max: 65_535 }).map(n => n.toString(16)),
)
const six = fc.oneof(
  fc.array(group, { minLength: 8, maxLength: 8 }).map(parts => parts.join(':')),
  fc
    .tuple(fc.array(group, { maxLength: 3 }), fc.array(group, { maxLength: 3 }))
    .map(([head, tail]) => `${head.join(':')}::${tail.join(':')}`),
  four.map(address => `::ffff:${address}`),
  fc.tuple(group, four).map(([head, address]) => `${head}::${address}`),
)
const address = fc.oneof(four, six)
const broken = fc.string({ unit: fc.constantFrom(...'0123456789af:./'), maxLength: 20 })

test('an address is one where node:net says so', () => {
  fc.assert(
    fc.property(fc.oneof(address, broken), text => assert.equal(ipFamily(text), isIP(text))),
    {
      numRuns: 2_000,
      examples: ['::', ':::', '1::2::3', '::1.2.3', '1:2:3:4:5:6:7::', '01.2.3.4', '::%eth0', ':1'].map(
        text => [text],
      ),
    },
  )
})

test('a network holds what node:net says it holds', () => {
  fc.assert(
    fc.property(address, fc.nat(128), fc.nat(127), byte, (network, length, at, other) => {
      const isFour = !network.includes(':')
      const bits = isFour ? length % 33 : length
      const list = new BlockList()
      list.addSubnet(network, bits, isFour ? 'ipv4' : 'ipv6')
      const networks = new Networks([`${network}/${bits}`])
      // A neighbour: the same address with one octet changed.
      const parts = network.split(isFour ? '.' : ':')
      const place = at % parts.length
      const neighbour = parts
        .map((part, i) => (i === place && part !== '' && !part.includes('.') ? `${other}` : part))
        .join(isFour ? '.' : ':')
      for (const one of [network, neighbour, '10.1.2.3', '::ffff:10.1.2.3', '::1']) {
        const family = one.includes(':') ? 'ipv6' : 'ipv4'
        assert.equal(networks.has(one), list.check(new SocketAddress({ address: one, family })), one)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a zone does not matter, and what is no address is in no network', () => {
  const networks = new Networks(['fe80::/10'])
  assert.ok(networks.has('fe80::1%eth0'))
  assert.ok(!networks.has('eth0'))
  assert.ok(!networks.has(''))
})
