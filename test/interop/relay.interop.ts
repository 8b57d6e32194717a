/** Postfix as a smarthost that wants a login and refuses foreign senders, as Gmail does: mail goes out, bounces come back. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Queue } from '../../lib/queue/queue.js'
import { queuePlace } from '../bin/queue-place.js'
import { Dovecot, noDovecot } from '../support/dovecot.js'
import { peakOf } from '../support/measure.js'
import { answers, noPostfix, Postfix } from '../support/postfix.js'
import { Program } from '../support/program.js'
import { freePorts, until } from '../support/world.js'

const skip = noPostfix() || noDovecot()
let postfix: Postfix
let dovecot: Dovecot

/** Dovecot checks passwords, and keeps what comes by LMTP. */
const home = mkdtempSync(join(tmpdir(), 'postern-'))
chmodSync(home, 0o755)

before(async () => {
  if (skip) return
  dovecot = await Dovecot.start({
    homes: { me: join(home, 'me') },
    configuration: 'service auth {\n  unix_listener smarthost {\n    mode = 0666\n  }\n}\n',
  })
  const pem = (name: string) => join(process.cwd(), 'fixtures', 'tls', `${name}.pem`)
  postfix = await Postfix.start({
    main: `smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${dovecot.directory}/run/smarthost
smtpd_tls_cert_file = ${pem('localhost')}
smtpd_tls_key_file = ${pem('localhost-key')}
smtpd_tls_auth_only = yes
mynetworks =
smtpd_sender_login_maps = inline:{ { me@gmail.test = me } }
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_relay_restrictions = permit_sasl_authenticated, reject
header_checks = regexp:$config_directory/header_checks
virtual_mailbox_domains = outside.test
virtual_mailbox_maps = inline:{ { friend@outside.test = friend/ } }
message_size_limit = 2000000`,
    listeners: {
      submission: '127.0.0.1:PORT inet n - n - - smtpd -o smtpd_tls_security_level=encrypt',
      smtps: '127.0.0.1:PORT inet n - n - - smtpd -o smtpd_tls_wrappermode=yes',
    },
  })
  writeFileSync(
    join(postfix.config, 'header_checks'),
    'if /^From:/\n!/me@gmail\\.test/ REJECT foreign From\nendif\n',
  )
})

after(async () => {
  rmSync(home, { recursive: true, force: true })
  if (skip) return
  await postfix.stop()
  await dovecot.stop()
})

const relayTable = (listener: string, more = '') => `host = "localhost:${postfix.ports[listener]}"
tls = "${listener === 'smtps' ? 'implicit' : 'required'}"
ca = "${process.cwd()}/fixtures/tls/ca.pem"
user = "me"
password_command = "echo pw"
${more}
`
const message = 'From: root@pve.ilnmors.internal\nTo: friend@outside.test\nSubject: disk\n\nfull\n.\n..dots\n'

for (const listener of ['smtps', 'submission'])
  test(`mail from root@pve goes through Postfix (${listener}), and its bounce comes back`, {
    skip,
  }, async t => {
    const place = queuePlace(t, relayTable(listener, 'from = "me@gmail.test"'))
    const before = postfix.mail('friend').length
    const args = ['-i', '-f', 'root@x.internal', 'friend@outside.test', 'none@outside.test']
    assert.equal(place.run('mail-send', args, message).status, 0)
    const ended = place.run('mail-relay', ['--once'])
    assert.equal(ended.status, 0)
    await until(() => postfix.mail('friend').length === before + 1)
    const text = postfix.mail('friend').find(each => each.includes('Subject: disk')) ?? ''
    assert.match(text, /^Return-Path: <me@gmail\.test>$/m)
    assert.match(text, /^From: "root@pve\.ilnmors\.internal" <me@gmail\.test>$/m)
    assert.match(text, /^Reply-To: root@pve\.ilnmors\.internal$/m)
    assert.match(text, /\nfull\n\.\n\.\.dots\n$/)
    assert.match(text, /with ESMTPSA /)
    assert.deepEqual(place.entries(), [])
    const [bounce = ''] = place.inbox('root')
    assert.match(bounce, /Final-Recipient: rfc822; none@outside\.test\nAction: failed\nStatus: 5\.1\.1/)
    assert.match(bounce, /^From: root@pve\.ilnmors\.internal$/m)
  })

test('without sender rewriting Postfix refuses, and the sender is told its words', { skip }, async t => {
  const place = queuePlace(t, relayTable('smtps'))
  assert.equal(place.run('mail-send', ['-f', 'root@x.internal', 'friend@outside.test'], message).status, 0)
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  assert.match(place.inbox('root')[0] ?? '', /553 5\.7\.1 .*Sender address rejected/s)
})

