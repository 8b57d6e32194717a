import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Daemon } from '../../lib/command/daemon.js'
import { imapService } from '../../lib/command/imapd.js'
import { type Config, loadConfig } from '../../lib/config/load.js'
import { makeAuthority, makeServer } from '../../lib/setup/certificate.js'
import { checkPorts } from '../../lib/setup/check-ports.js'
import { temporaryDirectory } from '../support/world.js'

const configuration = `hostname = "mail.home.internal"
domains = ["home.internal", "example.org"]
[users]
home = "home/%n"
[runtime]
directory = "run"
[login]
penalty = "0s"
[profiles]
listen = "127.0.0.1:0"
[[imapd.listen]]
address = "127.0.0.1:0"
tls = "implicit"
[[smtpd.listen]]
address = "0.0.0.0:587"
[[smtpd.listen]]
address = "0.0.0.0:465"
`

async function place(t: TestContext, keyType: 'ecdsa' | 'rsa' = 'ecdsa') {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'mail.toml')
  writeFileSync(file, configuration)
  writeFileSync(join(directory, 'users'), 'me:{PLAIN}secret:::Min & Co::\nyou:{PLAIN}other::::\n')
  const server = { certificate: join(directory, 'tls/mail.crt'), key: join(directory, 'tls/mail.key') }
  const authority = { certificate: join(directory, 'tls/ca.crt'), key: join(directory, 'tls/ca.key') }
  const now = new Date()
  await makeAuthority({ place: authority, domains: ['home.internal'], keyType, now })
  await makeServer({ authority, place: server, names: ['mail.home.internal', '127.0.0.1'], keyType, now })
  const run = (words: readonly string[], input = '') =>
    spawnSync(process.execPath, ['dist/bin/mail-cert.cjs', 'profile', '-c', file, ...words], { input })
  return { directory, file, run, authority: authority.certificate }
}

function openssl(...words: string[]): { status: number | null; stdout: Buffer; stderr: Buffer } {
  return spawnSync('openssl', words)
}

for (const keyType of ['ecdsa', 'rsa'] as const)
  test(`the Apple profile is signed, with an ${keyType} key, and holds authority and account`, async t => {
    const { directory, run, authority } = await place(t, keyType)
    const made = run(['me', '--password-stdin'], 'pass<word\n')
    assert.equal(made.status, 0, String(made.stderr))
    const file = join(directory, 'me.mobileconfig')
    writeFileSync(file, made.stdout)
    if (openssl('version').status !== 0) return t.skip('there is no openssl')
    const verify = ['smime', '-verify', '-inform', 'der', '-CAfile', authority, '-purpose', 'sslserver']
    const { status, stdout, stderr } = openssl(...verify, '-in', file)
    assert.equal(status, 0, String(stderr))
    const text = String(stdout)
    for (const part of [
      '<string>com.apple.security.root</string>',
      '<key>EmailAccountName</key>\n      <string>Min &amp; Co</string>',
      '<key>IncomingPassword</key>\n      <string>pass&lt;word</string>',
      '<key>OutgoingMailServerPortNumber</key>\n      <integer>465</integer>',
      '<key>IncomingMailServerHostName</key>\n      <string>mail.home.internal</string>',
    ])
      assert.ok(text.includes(part), `${part} is missing in\n${text}`)
    const data = /<data>([^<]+)<\/data>/.exec(text)?.[1] ?? ''
    const pem = readFileSync(authority, 'latin1').replace(/-.*-|\s/g, '')
    assert.equal(data, pem)
    // One octet of what is signed changes.
    const other = Buffer.from(made.stdout)
    other[other.indexOf('EmailTypeIMAP')] = 0x65
    writeFileSync(file, other)
    assert.notEqual(openssl(...verify, '-in', file).status, 0)
  })

test('made again, a profile has the same identifiers; another user has others', async t => {
  const { run } = await place(t)
  const identifiers = (user: string) =>
    String(run([user, '--unsigned']).stdout).match(/<string>[0-9A-F]{8}-[0-9A-F-]{27}<\/string>/g)
  const first = identifiers('me')
  assert.equal(new Set(first).size, 3)
  assert.deepEqual(identifiers('me@home.internal'), first)
  assert.notDeepEqual(identifiers('you'), first)
})

