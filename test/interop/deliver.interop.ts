/** Local delivery behind a real Postfix: by LMTP, as dovecot-lmtp stands there, and by its pipe(8) as dovecot-lda does. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { sendLoad } from '../smtp/sender.js'
import { mailUser } from '../support/dovecot.js'
import { makePlace, type Place } from '../support/place.js'
import { noPostfix, Postfix } from '../support/postfix.js'
import { commandPath, Program } from '../support/program.js'
import { until } from '../support/world.js'

const skip = noPostfix()

/** A Postfix that hands all mail of our domain on. @param service a line of master.cf for the transport */
function postfixTo(transport: string, main = '', service = ''): Promise<Postfix> {
  return Postfix.start({
    main: `virtual_mailbox_domains = ${domain}
virtual_transport = ${transport}
default_transport = error:nothing leaves here
smtpd_recipient_restrictions = permit_mynetworks, reject
notify_classes =
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 2s
${main}`,
    listeners: { smtp: `127.0.0.1:PORT inet n - n - - smtpd\n${service}` },
  })
}

/** What is in its queue, one line of JSON a message. */
function queueOf({ config }: Postfix): string {
  return spawnSync('/usr/sbin/postqueue', ['-c', config, '-j'], { encoding: 'utf8' }).stdout
}

/** Tries everything in the queue now. */
function flush({ config }: Postfix): void {
  spawnSync('/usr/sbin/postqueue', ['-c', config, '-f'])
}

const domain = 'ilnmors.internal'
const lmtp = '[[smtpd.listen]]\naddress = "127.0.0.1:0"\nprotocol = "lmtp"\ntls = "off"\nauth = "off"\n'

function placeOf(t: TestContext, more: string): Place {
  const place = makePlace(`${lmtp}${more}`)
  t.after(() => place.remove())
  writeFileSync(join(place.directory, 'aliases'), 'both: alice, bob\n')
  mkdirSync(join(place.directory, 'home'))
  return place
}

/** All is the mail user's, as an installation has it. */
function own(place: Place): void {
  spawnSync('chmod', ['755', place.directory])
  spawnSync('chown', ['-R', `${mailUser}:${mailUser}`, place.directory])
}

function home(place: Place, user: string): string {
  const path = join(place.directory, 'home', user)
  mkdirSync(path, { recursive: true })
  return path
}

function mail(place: Place, user: string, folder = ''): string[] {
  const path = join(place.maildir(user), folder, 'new')
  return existsSync(path) ? readdirSync(path).map(name => readFileSync(join(path, name), 'latin1')) : []
}

async function started(t: TestContext, place: Place): Promise<{ postfix: Postfix; server: Program }> {
  own(place)
  const server = await Program.start('mail-smtpd', place.config, { owner: mailUser })
  const [port = 0] = server.ports('smtpd')
  const postfix = await postfixTo(`lmtp:inet:127.0.0.1:${port}`)
  t.after(async () => {
    await postfix.stop()
    await server.stop()
  })
  return { postfix, server }
}

/** By Postfix's own sendmail, so that bounces come back to a user here. */
function send(postfix: Postfix, to: readonly string[], subject: string, from = `bob@${domain}`): void {
  const recipients = to.map(name => `${name}@${domain}`)
  const { status, stderr } = spawnSync(
    '/usr/sbin/sendmail',
    ['-C', postfix.config, '-f', from, '--', ...recipients],
    {
      input: `From: ${from}\nTo: ${recipients.join(', ')}\nSubject: ${subject}\n\nhello\n`,
      encoding: 'utf8',
    },
  )
  assert.equal(status, 0, stderr)
}

test('LMTP behind Postfix: filed by script, shared by many, each with an own reply', { skip }, async t => {
  const place = placeOf(t, '[deliver]\ndetail = "folder"\n')
  writeFileSync(
    join(home(place, 'alice'), '.dovecot.sieve'),
    `require ["fileinto","mailbox","reject"];
if header :contains "subject" "list" { fileinto :create "Lists"; }
elsif header :contains "subject" "refuse" { reject "not wanted here"; }`,
  )
  for (const part of ['cur', 'new', 'tmp'])
    mkdirSync(join(place.maildir('bob'), '.Shop', part), { recursive: true })
  const { postfix, server } = await started(t, place)
  send(postfix, ['alice'], 'a list')
  await until(() => mail(place, 'alice', '.Lists').length === 1, 20_000)
  assert.match(
    mail(place, 'alice', '.Lists')[0] ?? '',
    /^Return-Path: <bob@ilnmors.internal>\nDelivered-To: alice@/,
  )
  send(postfix, ['bob+shop'], 'detail')
  await until(() => mail(place, 'bob', '.Shop').length === 1, 20_000)
  send(postfix, ['both'], 'two')
  await until(() => mail(place, 'alice').length === 1 && mail(place, 'bob').length === 1, 20_000)

  // Refused by one of two: the other has it, and the sender, bob, hears of it from Postfix.
  send(postfix, ['alice', 'bob'], 'refuse')
  await until(() => mail(place, 'bob').length === 3, 20_000)
  const bounce = mail(place, 'bob').find(text => text.includes('MAILER-DAEMON')) ?? ''
  assert.match(bounce, /550 5\.7\.1 not wanted here/)
  assert.equal(mail(place, 'alice').length, 1)
  assert.match(postfix.log, /to=<alice@ilnmors\.internal>.*dsn=5\.7\.1, status=bounced/)
  assert.match(postfix.log, /to=<bob@ilnmors\.internal>.*status=sent/)
  assert.match(server.log, /event=not-delivered /)
  assert.equal(queueOf(postfix), '')
})

