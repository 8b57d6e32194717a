import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import {
  authorityPlace,
  type KeyType,
  longestLife,
  makeAuthority,
  makeServer,
  readFacts,
  readKey,
} from '../../lib/setup/certificate.js'
import { permittedDomains, serverCertificate } from '../../lib/setup/x509.js'
import { temporaryDirectory } from '../support/world.js'

const now = new Date()
const names = ['mail.home.internal', 'localhost', '127.0.0.1', '::1']

async function made(t: TestContext, keyType: KeyType) {
  const directory = join(temporaryDirectory(t), 'tls')
  const server = { certificate: join(directory, 'mail.crt'), key: join(directory, 'mail.key') }
  const authority = authorityPlace(server)
  await makeAuthority({ place: authority, domains: ['home.internal'], keyType, now })
  await makeServer({ authority, place: server, names, keyType, now })
  return { authority, server }
}

/** What a client says that trusts the authority: nothing when it believes that the server is `name`. */
async function opinion(
  t: TestContext,
  certificate: string,
  key: string,
  ca: string,
  name: string,
): Promise<string> {
  const server = createServer({ cert: certificate, key }, (socket: TLSSocket) => socket.end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  return new Promise(resolve => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      ca,
      servername: /[a-z]/.test(name) ? name : '',
      checkServerIdentity: (_, cert) => check(name, cert),
    })
    socket.on('secureConnect', () => resolve(''))
    socket.on('error', error => resolve(error.message))
  })
}

/** Node's own check, for addresses as well: the servername of a TLS handshake can be none. */
function check(name: string, certificate: { raw: Buffer }): Error | undefined {
  const parsed = new X509Certificate(certificate.raw)
  const fits = /^[\d.]+$|:/.test(name) ? parsed.checkIP(name) : parsed.checkHost(name)
  return fits === undefined ? new Error(`not ${name}`) : undefined
}

for (const keyType of ['ecdsa', 'rsa'] as const)
  test(`an authority and a server with ${keyType} keys: a client that trusts the one believes the other`, async t => {
    const { authority, server } = await made(t, keyType)
    const [certificate, key, ca] = [server.certificate, server.key, authority.certificate].map(file =>
      readFileSync(file, 'utf8'),
    ) as [string, string, string]
    for (const name of names) assert.equal(await opinion(t, certificate, key, ca, name), '', name)
    assert.equal(await opinion(t, certificate, key, ca, 'other.home.internal'), 'not other.home.internal')
    const { signed, issuer } = { signed: new X509Certificate(certificate), issuer: new X509Certificate(ca) }
    assert.ok(signed.verify(issuer.publicKey))
    assert.ok(signed.checkIssued(issuer))
    assert.ok(issuer.verify(issuer.publicKey))
  })

test('keys are for their owner alone', async t => {
  const { authority, server } = await made(t, 'ecdsa')
  assert.deepEqual(
    [authority.key, server.key, authority.certificate, server.certificate].map(file =>
      (statSync(file).mode & 0o777).toString(8),
    ),
    ['600', '600', '644', '644'],
  )
})

test('a certificate says what it should, for as long as devices allow', async t => {
  const { authority, server } = await made(t, 'ecdsa')
  const [ca, leaf] = [await readFacts(authority.certificate), await readFacts(server.certificate)]
  assert.deepEqual(leaf.names, names)
  assert.equal(leaf.subject, 'mail.home.internal')
  assert.equal(leaf.issuer, ca.subject)
  assert.equal(leaf.key, 'ECDSA P-256')
  assert.deepEqual([ca.authority, leaf.authority], [true, false])
  const life = (leaf.until.getTime() - leaf.from.getTime() + 1_000) / 86_400_000
  assert.equal(life, longestLife)
  assert.ok(leaf.from.getTime() <= now.getTime() - 3_600_000)
  assert.deepEqual(permittedDomains(readFileSync(authority.certificate, 'utf8')), [
    'home.internal',
    'localhost',
  ])
  const parsed = new X509Certificate(readFileSync(server.certificate))
  assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.match(parsed.serialNumber, /^[4-7][0-9A-F]{31}$/)
})

test('a server never outlives its authority', async t => {
  const { authority, server } = await made(t, 'ecdsa')
  const { until } = await readFacts(authority.certificate)
  await makeServer({
    authority,
    place: server,
    names,
    keyType: 'ecdsa',
    now: new Date(until.getTime() - 86_400_000),
  })
  assert.deepEqual((await readFacts(server.certificate)).until, until)
})

test('names beyond the authority are refused, by us and by every client', async t => {
  const { authority, server } = await made(t, 'ecdsa')
  for (const name of ['mail.google.com', 'nothome.internal', '8.8.8.8', '2001:4860:4860::8888'])
    await assert.rejects(
      makeServer({ authority, place: server, names: [name], keyType: 'ecdsa', now }),
      { exit: 65, message: /may not speak for/ },
      name,
    )
  for (const name of ['a b', '', 'x/y', 'mail..x'])
    await assert.rejects(
      makeServer({ authority, place: server, names: [name], keyType: 'ecdsa', now }),
      { exit: 65, message: /neither a DNS name nor an address/ },
      name,
    )
  const [issuerKey, key] = [await readKey(authority.key), await readKey(server.key)]
  const ca = readFileSync(authority.certificate, 'utf8')
  for (const name of ['mail.google.com', '8.8.8.8']) {
    const forged = serverCertificate(
      {
        name,
        names: [name],
        key,
        from: new Date(now.getTime() - 1_000),
        until: new Date(now.getTime() + 86_400_000),
      },
      { certificate: ca, key: issuerKey },
    )
    assert.match(
      await opinion(t, forged, readFileSync(server.key, 'utf8'), ca, name),
      /permitted subtree/,
      name,
    )
  }
})

test('names in another spelling are one', async t => {
  const { authority, server } = await made(t, 'ecdsa')
  await makeServer({
    authority,
    place: server,
    names: ['MAIL.Home.Internal.', '*.home.internal', 'FD00:0::1'],
    keyType: 'ecdsa',
    now,
  })
  assert.deepEqual((await readFacts(server.certificate)).names, [
    'mail.home.internal',
    '*.home.internal',
    'fd00::1',
  ])
})

test('an authority is not replaced by accident', async t => {
  const { authority } = await made(t, 'ecdsa')
  const before = readFileSync(authority.certificate, 'utf8')
  const again = { place: authority, domains: ['home.internal'], keyType: 'ecdsa', now } as const
  await assert.rejects(makeAuthority(again), { exit: 73, message: /--force/ })
  assert.equal(readFileSync(authority.certificate, 'utf8'), before)
  await makeAuthority({ ...again, force: true })
  assert.notEqual(readFileSync(authority.certificate, 'utf8'), before)
})

test('without an authority, or with the key of another, there is no certificate', async t => {
  const [one, two] = [await made(t, 'ecdsa'), await made(t, 'ecdsa')]
  const place = one.server
  const options = { place, names, keyType: 'ecdsa', now } as const
  await assert.rejects(
    makeServer({ ...options, authority: { certificate: one.authority.certificate, key: two.authority.key } }),
    { exit: 65, message: /is not the key of/ },
  )
  await assert.rejects(
    makeServer({ ...options, authority: { certificate: '/nowhere/ca.crt', key: '/nowhere/ca.key' } }),
    { exit: 66, message: /`mail-cert ca`/ },
  )
})
