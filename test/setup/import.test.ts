import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parsePasswdFile } from '../../lib/auth/passwd-file.js'
import { verifyPassword } from '../../lib/auth/password.js'
import { type Config, parseConfig } from '../../lib/config/load.js'
import { emptyImport, filesOf, type Imported, quoted } from '../../lib/setup/import.js'
import { importDovecot } from '../../lib/setup/import-dovecot.js'
import { importFetchmail, importGetmail, importMbsync } from '../../lib/setup/import-fetch.js'
import { importPostfix } from '../../lib/setup/import-postfix.js'
import { expand, parseMainCf, parseMap } from '../../lib/setup/import-postfix-files.js'
import { temporaryDirectory } from '../support/world.js'

const fixtures = 'fixtures/setup'

function imported(...work: ((imported: Imported) => void)[]): Imported {
  const all = emptyImport()
  for (const each of work) each(all)
  return all
}

const file = (all: Imported, path: string) => filesOf(all).find(each => each.path === path)?.text ?? ''
const configOf = (all: Imported): Config => parseConfig(file(all, 'mail.toml'), '/etc/postern/mail.toml')
const fateOf = ({ notes }: Imported, setting: RegExp) => notes.find(note => setting.test(note.setting))?.fate

const postfix = imported(all => importPostfix(join(fixtures, 'postfix'), all))
const dovecot = imported(
  all => importPostfix(join(fixtures, 'postfix'), all),
  all => importDovecot(join(fixtures, 'dovecot-2.3'), all),
)

test('Postfix: names, networks, sizes, certificate', () => {
  const config = configOf(postfix)
  assert.equal(config.hostname, 'mail.ilnmors.internal')
  assert.deepEqual(config.domains, ['ilnmors.internal', 'mail.ilnmors.internal'])
  assert.deepEqual(config.smtpd.listen[0]?.trusted, ['127.0.0.0/8', '::1/128', '192.168.1.0/24'])
  assert.equal(config.smtpd.max_message_size, 20_480_000)
  assert.equal(config.queue.max_age, 3 * 86_400_000)
  assert.equal(config.tls.key, '/etc/ssl/private/mail.key')
  assert.deepEqual(
    config.smtpd.listen.map(({ address, auth }) => [address, auth]),
    [
      [{ host: '0.0.0.0', port: 25 }, 'offered'],
      [{ host: '0.0.0.0', port: 587 }, 'required'],
    ],
  )
})

test('Postfix: what stands behind a port in master.cf becomes rules of its listener', t => {
  const directory = temporaryDirectory(t)
  const rules = (options: string) => {
    writeFileSync(join(directory, 'main.cf'), 'myhostname = mail.home.test\n')
    writeFileSync(join(directory, 'master.cf'), `2525 inet n - y - - smtpd ${options}\n`)
    const listener = configOf(imported(all => importPostfix(directory, all))).smtpd.listen[0]
    return [listener?.tls, listener?.auth]
  }
  const rows: [options: string, tls: string, auth: string][] = [
    ['', 'required', 'required'],
    ['-o smtpd_tls_security_level=may -o smtpd_sasl_auth_enable=yes', 'offered', 'offered'],
    ['-o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=no', 'implicit', 'off'],
    [
      '-o smtpd_sasl_auth_enable=yes -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }',
      'required',
      'required',
    ],
  ]
  for (const [options, tls, auth] of rows) assert.deepEqual(rules(options), [tls, auth], options)
})

