/** Real SMTP clients against mail-smtpd: swaks, curl, smtplib, openssl. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { makePlace, type Place } from '../support/place.js'
import { has, Program } from '../support/program.js'
import { removeTree } from '../support/world.js'

const execute = promisify(execFile)
const options = { env: { ...process.env, LANG: 'C.UTF-8' }, maxBuffer: 1 << 26, timeout: 60_000 }

let place: Place
let smtpd: Program
let lan = 0
let submission = 0
let tls = 0

before(async () => {
  place = makePlace(
    `[[smtpd.listen]]
address = "127.0.0.1:0"
tls = "offered"
auth = "offered"
[[smtpd.listen]]
address = "127.0.0.1:0"
tls = "required"
auth = "required"
[[smtpd.listen]]
address = "127.0.0.1:0"
tls = "implicit"
auth = "required"
[[smtpd.listen]]
address = "unix:lmtp.sock"
protocol = "lmtp"
`,
    'mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"]\npenalty = "0s"',
  )
  appendFileSync(join(place.directory, 'users'), `carol:${scramOf('in the clear')}:::::\n`)
  smtpd = await Program.start('mail-smtpd', place.config)
  ;[lan = 0, submission = 0, tls = 0] = smtpd.ports('smtpd')
})

after(async () => {
  await smtpd?.stop()
  place?.remove()
})

beforeEach(() => {
  for (const user of ['alice', 'bob']) removeTree(place.maildir(user))
})

/** The keys of a password as `doveadm pw -s SCRAM-SHA-256` writes them. */
function scramOf(password: string): string {
  const salt = Buffer.from('a salt of sixteen')
  const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256')
  const mac = (key: string) => createHmac('sha256', salted).update(key).digest()
  const stored = createHash('sha256').update(mac('Client Key')).digest('base64')
  return `{SCRAM-SHA-256}4096,${salt.toString('base64')},${stored},${mac('Server Key').toString('base64')}`
}

/** The text of a user's only message. */
function received(user: string): string {
  const directory = join(place.maildir(user), 'new')
  const names = readdirSync(directory)
  assert.equal(names.length, 1)
  return readFileSync(join(directory, names[0] as string), 'utf8')
}

async function swaks(...args: string[]): Promise<string> {
  const base = ['--helo', 'client.example', '-f', 'alice@ilnmors.internal', '-t', 'bob@ilnmors.internal']
  const { stdout } = await execute('swaks', ['-s', 'localhost', ...base, ...args], options)
  return stdout
}

for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5'])
  for (const way of ['STARTTLS', 'TLS'])
    test(`swaks logs in with ${mechanism} over ${way}`, { skip: !has('swaks') }, async () => {
      const secure = way === 'TLS' ? ['-tlsc', '-p', `${tls}`] : ['-tls', '-p', `${submission}`]
      await swaks(
        ...secure,
        '--tls-verify',
        '--tls-ca-path',
        place.ca,
        '-a',
        mechanism,
        '-au',
        'alice',
        '-ap',
        'wonderland',
      )
      const text = received('bob')
      assert.match(
        text,
        /^Return-Path: <alice@ilnmors\.internal>\nDelivered-To: bob@ilnmors\.internal\nReceived: from client\.example/,
      )
      assert.match(text, /with ESMTPSA id /)
      assert.match(text, /\nThis is a test mailing\n/)
    })

test('swaks pipelines, as a device does without a login', { skip: !has('swaks') }, async () => {
  await swaks('-p', `${lan}`, '--pipeline')
  assert.match(received('bob'), /with ESMTP id /)
})

test('swaks sends to several at once', { skip: !has('swaks') }, async () => {
  await swaks('-p', `${lan}`, '-t', 'alice@ilnmors.internal,bob@ilnmors.internal')
  assert.equal(received('alice'), received('bob'))
})