test('a wrong password keeps the mail', { skip }, async t => {
  const place = queuePlace(t, relayTable('smtps').replace('echo pw', 'echo wrong'))
  assert.equal(place.run('mail-send', ['-f', 'root@x.internal', 'friend@outside.test'], message).status, 0)
  const { stderr } = place.run('mail-relay', ['--once'])
  assert.match(stderr, /event=destination-unreachable .*stage=login .*535/)
  assert.equal(place.entries().length, 1)
  assert.doesNotMatch(place.run('mail-queue', ['show', place.entries()[0]?.id ?? '']).stdout, /d3Jvbmc|wrong/)
})

test('a certificate of an unknown authority keeps the mail, and the password at home', { skip }, async t => {
  const place = queuePlace(t, relayTable('smtps', 'from = "me@gmail.test"').replace(/^ca = .*\n/m, ''))
  assert.equal(place.run('mail-send', ['friend@outside.test'], message).status, 0)
  assert.match(place.run('mail-relay', ['--once']).stderr, /stage=tls/)
  assert.equal(place.entries().length, 1)
})

test('a message too large for the smarthost comes back', { skip }, async t => {
  const place = queuePlace(t, relayTable('smtps', 'from = "me@gmail.test"'))
  const large = `${message}${`${'x'.repeat(76)}\n`.repeat(30_000)}`
  assert.equal(
    place.run('mail-send', ['-i', '-f', 'root@x.internal', 'friend@outside.test'], large).status,
    0,
  )
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  assert.match(place.inbox('root')[0] ?? '', /Status: 5\.3\.4/)
})

test('Postfix stops and comes back: nothing is lost, nothing doubled', { skip }, async t => {
  const place = queuePlace(t, relayTable('smtps', 'from = "me@gmail.test"'))
  const relay = await Program.start('mail-relay', place.config)
  t.after(() => relay.stop('SIGKILL'))
  const before = postfix.mail('friend').length
  await postfix.halt()
  for (let i = 0; i < 5; i++)
    assert.equal(
      place.run('mail-send', ['friend@outside.test'], message.replace('disk', `outage ${i}`)).status,
      0,
    )
  await until(() => /event=destination-unreachable/.test(relay.log))
  await postfix.again()
  assert.equal(place.run('mail-send', ['-q']).status, 0)
  await until(() => place.entries().length === 0)
  await until(() => postfix.mail('friend').length === before + 5)
  assert.equal(relay.log.match(/event=destination-unreachable/g)?.length, 1)
  await relay.stop()
})

test("LMTP to Dovecot: it keeps what is its users', and what is nobody's comes back", { skip }, async t => {
  const route = `[[relay.route]]\nrecipient = "kept.test"\nhost = "127.0.0.1:${dovecot.lmtp}"\nprotocol = "lmtp"\n`
  const place = queuePlace(t, '', route)
  const args = ['-i', '-f', 'root@x.internal', 'me@kept.test', 'nobody@kept.test']
  assert.equal(place.run('mail-send', args, message).status, 0)
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  assert.deepEqual(place.entries(), [])
  const directory = join(home, 'me', 'Maildir', 'new')
  const [kept = ''] = readdirSync(directory).map(name => readFileSync(join(directory, name), 'utf8'))
  assert.match(kept, /with LMTP/)
  assert.ok(kept.endsWith('\nfull\n.\n..dots\n'))
  assert.match(place.inbox('root')[0] ?? '', /Final-Recipient: rfc822; nobody@kept\.test\nAction: failed/)
})

test('a message of 200 MB goes out, and never stands in memory whole', { skip }, async t => {
  const [port = 0] = await freePorts(1)
  const sink = spawn('/usr/sbin/smtp-sink', ['-u', 'postfix', `127.0.0.1:${port}`, '10'], { stdio: 'ignore' })
  t.after(() => sink.kill())
  await until(() => answers(port))
  const place = queuePlace(t, `host = "127.0.0.1:${port}"\ntls = "off"\nfrom = "me@gmail.test"\n`)
  const relay = await Program.start('mail-relay', place.config)
  t.after(() => relay.stop('SIGKILL'))
  const before = peakOf(relay.pid)
  const queue = await Queue.open(join(place.directory, 'queue'))
  const draft = queue.begin({ sender: 'root@x.internal', recipients: [{ address: 'friend@outside.test' }] })
  await draft.write(Buffer.from('From: root@x.internal\nSubject: large\n\n'))
  const block = Buffer.from(`.${'x'.repeat(97)}\n`.repeat(10_000))
  for (let i = 0; i < 200; i++) await draft.write(block)
  const { id } = await draft.commit()
  await until(() => !existsSync(queue.paths(id).envelope), 60_000)
  queue.close()
  await until(() => /event=recipient .*state=relayed/.test(relay.log))
  const grown = peakOf(relay.pid) - before
  t.diagnostic(`${grown} octets of memory`)
  assert.ok(grown < 100_000_000, `${grown} octets more`)
  await relay.stop()
})