test('Postfix: smarthosts, their logins, senders', () => {
  const { relay } = configOf(postfix)
  assert.deepEqual(
    [relay?.host, relay?.tls, relay?.user],
    [{ host: 'smtp.gmail.com', port: 587 }, 'required', 'me@gmail.com'],
  )
  assert.equal(relay?.from, 'me@gmail.com')
  assert.deepEqual(relay?.senders, { 'root@ilnmors.internal': 'me@gmail.com' })
  assert.deepEqual(
    relay?.route.map(({ sender, recipient, host, tls, user }) => [
      sender ?? recipient,
      host?.host,
      host?.port,
      tls,
      user,
    ]),
    [
      ['me@naver.com', 'smtp.naver.com', 465, 'implicit', 'me@naver.com'],
      ['*@work.example', 'smtp.work.example', 587, 'required', undefined],
      ['*@office.example', '10.0.0.5', 25, 'required', undefined],
    ],
  )
  const secrets = filesOf(postfix).filter(({ path }) => path.startsWith('secrets/'))
  assert.deepEqual(
    secrets.map(({ text, mode }) => [text, mode]),
    [
      ['abcd efgh\n', 0o600],
      ['secret:with:colons\n', 0o600],
    ],
  )
})

test('Postfix: aliases; programs in them are not taken over', () => {
  const lines = file(postfix, 'aliases').trimEnd().split('\n').sort()
  assert.deepEqual(lines, [
    '@old.internal: me@ilnmors.internal',
    'info@ilnmors.internal: me, you',
    'postmaster: root',
    'root: me',
  ])
  assert.equal(fateOf(postfix, /^lists/), 'unsupported')
  assert.equal(fateOf(postfix, /^virtual_alias_maps/), 'changed', 'one of its tables cannot be read')
})

test('every setting of main.cf has its line, and no line has a password', () => {
  const names = [...parseMainCf(readFileSync(join(fixtures, 'postfix/main.cf'), 'utf8')).keys()]
  for (const name of names) assert.ok(fateOf(postfix, new RegExp(`^${name} = `)), name)
  const told = JSON.stringify([postfix.notes, dovecot.notes])
  for (const secret of ['abcd efgh', 'with:colons', 'two words', 'saltsalt'])
    assert.ok(!told.includes(secret), secret)
})

