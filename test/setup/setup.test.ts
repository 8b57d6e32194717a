import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseConfig } from '../../lib/config/load.js'
import { type Answers, configurationOf, zoneLines } from '../../lib/setup/setup.js'
import { parseAccount } from '../../lib/setup/setup-accounts.js'
import { differences } from '../../lib/setup/setup-files.js'
import { temporaryDirectory } from '../support/world.js'

const answers: Answers = {
  domain: 'ilnmors.internal',
  hostname: 'mail.ilnmors.internal',
  users: ['me'],
  relays: ['gmail:me@gmail.com', 'naver:me@naver.com'],
  fetch: ['gmail:me@gmail.com', 'naver:me@naver.com'],
  pop3: false,
  sieve: true,
}

test('the whole scenario of a home is a configuration of at most 40 lines', () => {
  const text = configurationOf(answers)
  assert.ok(text.trimEnd().split('\n').length <= 40, text)
  const config = parseConfig(text, '/etc/postern/mail.toml')
  assert.deepEqual(config.relay?.host, { host: 'smtp.gmail.com', port: 465 })
  assert.equal(config.relay?.route[0]?.sender, '*@naver.com')
  assert.equal(config.fetch['naver']?.into, 'me@ilnmors.internal')
  assert.equal(config.fetch['gmail']?.password_file, config.relay?.password_file, 'one account, one password')
})

test('the least is a configuration too', () => {
  const config = parseConfig(
    configurationOf({ ...answers, relays: [], fetch: [], sieve: false }),
    '/etc/postern/mail.toml',
  )
  assert.equal(config.relay, undefined)
})

const accounts = [
  [
    'gmail:me@gmail.com',
    { name: 'gmail', provider: 'gmail', host: 'smtp.gmail.com:465', user: 'me@gmail.com' },
  ],
  [
    'smtp.example.org:587:me',
    { name: 'example', provider: undefined, host: 'smtp.example.org:587', user: 'me' },
  ],
  ['[::1]:587:me@x.org', { name: '--1', provider: undefined, host: '[::1]:587', user: 'me@x.org' }],
  ['gmial:me@gmail.com', undefined],
  ['gmail:me', undefined],
  ['me@gmail.com', undefined],
  ['host:99999:me', undefined],
  ['gmail:"x"@gmail.com', undefined],
] as const
for (const [text, account] of accounts)
  test(`parseAccount() ${text}`, () => {
    if (account) assert.deepEqual(parseAccount(text, 'relay'), account)
    else assert.throws(() => parseAccount(text, 'relay'), { exit: 64 })
  })

test('the zone says what there is, and what there is not', () => {
  const zone = zoneLines(answers, '192.168.1.5')
  assert.ok(zone.includes('mail.ilnmors.internal. 3600 IN A 192.168.1.5'))
  assert.ok(zone.includes('_imaps._tcp.ilnmors.internal. 3600 IN SRV 0 1 993 mail.ilnmors.internal.'))
  assert.ok(zone.includes('_pop3s._tcp.ilnmors.internal. 3600 IN SRV 0 0 0 .'))
})

test('differences() shows the lines that differ and no other', () => {
  assert.deepEqual(differences('a\nb\nc\n', 'a\nx\nc\nd\n'), ['-b', '+x', '+d'])
  assert.deepEqual(differences('', 'a\n'), ['+a'])
  assert.deepEqual(differences('a\n', 'a\n'), [])
})

function setup(...argv: string[]) {
  const run = spawnSync(process.execPath, [resolve('dist/bin/mail-setup.cjs'), ...argv], {
    encoding: 'utf8',
    input: '',
  })
  return { status: run.status, out: run.stdout, err: run.stderr }
}

const options = ['--domain', 'example.internal', '--user', 'me']

/** A system with no users but root, where the commands are not in a home directory. */
function system(t: TestContext): string {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'etc'))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n')
  return root
}

const inHome = /^\/(root|home)\//.test(process.execPath) || /^\/(root|home)\//.test(process.cwd())
const skip = inHome ? 'the commands are in a home directory, where services cannot see them' : false