test('LMTP behind Postfix: a full mailbox waits alone', { skip }, async t => {
  const place = placeOf(t, '[deliver]\nover_quota = "defer"\n[mailbox]\nquota = "10K"\n')
  home(place, 'alice')
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(place.maildir('alice'), part), { recursive: true })
  const large = join(place.maildir('alice'), 'cur', '1.M1P1.x,S=10200,W=10300:2,S')
  writeFileSync(large, 'x'.repeat(10_200))
  const { postfix } = await started(t, place)
  send(postfix, ['alice', 'bob'], 'full')
  await until(() => mail(place, 'bob').length === 1, 20_000)
  await until(() => /452 4\.2\.2/.test(postfix.log), 20_000)
  assert.deepEqual(mail(place, 'alice'), [])
  assert.match(queueOf(postfix), /"address": "alice@/)
  assert.doesNotMatch(queueOf(postfix), /"address": "bob@/)
  rmSync(large)
  flush(postfix)
  await until(() => mail(place, 'alice').length === 1, 30_000)
  assert.equal(mail(place, 'bob').length, 1)
  assert.match(readFileSync(join(place.maildir('alice'), 'maildirsize'), 'latin1'), /^10240S,0C\n/)
})

test('LMTP behind Postfix: 300 messages while mail-smtpd is killed and started; none lost', {
  skip,
}, async t => {
  const place = placeOf(t, '')
  writeFileSync(
    join(home(place, 'alice'), '.dovecot.sieve'),
    'require ["fileinto","mailbox"]; if header :contains "subject" "5" { fileinto :create "Five"; }',
  )
  own(place)
  const port = 20_000 + (process.pid % 10_000)
  const fixed = readFileSync(place.config, 'utf8').replace('127.0.0.1:0', `127.0.0.1:${port}`)
  writeFileSync(place.config, fixed)
  const start = () => Program.start('mail-smtpd', place.config, { owner: mailUser })
  let server = await start()
  const postfix = await postfixTo(`lmtp:inet:127.0.0.1:${port}`)
  t.after(async () => {
    await postfix.stop()
    await server.stop()
  })
  const count = 300
  const sending = sendLoad({
    port: postfix.ports['smtp'] as number,
    sessions: 5,
    count,
    recipients: i => [`${i % 2 ? 'alice' : 'bob'}@${domain}`],
    text: i => `From: a@x.example\r\nMessage-ID: <${i}@x.example>\r\nSubject: number ${i}\r\n\r\nx\r\n`,
  })
  for (let round = 0; round < 3; round++) {
    await new Promise(resolve => setTimeout(resolve, 700))
    await server.stop('SIGKILL')
    server = await start()
  }
  assert.equal((await sending).length, count)
  const subjects = () =>
    [...mail(place, 'alice'), ...mail(place, 'alice', '.Five'), ...mail(place, 'bob')].map(
      text => /number (\d+)/.exec(text)?.[1],
    )
  await until(() => {
    flush(postfix)
    return new Set(subjects()).size === count
  }, 60_000)
  for (const text of mail(place, 'alice', '.Five')) assert.match(text, /Subject: number \d*5/)
  t.diagnostic(`${subjects().length - count} came twice`)
})

test('mail-deliver as a pipe(8) of Postfix: exit statuses become replies', { skip }, async t => {
  const place = placeOf(t, '')
  writeFileSync(
    join(home(place, 'alice'), '.dovecot.sieve'),
    'require "reject"; if header :contains "subject" "refuse" { reject "not wanted here"; }',
  )
  own(place)
  const call = `${process.execPath} ${commandPath('mail-deliver')} -e -c ${place.config} -f \${sender} -d \${recipient}`
  const postfix = await postfixTo(
    'postern:',
    'postern_destination_recipient_limit = 1',
    `postern unix - n n - 4 pipe\n  flags=Rhu user=nobody argv=${call}\n`,
  )
  t.after(() => postfix.stop())
  spawnSync('chown', ['-R', 'nobody:nogroup', place.directory])
  send(postfix, ['alice', 'nobody-here'], 'hello', `bob@${domain}`)
  await until(() => mail(place, 'alice').length === 1, 30_000)
  send(postfix, ['alice'], 'refuse', `bob@${domain}`)
  await until(() => mail(place, 'bob').length === 2, 30_000)
  const bounces = mail(place, 'bob').join('\n')
  assert.match(bounces, /not wanted here/)
  assert.match(bounces, /no user nobody-here/)
  assert.equal(mail(place, 'alice').length, 1)
  assert.match(postfix.log, /dsn=5\.1\.1, status=bounced/)
})
