/** Dovecot, mpop, curl and fail2ban beside our passwords, users file and log lines. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { Gate } from '../../lib/auth/gate.js'
import { makePassword, verifyPassword } from '../../lib/auth/password.js'
import { Log } from '../../lib/sys/log.js'
import { Dovecot, noDovecot } from '../support/dovecot.js'
import { makePlace } from '../support/place.js'
import { commandPath, has, Program } from '../support/program.js'
import { temporaryDirectory } from '../support/world.js'

const run = promisify(execFile)
const secret = 'päss:word 비밀 번호'

/** The schemes that both Dovecot and we make. */
const schemes = [
  ...['ARGON2ID', 'BLF-CRYPT', 'SHA512-CRYPT', 'SHA256-CRYPT', 'SCRAM-SHA-256', 'CRAM-MD5'],
  ...['HMAC-MD5', 'SSHA512', 'SSHA256', 'PLAIN'],
]

const needsDoveadm = { skip: has('doveadm') ? false : 'doveadm is not installed' }

for (const scheme of schemes) {
  test(`{${scheme}} of ours verifies with doveadm`, needsDoveadm, async () => {
    const stored = await makePassword(scheme, secret)
    const { stdout } = await run('doveadm', ['pw', '-p', secret, '-t', stored])
    assert.match(stdout, /\(verified\)/)
    await assert.rejects(run('doveadm', ['pw', '-p', 'wrong', '-t', stored]))
  })

  test(`{${scheme}} of doveadm verifies with us`, needsDoveadm, async () => {
    for (const suffix of ['', '.b64', '.hex']) {
      const { stdout } = await run('doveadm', ['pw', '-p', secret, '-s', scheme + suffix])
      assert.equal(await verifyPassword(stdout.trim(), secret), true, stdout)
      assert.equal(await verifyPassword(stdout.trim(), `${secret}.`), false)
    }
  })
}

