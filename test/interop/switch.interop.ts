/**
 * A site of Postfix and Dovecot goes over to Postern in the evening and back in the morning: its own configuration is
 * imported, the same users log in at the same ports, the same mail is there under the same UIDs, and mail for outside
 * leaves by the same smarthost.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { ImapClient } from '../support/imap-client.js'
import { makePlace, type Place, passwords } from '../support/place.js'
import { noPostfix, Postfix } from '../support/postfix.js'
import { commandPath, has, Program } from '../support/program.js'
import { until } from '../support/world.js'

const skip = noDovecot() || noPostfix() || (!has('curl') && 'curl is not installed')

let site: string
let outside: Place
let smarthost: Program
let dovecot: Dovecot
let postfix: Postfix
let suite: Program | undefined

before(
  async () => {
    if (skip) return
    site = mkdtempSync(join(tmpdir(), 'switch-'))
    chmodSync(site, 0o755)
    for (const name of ['localhost', 'localhost-key', 'ca'])
      copyFileSync(`fixtures/tls/${name}.pem`, join(site, `${name}.pem`))
    outside = makePlace('[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "required"\nauth = "required"\n')
    smarthost = await Program.start('mail-suite', outside.config)
    dovecot = await Dovecot.start({ homes: { me: join(site, 'home/me') }, configuration: dovecotSettings() })
    const hash = execFileSync('doveadm', ['pw', '-s', 'SHA512-CRYPT', '-p', 'old password'], {
      encoding: 'utf8',
    })
    const passwd = join(dovecot.directory, 'passwd')
    writeFileSync(passwd, `me:${hash.trim()}:${mailUser}:${mailUser}::${site}/home/me::\n`)
    postfix = await Postfix.start({
      main: postfixSettings(),
      listeners: {
        submission:
          '127.0.0.1:PORT inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_sasl_auth_enable=yes',
      },
    })
    maps()
    // What runs already has read no maps.
    await postfix.halt()
    await postfix.again()
  },
  { timeout: 120_000 },
)

after(async () => {
  if (skip) return
  await suite?.stop()
  await postfix?.stop()
  await dovecot?.stop()
  await smarthost?.stop()
  outside?.remove()
  rmSync(site, { recursive: true, force: true })
})

const dovecotSettings = () => `ssl = yes
ssl_cert = <${site}/localhost.pem
ssl_key = <${site}/localhost-key.pem
service auth {
  unix_listener site {
    mode = 0666
  }
}`

const postfixSettings = () => `mydomain = home.test
myhostname = mail.home.test
virtual_mailbox_domains = home.test
virtual_mailbox_maps = hash:$config_directory/mailboxes
virtual_alias_maps = hash:$config_directory/virtual
virtual_transport = lmtp:inet:127.0.0.1:${dovecot.lmtp}
relayhost = [localhost]:${smarthost.ports('smtpd')[0]}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:$config_directory/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_tls_security_level = secure
smtp_tls_CAfile = ${site}/ca.pem
smtp_generic_maps = hash:$config_directory/generic
smtp_host_lookup = native
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${dovecot.directory}/run/site
smtpd_tls_cert_file = ${site}/localhost.pem
smtpd_tls_key_file = ${site}/localhost-key.pem
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
mynetworks = 127.0.0.0/8`

/** What the smarthost takes is only mail from the account itself, as providers do. */
function maps(): void {
  const tables = {
    mailboxes: 'me@home.test me/\n',
    virtual: 'info@home.test me@home.test\n',
    sasl_passwd: `[localhost]:${smarthost.ports('smtpd')[0]} bob:${passwords.bob}\n`,
    generic: 'me@home.test bob@ilnmors.internal\n',
  }
  for (const [name, text] of Object.entries(tables)) {
    const path = join(postfix.config, name)
    writeFileSync(path, text)
    execFileSync('/usr/sbin/postmap', ['-c', postfix.config, `hash:${path}`])
  }
}