test('Dovecot 2.3: ports, homes, quota; the users log in with what they had', async () => {
  const config = configOf(dovecot)
  assert.equal(config.users.home, '/var/vmail/%d/%n')
  assert.deepEqual(
    config.imapd.listen.map(({ address }) => address),
    [{ host: '0.0.0.0', port: 993 }],
  )
  assert.deepEqual(
    config.sieved.listen.map(({ address }) => address),
    [{ host: '0.0.0.0', port: 4190 }],
  )
  assert.deepEqual(config.pop3d.listen, [])
  assert.equal(config.mailbox.quota, 1_073_741_824)
  assert.deepEqual(config.login.mechanisms, ['PLAIN', 'LOGIN'])
  const [me, you] = parsePasswdFile(file(dovecot, 'users')).map(({ line }) => line)
  assert.equal(await verifyPassword(me?.password ?? '', 'wonderland'), true)
  assert.equal(await verifyPassword(you?.password ?? '', 'two words'), true)
  assert.equal(you?.home, '/srv/you')
  assert.equal(you?.extra.get('userdb_quota_rule'), '*:storage=2G')
  assert.equal(me?.uid, '')
  assert.equal(fateOf(dovecot, /separator = \//), 'changed')
})

test('Dovecot 2.4: the same words by other names', async () => {
  const all = imported(each => importDovecot(join(fixtures, 'dovecot-2.4'), each))
  const config = configOf(all)
  assert.equal(config.users.home, '/var/vmail/%d/%n')
  assert.deepEqual(config.domains, ['ilnmors.internal'])
  assert.equal(config.pop3d.listen.length, 2)
  assert.match(all.todo.join('\n'), /ln -s mail HOME\/Maildir/)
  assert.equal(fateOf(all, /^passdb pam/), 'unsupported')
  const [me] = parsePasswdFile(file(all, 'users')).map(({ line }) => line)
  assert.equal(me?.password, '{plain}wonderland')
})

test('mbsync: accounts by channel; what would change the far side is told', () => {
  const all = imported(
    each => importPostfix(join(fixtures, 'postfix'), each),
    each => importDovecot(join(fixtures, 'dovecot-2.3'), each),
    each => importMbsync(join(fixtures, 'mbsyncrc'), each),
  )
  const { gmail, naver } = configOf(all).fetch
  assert.equal(gmail?.password_command, 'pass show gmail')
  assert.deepEqual(gmail?.folders, ['*'])
  assert.deepEqual(gmail?.exclude, ['[Gmail]/All Mail', 'Spam'])
  assert.equal(gmail?.gone, 'trash')
  assert.equal(gmail?.into, 'me@ilnmors.internal')
  assert.deepEqual(
    [naver?.host, naver?.tls, naver?.folders],
    [{ host: 'imap.naver.com', port: 143 }, 'required', ['INBOX']],
  )
  assert.ok(filesOf(all).some(({ text }) => text === 'a "word"\n'))
  assert.equal(fateOf(all, /gmail: sync All/), 'changed')
  assert.equal(fateOf(all, /naver: sync Pull/), 'kept')
  assert.doesNotMatch(JSON.stringify(all.notes), /a \W+word/)
})

test('getmail and fetchmail', () => {
  const all = imported(
    each => importPostfix(join(fixtures, 'postfix'), each),
    each => importGetmail(join(fixtures, 'getmailrc'), each),
    each => importFetchmail(join(fixtures, 'fetchmailrc'), each),
  )
  assert.deepEqual(
    all.fetch.map(({ protocol, host, tls, user, password, folders, into }) => [
      protocol,
      host,
      tls,
      user,
      password,
      folders,
      into,
    ]),
    [
      ['imap', 'imap.example.org:993', 'implicit', 'me', 'hidden word', ['INBOX', 'Lists'], undefined],
      ['pop3', 'pop.example.org:995', 'implicit', 'me', 'hidden word', [], 'alice'],
      ['imap', 'imap.example.net:143', 'offered', 'you', 'x', ['Work'], undefined],
    ],
  )
  assert.equal(fateOf(all, /no keep/), 'changed')
  assert.ok(!JSON.stringify(all.notes).includes('hidden word'))
})

test('expand() puts values in, and does not go on for ever', () => {
  const settings = new Map([
    ['a', '$b.x'],
    ['b', '$' + '{c}'],
    ['c', '1'],
    ['loop', '$loop'],
  ])
  assert.equal(expand(settings, '$a $(b)'), '1.x 1')
  assert.doesNotThrow(() => expand(settings, '$loop'))
})

test('tables are read whatever stands in them', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      text => Array.isArray(parseMap(text)) && parseMainCf(text) instanceof Map,
    ),
  )
})

test('quoted() is what TOML reads back', () => {
  for (const text of ['plain', 'a "b" \\c', '\u0001\t\n', 'é 한글 😀']) {
    const head = 'hostname = "a.b"\ndomains = ["a.b"]\n'
    const config = parseConfig(`${head}[alerts]\ncommand = ${quoted(text)}`, '/mail.toml')
    assert.equal(config.alerts?.command, text)
  }
})

test('mail-setup import writes once, and over nothing', t => {
  const directory = join(temporaryDirectory(t), 'out')
  const argv = [
    'dist/bin/mail-setup.cjs',
    'import',
    '--postfix',
    `${fixtures}/postfix`,
    '--dovecot',
    `${fixtures}/dovecot-2.3`,
    '--output',
    directory,
  ]
  const run = () => spawnSync(process.execPath, argv, { encoding: 'utf8' })
  const first = run()
  assert.equal(first.status, 0, first.stderr)
  assert.match(first.stdout, /^kept {8}.*relayhost = /m)
  assert.match(first.stdout, /^To do:$/m)
  assert.equal(statSync(join(directory, 'secrets/gmail-me@gmail.com')).mode & 0o777, 0o600)
  const second = run()
  assert.equal(second.status, 73)
  assert.match(second.stderr, /is there already/)
})