/** Runs mail-user on a passwd-file. */
function mailUser(file: string, words: readonly string[], stdin = ''): string {
  const [command = '', ...rest] = words
  const nested = command === 'app-password' ? [rest.shift() as string] : []
  const argv = [commandPath('mail-user'), command, ...nested, '--file', file, ...rest]
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { input: stdin, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

test('Dovecot reads the users file that mail-user writes', { skip: noDovecot() }, async t => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const file = join(directory, 'users')
  for (const scheme of schemes) mailUser(file, ['add', '-s', scheme, scheme.toLowerCase()], `${secret}\n`)
  mailUser(file, ['app-password', 'add', '-p', 'imap', 'argon2id', "my phone: Kim's"])
  mailUser(file, ['add', '--home', '/srv/zoe', '--uid', '1234', '--gid', '1235', '--name', 'Zoe', 'zoe'], 'x')
  chmodSync(file, 0o644)
  const reads = `args = username_format=%Ln ${file}`
  const dovecot = await Dovecot.start({
    homes: {},
    configuration: `auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
auth_mechanisms = plain login cram-md5 scram-sha-256
passdb {
  driver = passwd-file
  ${reads}
}
userdb {
  driver = passwd-file
  ${reads}
  default_fields = uid=1000 gid=1000 home=/srv/%n
}
`,
  })
  t.after(() => dovecot.stop())
  const doveadm = (...words: string[]) =>
    run('doveadm', ['-c', join(dovecot.directory, 'dovecot.conf'), ...words]).then(
      ({ stdout }) => stdout,
      error => `${error.stdout}${error.stderr}`,
    )
  for (const scheme of schemes) {
    assert.match(await doveadm('auth', 'test', scheme.toLowerCase(), secret), /auth succeeded/)
    assert.match(await doveadm('auth', 'test', scheme.toLowerCase(), 'wrong'), /auth failed/)
    assert.match(
      await doveadm('user', scheme.toLowerCase()),
      new RegExp(`home\\s+/srv/${scheme.toLowerCase()}`),
    )
  }
  assert.match(await doveadm('user', 'zoe'), /uid\s+1234[\s\S]*gid\s+1235[\s\S]*home\s+\/srv\/zoe/)
  // curl proves to Dovecot that it knows the password, of which Dovecot has only our keys.
  const curl = (user: string, password: string) =>
    run('curl', [
      ...['-sS', '--max-time', '20', '-u', `${user}:${password}`, '--login-options', 'AUTH=CRAM-MD5'],
      `pop3://127.0.0.1:${dovecot.pop3}/`,
    ])
  await assert.rejects(curl('cram-md5', 'wrong'), /67|denied/i)
  const failure = await curl('cram-md5', secret).catch(error => String(error.stderr))
  assert.doesNotMatch(String(failure), /denied|67/)
})

const mechanisms = ['plain', 'login', 'cram-md5', 'scram-sha-256'] as const

test('mpop logs in to mail-pop3d by every mechanism', { skip: !has('mpop') && 'no mpop' }, async t => {
  const { place, port, pop3d } = await pop3(t)
  for (const mechanism of mechanisms) {
    const mpop = (password: string) =>
      run('mpop', [
        ...['-C', '/dev/null', '--host=127.0.0.1', `--port=${port}`, `--auth=${mechanism}`, '--user=carol'],
        ...['--tls=on', '--tls-starttls=on', `--tls-trust-file=${place.ca}`, '--auth-only'],
        `--delivery=maildir,${place.maildir('carol')}`,
        `--passwordeval=echo '${password}'`,
      ])
    await mpop('right one')
    await assert.rejects(mpop('wrong'))
  }
  assert.equal(pop3d.log.match(/event=login-failed /g)?.length, mechanisms.length)
})

/** A POP3 server whose user carol has her password in the clear, so that every mechanism works. */
async function pop3(t: TestContext) {
  const place = makePlace(
    '[[pop3d.listen]]\naddress = "127.0.0.1:0"\ntls = "offered"',
    'penalty = "0s"\nmechanisms = ["PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"]',
  )
  mailUser(join(place.directory, 'users'), ['add', '-s', 'plain', 'carol'], 'right one')
  mkdirSync(place.maildir('carol'), { recursive: true })
  const pop3d = await Program.start('mail-pop3d', place.config)
  t.after(async () => {
    await pop3d.stop()
    place.remove()
  })
  return { place, pop3d, port: pop3d.ports('pop3d')[0] }
}

test('fail2ban finds failed logins with the filter of the page, and nobody it should not', {
  skip: !has('fail2ban-regex') && 'no fail2ban',
}, async t => {
  const directory = temporaryDirectory(t)
  const filter = join(directory, 'postern.conf')
  const [, text = ''] =
    /^\.Bd -literal\n(\[INCLUDES\][\s\S]*?)^\.Ed/m.exec(readFileSync('man/mail-user.8', 'utf8')) ?? []
  writeFileSync(
    filter,
    text.replaceAll('\\e', '\\').replace('common.conf', '/etc/fail2ban/filter.d/common.conf'),
  )
  const file = join(directory, 'log')
  writeFileSync(file, await logged())
  const { stdout } = await run('fail2ban-regex', ['-v', file, filter])
  const found = [...stdout.matchAll(/^\| {6}(\S+) /gm)].map(([, address]) => address)
  assert.deepEqual(found, ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.1', '192.0.2.2', '192.0.2.3'])
})

/** Three failures, from 192.0.2.1 to .3, and other lines, each as syslog and as standard error write it. */
async function logged(): Promise<string> {
  let lines = ''
  for (const journal of [true, false]) {
    const write = (line: string) => {
      lines += line.replace(/^<\d>/, 'Mar 15 12:00:00 mail mail-imapd[811]: ')
    }
    const log = new Log({ journal, write }).with({ daemon: 'imapd' })
    const gate = new Gate({ log, penalty: 1_000, sleep: async () => {} })
    const visit = (address: string, user: string) =>
      gate.visit({ protocol: 'imap', address, secure: true, session: 'abc' }, user)
    const fake = 'x mail-imapd[1]: event=login-failed address=203.0.113.9 protocol=imap'
    for (const [i, user] of ['bob@x.org', fake, `\n${fake}`].entries())
      await visit(`192.0.2.${i + 1}`, user)
        .fail('wrong-password')
        .catch(() => {})
    await visit('203.0.113.1', fake)
      .refuse()
      .catch(() => {})
    visit('203.0.113.2', fake).accept('password', fake)
  }
  return lines
}