test('an app password is made and put inside; all formats are written for their owner alone', async t => {
  const { directory, run } = await place(t)
  const made = run(['me', '--app-password', 'phone', '--output', join(directory, 'out')])
  assert.equal(made.status, 0, String(made.stderr))
  const out = join(directory, 'out')
  assert.deepEqual(readdirSync(out).sort(), [
    'autodiscover.xml',
    'config-v1.1.xml',
    'me@home.internal.html',
    'me@home.internal.mobileconfig',
  ])
  for (const name of readdirSync(out)) assert.equal(statSync(join(out, name)).mode & 0o777, 0o600)
  assert.match(readFileSync(join(directory, 'users'), 'utf8'), /postern_label=phone/)
  const profile = readFileSync(join(out, 'me@home.internal.mobileconfig'), 'latin1')
  const [, password = ''] = /<key>IncomingPassword<\/key>\s*<string>([a-z0-9-]{23})</.exec(profile) ?? []
  const checked = spawnSync(
    process.execPath,
    ['dist/bin/mail-user.cjs', 'verify', '-c', join(directory, 'mail.toml'), 'me'],
    { input: `${password}\n`, encoding: 'utf8' },
  )
  assert.equal(checked.stdout, 'app password phone\n')
})

for (const [words, status] of [
  [['nobody'], 67],
  [['me', '--format', 'word'], 64],
  [['me', '--format', 'html', '--output', 'x'], 64],
  [['me', '--app-password', 'x', '--password-stdin'], 64],
] as const)
  test(`mail-cert profile ${words.join(' ')}: ${status}`, async t => {
    const { run } = await place(t)
    assert.equal(run(words).status, status)
  })

interface Reply {
  readonly status: number | undefined
  readonly type: string | undefined
  readonly text: string
}

function ask(port: number, ca: string, path: string, options: object = {}, body = ''): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, ca: readFileSync(ca), agent: false, ...options },
      response => {
        let text = ''
        response.setEncoding('latin1').on('data', chunk => {
          text += chunk
        })
        const { statusCode: status, headers } = response
        response.on('end', () => resolve({ status, type: headers['content-type'], text }))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

test('clients find their settings over HTTPS, and a profile behind the login', async t => {
  const { file, authority } = await place(t)
  const lines: string[] = []
  const log = { write: (line: string) => lines.push(line) }
  const daemon = await Daemon.start({ services: [imapService], file, log, watch: false })
  t.after(() => daemon.stop(0))
  const port = daemon.profilesPort as number
  const get = (path: string, options?: object, body?: string) => ask(port, authority, path, options, body)
  for (const path of [
    '/mail/config-v1.1.xml',
    '/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=me%40home.internal',
  ]) {
    const { status, type, text } = await get(path)
    assert.deepEqual([status, type], [200, 'text/xml; charset=utf-8'])
    assert.match(text, /<outgoingServer type="smtp">\s*<hostname>mail.home.internal<\/hostname>\s*<port>465</)
  }
  const question =
    '<Autodiscover><Request><EMailAddress>me@home.internal</EMailAddress></Request></Autodiscover>'
  const outlook = await get('/Autodiscover/Autodiscover.xml', { method: 'POST' }, question)
  assert.match(outlook.text, /<Type>SMTP<\/Type>\s*<Server>mail.home.internal<\/Server>\s*<Port>465</)
  assert.match(outlook.text, /<LoginName>me@home.internal<\/LoginName>/)
  assert.equal((await get('/autodiscover/autodiscover.xml')).status, 405)
  assert.equal((await get('/autodiscover/autodiscover.xml', { method: 'POST' }, '<x/>')).status, 400)
  assert.match((await get('/')).text, /mail.home.internal, port 465, SSL\/TLS/)
  assert.equal((await get('/ca.crt')).type, 'application/x-x509-ca-cert')
  assert.equal((await get('/%ff')).status, 404)
  assert.equal((await get('/../users')).status, 404)
  const path = '/me@home.internal.mobileconfig'
  const as = (user: string, password: string) => ({ auth: `${user}:${password}` })
  assert.equal((await get(path)).status, 401)
  assert.equal((await get(path, as('me', 'wrong'))).status, 401)
  assert.equal((await get(path, as('you', 'other'))).status, 403)
  const profile = await get(path, as('me', 'secret'))
  assert.deepEqual([profile.status, profile.type], [200, 'application/x-apple-aspen-config'])
  assert.match(profile.text, /com\.apple\.mail\.managed/)
  assert.doesNotMatch(profile.text, /secret/)
  const page = await get('/me@home.internal.html', as('me@home.internal', 'secret'))
  assert.equal(page.text.match(/<svg /g)?.length, 2)
  // As mail-check asks, for which the port has to be known.
  const config = await loadConfig(file)
  const known = {
    ...config,
    profiles: { listen: { host: '127.0.0.1', port } },
    smtpd: { ...config.smtpd, listen: [] },
  }
  const ca = readFileSync(authority, 'utf8')
  const check = async (wanted: Config) => {
    const found: string[] = []
    for await (const { what } of checkPorts(wanted, ca)) found.push(what)
    return found
  }
  assert.deepEqual(await check(known), [])
  assert.match(String(await check({ ...known, hostname: 'other.home.internal' })), /clients refuse/)
  assert.ok(lines.some(line => /event=login-failed .*address=127\.0\.0\.1 .*user=me@home/.test(line)))
})