test('swaks speaks LMTP over a Unix socket', { skip: !has('swaks') }, async () => {
  const socket = ['--socket', join(place.directory, 'lmtp.sock'), '--protocol', 'LMTP']
  const { stdout } = await execute(
    'swaks',
    [
      ...socket,
      '-f',
      'ann@x.example',
      '-t',
      'alice@ilnmors.internal,bob@ilnmors.internal,no@ilnmors.internal',
    ],
    options,
  ).catch(error => error)
  assert.equal(stdout.match(/<- {2}250 2\.0\.0 Ok: /g)?.length, 2)
  assert.match(stdout, /550 5\.1\.1 .*no@/)
  assert.match(received('alice'), /with LMTP id /)
  received('bob')
})

test('swaks is refused: a wrong password, no TLS, somebody else as sender', {
  skip: !has('swaks'),
}, async () => {
  const login = ['-a', 'PLAIN', '-au', 'alice']
  await assert.rejects(swaks('-tls', '-p', `${submission}`, ...login, '-ap', 'wrong'), {
    stdout: /535 5\.7\.8/,
  })
  await assert.rejects(swaks('-p', `${submission}`), { stdout: /530 5\.7\.0/ })
  await assert.rejects(
    swaks('-tlsc', '-p', `${tls}`, ...login, '-ap', 'wonderland', '-f', 'bob@ilnmors.internal'),
    { stdout: /553 5\.7\.1/ },
  )
  assert.throws(() => received('bob'))
})

const body = [
  'Subject: dots',
  'From: alice@ilnmors.internal',
  '',
  '.',
  '..',
  '.a',
  'ünï',
  'x'.repeat(2_000),
  '',
].join('\r\n')

test('curl sends over smtps and over STARTTLS, octet for octet', { skip: !has('curl') }, async () => {
  const file = join(place.directory, 'message')
  writeFileSync(file, body)
  const common = ['-sS', '--cacert', place.ca, '--user', 'alice:wonderland', '--upload-file', file]
  const envelope = ['--mail-from', 'alice@ilnmors.internal', '--mail-rcpt', 'bob@ilnmors.internal']
  await execute('curl', [...common, ...envelope, `smtps://localhost:${tls}/client.example`], options)
  assert.ok(received('bob').endsWith(body.slice(body.indexOf('\r\n\r\n')).replaceAll('\r\n', '\n')))
  removeTree(place.maildir('bob'))
  await execute(
    'curl',
    [...common, '--ssl-reqd', ...envelope, `smtp://localhost:${submission}/client.example`],
    options,
  )
  assert.match(received('bob'), /\n\.\n\.\.\n\.a\nünï\n/)
})

test("SCRAM-SHA-256 by RFC 7677, in Python's own words", { skip: !has('python3') }, async () => {
  const script = `
import smtplib, ssl, hashlib, hmac, base64
context = ssl.create_default_context(cafile=${JSON.stringify(place.ca)})
sha = lambda b: hashlib.sha256(b).digest()
mac = lambda k, b: hmac.new(k, b, hashlib.sha256).digest()
class Scram:
    first = 'n=carol,r=clientnonce'
    def __call__(self, challenge=None):
        if challenge is None: return 'n,,' + self.first
        text = challenge.decode()
        if text.startswith('r='):
            f = dict(p.split('=', 1) for p in text.split(','))
            assert f['r'].startswith('clientnonce')
            final = 'c=biws,r=' + f['r']
            self.salted = hashlib.pbkdf2_hmac('sha256', b'in the clear', base64.b64decode(f['s']), int(f['i']))
            self.message = ','.join((self.first, text, final)).encode()
            key = mac(self.salted, b'Client Key')
            proof = bytes(a ^ b for a, b in zip(key, mac(sha(key), self.message)))
            return final + ',p=' + base64.b64encode(proof).decode()
        assert text == 'v=' + base64.b64encode(mac(mac(self.salted, b'Server Key'), self.message)).decode()
        return ''
with smtplib.SMTP_SSL('localhost', ${tls}, context=context) as s:
    s.ehlo()
    assert 'SCRAM-SHA-256' in s.esmtp_features['auth']
    assert s.auth('SCRAM-SHA-256', Scram())[0] == 235
    s.sendmail('carol@ilnmors.internal', ['bob@ilnmors.internal'], 'x')
`
  await execute('python3', ['-c', script], options)
  received('bob')
})