/** Sends as the user's mail program does. */
function send(to: string, subject: string): void {
  const mail = join(site, 'mail')
  writeFileSync(mail, `From: me@home.test\r\nTo: ${to}\r\nSubject: ${subject}\r\n\r\n${subject}\r\n`)
  const options = ['--ssl-reqd', '--cacert', join(site, 'ca.pem'), '--user', 'me:old password']
  const envelope = ['--mail-from', 'me@home.test', '--mail-rcpt', to, '-T', mail]
  const url = `smtp://localhost:${postfix.ports['submission']}`
  const { status, stderr } = spawnSync('curl', ['-sS', ...options, ...envelope, url], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** All that a client remembers of a mailbox. */
async function remembered(mailbox: string): Promise<string[]> {
  const client = await ImapClient.login(dovecot.imap, 'me', 'old password')
  const selected = await client.ok(`SELECT ${mailbox}`)
  const validity = selected.find(line => line.includes('UIDVALIDITY')) ?? ''
  const fetched = await client.ok('UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
  client.close()
  return [
    validity.replace(/\].*/, ']'),
    ...fetched
      .filter(line => /^\d+ FETCH/.test(line))
      .map(line => line.replace(/FLAGS \(([^)]*)\)/, (_, flags) => `FLAGS (${told(flags)})`)),
  ]
}

/** \Recent is for one session, and the order of flags for none. */
const told = (flags: string) =>
  flags
    .split(' ')
    .filter(flag => flag !== '\\Recent')
    .sort()
    .join(' ')

/** Waits for a subject to arrive in INBOX. */
const arrived = (subject: string) =>
  until(async () => (await remembered('INBOX')).some(line => line.includes(subject)), 30_000)

const outsideHas = (subject: string) => {
  const found = spawnSync('grep', ['-rls', `^Subject: ${subject}$`, join(outside.maildir('alice'), 'new')])
  return found.status === 0
}

test('the old site works', { skip, timeout: 120_000 }, async () => {
  for (const i of [1, 2, 3]) send('me@home.test', `old ${i}`)
  for (const i of [1, 2, 3]) await arrived(`old ${i}`)
  send('alice@ilnmors.internal', 'old out')
  await until(() => outsideHas('old out'), 30_000)
  const client = await ImapClient.login(dovecot.imap, 'me', 'old password')
  await client.ok('CREATE Work')
  await client.ok('SELECT INBOX')
  await client.ok('STORE 1 +FLAGS (\\Flagged $label1)')
  await client.ok('STORE 2 +FLAGS (\\Deleted)')
  await client.ok('COPY 1 Work')
  await client.ok('EXPUNGE')
  client.close()
})

test('over in the evening: same ports, users, UIDs, flags, smarthost', {
  skip,
  timeout: 120_000,
}, async () => {
  const before = [await remembered('INBOX'), await remembered('Work')]
  const config = join(site, 'postern')
  const told = execFileSync(
    process.execPath,
    [
      ...[commandPath('mail-setup'), 'import', '--output', config],
      ...['--postfix', postfix.config, '--dovecot', dovecot.directory],
    ],
    { encoding: 'utf8' },
  )
  assert.match(told, /relayhost/)
  assert.equal(told.includes(passwords.bob), false, 'no password is told')
  await Promise.all([postfix.halt(), dovecot.halt()])
  // Not in /var and /run, where mail-setup would make places for them.
  const places = `[queue]\ndirectory = "${config}/queue"\n[runtime]\ndirectory = "${config}/run"\n`
  appendFileSync(join(config, 'mail.toml'), places)
  execFileSync('chown', ['-R', `${mailUser}:${mailUser}`, config])
  suite = await Program.start('mail-suite', join(config, 'mail.toml'), { owner: mailUser })
  assert.deepEqual([await remembered('INBOX'), await remembered('Work')], before)
  send('info@home.test', 'new one')
  await arrived('new one')
  send('alice@ilnmors.internal', 'new out')
  await until(() => outsideHas('new out'), 30_000)
})

test('and back in the morning', { skip, timeout: 120_000 }, async () => {
  const client = await ImapClient.login(dovecot.imap, 'me', 'old password')
  await client.ok('SELECT INBOX')
  await client.ok('STORE 2 +FLAGS (\\Answered $label2)')
  client.close()
  const before = [await remembered('INBOX'), await remembered('Work')]
  await suite?.stop()
  suite = undefined
  await dovecot.again()
  await postfix.again()
  assert.deepEqual([await remembered('INBOX'), await remembered('Work')], before)
  send('me@home.test', 'back again')
  await arrived('back again')
})