test('mail-setup --dry-run writes nothing', { skip }, t => {
  const root = system(t)
  const run = setup(...options, '--root', root, '--dry-run')
  assert.equal(run.status, 0, run.err)
  assert.match(run.out, /^\/etc\/postern\/mail\.toml: new$/m)
  assert.match(run.out, /^ {2}\+hostname = "mail\.example\.internal"$/m)
  assert.deepEqual(readdirSync(join(root, 'etc')).sort(), ['group', 'passwd'])
})

test('mail-setup: once, twice, more, changed by hand, taken back', { skip }, t => {
  const root = system(t)
  const file = join(root, 'etc/postern/mail.toml')
  const first = setup(...options, '--root', root)
  assert.equal(first.status, 0, first.err)
  assert.match(first.out, /me@example\.internal has the password [a-z2-9-]{23}\n/)
  assert.equal(statSync(join(root, 'etc/postern/tls/mail.key')).mode & 0o777, 0o600)
  assert.equal(statSync(join(root, 'etc/postern/tls/ca.key')).mode & 0o777, 0o600)
  assert.equal(statSync(join(root, 'etc/postern/users')).mode & 0o007, 0)
  const certificate = readFileSync(join(root, 'etc/postern/tls/mail.crt'), 'utf8')
  const service = readFileSync(join(root, 'etc/systemd/system/mail-smtpd.service'), 'utf8')
  assert.match(service, /^ExecStart=\/.*mail-smtpd\.cjs$/m)

  const again = setup(...options, '--root', root)
  assert.equal(again.status, 0, again.err)
  assert.doesNotMatch(again.out, /^(made|changed|kept) /m)
  assert.doesNotMatch(again.out, /password/, 'nobody is new')
  assert.equal(readFileSync(join(root, 'etc/postern/tls/mail.crt'), 'utf8'), certificate)

  const more = setup('--root', root, '--relay', 'gmail:me@gmail.com', '--pop3')
  assert.equal(more.status, 0, more.err)
  assert.match(more.out, /^changed \/etc\/postern\/mail\.toml$/m)
  assert.match(more.out, /^made \/etc\/systemd\/system\/mail-pop3d\.socket$/m)
  assert.match(more.out, /put the app password of me@gmail\.com into \/etc\/postern\/secrets\/gmail/)

  appendFileSync(file, '# mine\n')
  const kept = setup('--root', root, '--relay', 'naver:me@naver.com')
  assert.match(kept.out, /^kept \/etc\/postern\/mail\.toml/m)
  assert.match(readFileSync(file, 'utf8'), /# mine\n$/)

  writeFileSync(join(root, 'var-mail'), 'mail')
  const removed = setup('remove', '--root', root)
  assert.equal(removed.status, 0, removed.err)
  assert.match(removed.out, /mail\.toml was changed since it was made; it stays/)
  assert.ok(existsSync(file))
  assert.ok(existsSync(join(root, 'etc/postern/users')))
  assert.deepEqual(
    readdirSync(join(root, 'etc/systemd/system'), { recursive: true, encoding: 'utf8' }).filter(name =>
      name.startsWith('mail'),
    ),
    [],
  )
})

test('mail-setup units follows the configuration as it was changed', { skip }, t => {
  const root = system(t)
  assert.equal(setup(...options, '--root', root).status, 0)
  const file = join(root, 'etc/postern/mail.toml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('0.0.0.0:993', '127.0.0.1:1993'))
  const run = setup('units', '--root', root)
  assert.equal(run.status, 0, run.err)
  assert.match(run.out, /^changed \/etc\/systemd\/system\/mail-imapd\.socket$/m)
  const socket = readFileSync(join(root, 'etc/systemd/system/mail-imapd.socket'), 'utf8')
  assert.match(socket, /^ListenStream=127\.0\.0\.1:1993$/m)
})

test('a wrong answer, or one that nobody gives: exit 64', t => {
  const root = system(t)
  for (const argv of [
    [],
    ['--domain', 'x.internal'],
    [...options, '--relay', 'nobody'],
    ['--domain', 'x.internal', '--user', 'a@b.c'],
  ]) {
    const run = setup(...argv, '--root', root)
    assert.equal(run.status, 64, `${argv}: ${run.err}`)
    assert.doesNotMatch(run.err, /\bat /)
  }
})
