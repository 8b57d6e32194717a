/** The main job, whole: a message goes in at 587, is read at 993 octet for octet, and mblaze shows the file. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { makePlace, type Place } from '../support/place.js'
import { has, Program } from '../support/program.js'

const run = promisify(execFile)
const options = {
  env: { ...process.env, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' },
  timeout: 60_000,
  maxBuffer: 1 << 26,
}

let place: Place
let suite: Program

before(async () => {
  place = makePlace(`
[[smtpd.listen]]
address = "127.0.0.1:0"
tls = "required"
auth = "required"
[[imapd.listen]]
address = "127.0.0.1:0"
tls = "implicit"
`)
  suite = await Program.start('mail-suite', place.config)
})

after(async () => {
  await suite?.stop()
  place?.remove()
})

const header = [
  'From: Alice <alice@ilnmors.internal>',
  'To: bob@ilnmors.internal',
  'Subject: =?utf-8?B?7JWI64WV?= from 587',
  'Date: Mon, 23 Nov 2026 10:00:00 +0900',
  'Message-ID: <whole-1@ilnmors.internal>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
]
const body = [
  '안녕하세요',
  '.',
  '..two dots',
  '',
  '   spaces at the end   ',
  `a long line ${'x'.repeat(900)}`,
  'last',
]
const message = `${[...header, '', ...body].join('\r\n')}\r\n`

test('in at 587, out at 993, octet for octet', { skip: !has('python3') }, async () => {
  writeFileSync(join(place.directory, 'message'), message)
  const script = `
import smtplib, imaplib, ssl, sys
context = ssl.create_default_context(cafile=${JSON.stringify(place.ca)})
message = open(${JSON.stringify(join(place.directory, 'message'))}, 'rb').read()
s = smtplib.SMTP('localhost', ${suite.ports('smtpd')[0]}); s.starttls(context=context); s.login('alice', 'wonderland')
s.sendmail('alice@ilnmors.internal', ['bob@ilnmors.internal'], message, mail_options=['BODY=8BITMIME']); s.quit()
i = imaplib.IMAP4_SSL('localhost', ${suite.ports('imapd')[0]}, ssl_context=context); i.login('bob', 'two words')
assert i.select('INBOX')[1] == [b'1']
whole = i.fetch('1', '(RFC822.SIZE BODY.PEEK[])')[1][0]
assert int(whole[0].split(b'RFC822.SIZE ')[1].split()[0]) == len(whole[1]), whole[0]
sys.stdout.buffer.write(whole[1]); i.logout()`
  const { stdout } = await run('python3', ['-c', script], options)
  assert.ok(stdout.endsWith(message), 'the message is what was sent')
  const added = stdout.slice(0, -message.length)
  assert.match(
    added,
    /^Return-Path: <alice@ilnmors\.internal>\r\nDelivered-To: bob@ilnmors\.internal\r\nReceived: /,
  )
  assert.doesNotMatch(added, /[^\r]\n|\r\n\r\n/)
})

test('mlist and mshow show it from the same Maildir', { skip: !has('mshow') }, async () => {
  const { stdout: list } = await run('mlist', [place.maildir('bob')], options)
  assert.equal(list.trim().split('\n').length, 1)
  const { stdout } = await run('mshow', [list.trim()], options)
  assert.match(stdout, /Subject: 안녕 from 587/)
  for (const line of body) assert.ok(stdout.includes(line), line)
})

test('swaks sends over 587 and curl reads it over 993', { skip: !has('swaks') || !has('curl') }, async () => {
  const port = suite.ports('smtpd')[0]
  const login = ['--auth', 'PLAIN', '--auth-user', 'bob', '--auth-password', 'two words']
  const letter = [
    '--from',
    'bob@ilnmors.internal',
    '--to',
    'alice@ilnmors.internal',
    '--header',
    'Subject: by swaks',
  ]
  await run(
    'swaks',
    ['--server', `localhost:${port}`, '--tls', '--tls-ca-path', place.ca, ...login, ...letter],
    options,
  )
  const where = `imaps://localhost:${suite.ports('imapd')[0]}/INBOX;MAILINDEX=1`
  const { stdout } = await run(
    'curl',
    ['-sS', '--cacert', place.ca, '-u', 'alice:wonderland', where],
    options,
  )
  assert.match(stdout, /^Subject: by swaks\r$/m)
})

test('a process that is killed takes nothing with it', { skip: !has('curl') }, async () => {
  await suite.stop('SIGKILL')
  suite = await Program.start('mail-suite', place.config)
  const where = `imaps://localhost:${suite.ports('imapd')[0]}/INBOX`
  const request = ['-X', 'STATUS INBOX (MESSAGES UIDNEXT)']
  for (const login of ['alice:wonderland', 'bob:two words']) {
    const { stdout } = await run(
      'curl',
      ['-sS', '--cacert', place.ca, '-u', login, where, ...request],
      options,
    )
    assert.match(stdout, /MESSAGES 1 UIDNEXT 2/)
  }
})