test('smtplib: STARTTLS, login, UTF-8 addresses, refused recipients, large messages', {
  skip: !has('python3'),
}, async () => {
  const script = `
import smtplib, ssl
from email.message import EmailMessage
context = ssl.create_default_context(cafile=${JSON.stringify(place.ca)})
with smtplib.SMTP('localhost', ${submission}) as s:
    assert s.ehlo()[0] == 250
    assert not s.has_extn('nothing')
    s.starttls(context=context)
    s.login('alice', 'wonderland')
    assert s.has_extn('smtputf8') and s.has_extn('8bitmime') and s.esmtp_features['size'] == '52428800'
    m = EmailMessage()
    m['From'] = 'alice@ilnmors.internal'; m['To'] = 'bob@ilnmors.internal'; m['Subject'] = 'Grüße'
    m.set_content('Hallo\\n.\\nvon hier\\n')
    m.add_attachment(bytes(range(256)) * 4096, maintype='application', subtype='octet-stream', filename='all')
    refused = s.send_message(m, to_addrs=['bob@ilnmors.internal', 'nobody@ilnmors.internal'])
    assert list(refused) == ['nobody@ilnmors.internal'] and refused['nobody@ilnmors.internal'][0] == 550
    try:
        s.sendmail('alice@ilnmors.internal', ['x@other.example'], 'x')
        assert False
    except smtplib.SMTPRecipientsRefused as e:
        assert e.recipients['x@other.example'][0] == 550
    assert s.noop()[0] == 250 and s.verify('bob')[0] == 252 and s.rset()[0] == 250
with smtplib.SMTP_SSL('localhost', ${tls}, context=context) as s:
    try:
        s.login('bob', 'wrong')
        assert False
    except smtplib.SMTPAuthenticationError as e:
        assert e.smtp_code == 535
    s.login('bob', 'two words')
    s.sendmail('bob@ilnmors.internal', ['alice@ilnmors.internal'], 'Subject: x\\r\\n\\r\\nh\\xe9llo'.encode('latin1'), mail_options=['body=8bitmime'])
`
  await execute('python3', ['-c', script], options)
  assert.match(received('bob'), /\nHallo\n\.\nvon hier\n/)
  assert.match(received('alice'), /^Return-Path: <bob@/)
})

test('openssl: a verified handshake, by STARTTLS and at once; no anonymous ciphers, no old TLS', {
  skip: !has('openssl'),
}, async () => {
  const connect = async (port: number, ...args: string[]) => {
    const child = spawn(
      'openssl',
      ['s_client', '-connect', `localhost:${port}`, '-CAfile', place.ca, ...args],
      options,
    )
    // It may be gone already, having refused the handshake.
    child.stdin.on('error', () => {})
    child.stdin.end('EHLO x\r\nQUIT\r\n')
    let seen = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (seen += chunk))
    await new Promise(resolve => child.on('close', resolve))
    return seen
  }
  for (const seen of [
    await connect(tls, '-crlf', '-quiet', '-verify_return_error', '-verify_hostname', 'localhost'),
    await connect(submission, '-crlf', '-quiet', '-starttls', 'smtp', '-verify_return_error', '-ign_eof'),
  ])
    assert.match(seen, /250-AUTH |221 2\.0\.0/)
  assert.match(
    await connect(tls, '-cipher', 'aNULL:@SECLEVEL=0', '-tls1_2'),
    /alert handshake failure|no ciphers|no cipher match/i,
  )
  assert.match(
    await connect(tls, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'),
    /alert protocol version|unsupported protocol|no protocols/i,
  )
})
