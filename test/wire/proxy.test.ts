import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Log } from '../../lib/sys/log.js'
import { Networks } from '../../lib/sys/network.js'
import { Listener } from '../../lib/wire/listener.js'
import { parseBlock, parseLine } from '../../lib/wire/proxy.js'
import { Identity } from '../../lib/wire/tls.js'
import { until } from '../support/world.js'

const lines: [string, object | undefined | 'refused'][] = [
  ['PROXY TCP4 192.0.2.1 127.0.0.1 51000 993', { address: '192.0.2.1', port: 51_000 }],
  ['PROXY TCP6 2001:db8::1 ::1 51000 993', { address: '2001:db8::1', port: 51_000 }],
  ['PROXY UNKNOWN', undefined],
  ['PROXY UNKNOWN ffff::1 ffff::2 1 2', undefined],
  ['PROXY TCP4 2001:db8::1 ::1 51000 993', 'refused'],
  ['PROXY TCP4 192.0.2.1 127.0.0.1 99999 993', 'refused'],
  ['PROXY TCP4 192.0.2.1 127.0.0.1 51000', 'refused'],
  ['a LOGIN alice secret', 'refused'],
  ['', 'refused'],
]
for (const [line, peer] of lines)
  test(`a version 1 header "${line}"`, () => {
    if (peer === 'refused') assert.throws(() => parseLine(line), /must send a PROXY header/)
    else assert.deepEqual(parseLine(line), peer)
  })

const blocks: [string, number, string, object | undefined | 'refused'][] = [
  ['IPv4', 0x11, 'c0000201 7f000001 c738 03e1', { address: '192.0.2.1', port: 51_000 }],
  ['IPv4 with TLVs', 0x11, 'c0000201 7f000001 c738 03e1 02000161', { address: '192.0.2.1', port: 51_000 }],
  [
    'IPv6',
    0x21,
    `20010db8${'0'.repeat(23)}1${'0'.repeat(31)}1c73803e1`,
    { address: '2001:db8::1', port: 51_000 },
  ],
  [
    'IPv4 in IPv6',
    0x21,
    `${'0'.repeat(20)}ffffc0000201${'0'.repeat(31)}1c73803e1`,
    { address: '192.0.2.1', port: 51_000 },
  ],
  ['a Unix socket', 0x31, '00'.repeat(216), undefined],
  ['cut short', 0x11, 'c0000201 7f000001', 'refused'],
]
for (const [what, family, hex, peer] of blocks)
  test(`a version 2 header: ${what}`, () => {
    const block = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    if (peer === 'refused') assert.throws(() => parseBlock(family, block), /cut short/)
    else assert.deepEqual(parseBlock(family, block), peer)
  })

const pem = (name: string) => readFileSync(`fixtures/tls/${name}.pem`)
const version2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc00002017f000001c73803e1', 'hex')
const header = {
  'version 1': Buffer.from('PROXY TCP4 192.0.2.1 127.0.0.1 51000 993\r\n'),
  'version 2': version2,
}

for (const [version, octets] of Object.entries(header))
  for (const tls of ['off', 'implicit'] as const)
    test(`behind a proxy the session knows its real peer: ${version}, TLS ${tls}`, async t => {
      const listener = new Listener({
        address: { host: '127.0.0.1', port: 0 },
        tls,
        identity: new Identity({ certificate: pem('localhost'), key: pem('localhost-key') }),
        log: new Log({ write: () => {} }),
        proxies: new Networks(['127.0.0.1']),
        serve: async connection =>
          connection.write(`${connection.remoteAddress} ${connection.remotePort}\r\n`),
      })
      await listener.open()
      t.after(() => listener.close(0))
      const plain = connect(listener.port, '127.0.0.1')
      plain.write(octets)
      const socket =
        tls === 'off' ? plain : connectTls({ socket: plain, servername: 'localhost', ca: pem('ca') })
      let got = ''
      socket.on('data', chunk => {
        got += chunk
      })
      await until(() => got === '192.0.2.1 51000\r\n')
    })

test('a peer that is no configured proxy is not believed, and a proxy without header is refused', async t => {
  const seen: string[] = []
  const open = async (networks: string[]) => {
    const listener = new Listener({
      address: { host: '127.0.0.1', port: 0 },
      tls: 'off',
      identity: undefined,
      log: new Log({ write: () => {} }),
      proxies: new Networks(networks),
      serve: async connection => {
        seen.push(`${connection.remoteAddress} ${await connection.readLine(200, 5_000)}`)
      },
    })
    await listener.open()
    t.after(() => listener.close(0))
    return listener.port
  }
  connect(await open(['192.0.2.0/24']), '127.0.0.1').write(header['version 1'])
  await until(() => seen.length === 1)
  assert.deepEqual(seen, ['127.0.0.1 PROXY TCP4 192.0.2.1 127.0.0.1 51000 993'])
  const socket = connect(await open(['127.0.0.1']), '127.0.0.1')
  let closed = false
  socket.on('close', () => {
    closed = true
  })
  socket.resume()
  socket.write('a LOGIN alice secret\r\n')
  await until(() => closed)
  assert.equal(seen.length, 1)
})
