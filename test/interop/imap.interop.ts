/** Real IMAP clients, and real readers of Maildirs, against mail-imapd. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { makePlace, type Place } from '../support/place.js'
import { has, Program } from '../support/program.js'
import { until } from '../support/world.js'

const run = promisify(execFile)
const options = { env: { ...process.env, LANG: 'C.UTF-8' }, maxBuffer: 1 << 26, timeout: 120_000 }

let place: Place
let imapd: Program
let clear = 0
let tls = 0

const bodies = ['plain', 'ünïcode', `${'x'.repeat(70)}\n`.repeat(5_000), 'last']

before(async () => {
  place = makePlace(`
[[imapd.listen]]
address = "127.0.0.1:0"
tls = "required"
[[imapd.listen]]
address = "127.0.0.1:0"
tls = "implicit"
`)
  for (const [i, body] of bodies.entries()) put('alice', i, message(i, body))
  imapd = await Program.start('mail-imapd', place.config)
  ;[clear = 0, tls = 0] = imapd.ports('imapd')
})

after(async () => {
  await imapd?.stop()
  place?.remove()
})

function message(i: number, body: string): string {
  return `From: bob@ilnmors.internal\nTo: alice@ilnmors.internal\nSubject: number ${i}\nDate: Mon, 23 Nov 2026 10:00:0${i} +0000\nMessage-ID: <${i}@test>\n\n${body}\n`
}

const wire = (text: string) => text.replaceAll('\n', '\r\n')

/** Delivers as any MDA does. */
function put(user: string, i: number, text: string): void {
  const inbox = place.maildir(user)
  for (const folder of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, folder), { recursive: true })
  const name = `170000000${i}.M${i}P${process.pid}.host`
  writeFileSync(join(inbox, 'tmp', name), text)
  renameSync(join(inbox, 'tmp', name), join(inbox, 'new', name))
}

function files(user: string, folder = ''): string[] {
  const directory = join(place.maildir(user), folder)
  return ['new', 'cur'].flatMap(part => readdirSync(join(directory, part)))
}

async function python(script: string): Promise<string> {
  const head = `
import imaplib, ssl, sys, json, re, time
context = ssl.create_default_context(cafile=${JSON.stringify(place.ca)})
def connect(user='alice', password='wonderland'):
    m = imaplib.IMAP4_SSL('localhost', ${tls}, ssl_context=context)
    m.login(user, password)
    return m
def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]
`
  const { stdout } = await run('python3', ['-c', head + script], options)
  return stdout
}

test('curl lists, reads, searches, appends over imaps', { skip: !has('curl') }, async () => {
  const curl = async (path: string, ...more: string[]) =>
    (
      await run(
        'curl',
        [
          '-sS',
          '--cacert',
          place.ca,
          '--user',
          'alice:wonderland',
          `imaps://localhost:${tls}/${path}`,
          ...more,
        ],
        options,
      )
    ).stdout
  assert.match(await curl(''), /LIST \(.*\\Sent.*\) "\." Sent/)
  for (const [i, body] of bodies.entries())
    assert.equal(await curl(`INBOX;MAILINDEX=${i + 1}`), wire(message(i, body)))
  assert.match(await curl('', '-X', 'STATUS INBOX (MESSAGES)'), /MESSAGES 4/)
  const file = join(place.directory, 'upload.eml')
  writeFileSync(file, wire(message(9, 'sent by curl')))
  await curl('Sent', '-T', file)
  assert.equal(await curl('Sent;UID=1'), wire(message(9, 'sent by curl')))
  const stored = files('alice', '.Sent')
  assert.equal(
    readFileSync(join(place.maildir('alice'), '.Sent/cur', stored[0] as string), 'utf8'),
    message(9, 'sent by curl'),
  )
})

test('curl must start TLS where it is required', { skip: !has('curl') }, async () => {
  const { stdout } = await run(
    'curl',
    ['-sS', '--ssl-reqd', '--cacert', place.ca, '--user', 'alice:wonderland', `imap://localhost:${clear}/`],
    options,
  )
  assert.match(stdout, /INBOX/)
})

test('openssl s_client starts TLS', { skip: !has('openssl') }, async () => {
  const client = spawn('openssl', [
    ...['s_client', '-quiet', '-crlf', '-starttls', 'imap', '-CAfile', place.ca, '-verify_return_error'],
    ...['-connect', `localhost:${clear}`],
  ])
  let said = ''
  client.stdout.on('data', chunk => {
    said += chunk
  })
  client.stdin.write('a LOGIN alice wonderland\nb SELECT INBOX\nc LOGOUT\n')
  await until(() => said.includes('c OK'), 20_000)
  assert.match(said, /a OK \[CAPABILITY [^\]]*UIDPLUS/)
  assert.match(said, /\* 4 EXISTS\r\n/)
  client.kill()
})

test('imaplib uses every command it has', { skip: !has('python3') }, async () => {
  const out = await python(`
m = connect('bob', 'two words')
assert b'INBOX' in b''.join(ok(m.list()))
ok(m.create('Work')); ok(m.subscribe('Work'))
message = b'Subject: appended\\r\\n\\r\\n\\xc3\\xa9 body\\r\\n'
for i in range(5):
    text = ok(m.append('Work', '(\\\\Flagged)' if i else '', time.time() - 1000 * i, message))[0]
    assert b'APPENDUID' in text, text
assert ok(m.select('Work')) == [b'5']
data = ok(m.fetch('1', '(FLAGS RFC822.SIZE BODY.PEEK[] ENVELOPE BODYSTRUCTURE)'))
assert data[0][1] == message, data
ok(m.store('1:2', '+FLAGS', '(\\\\Deleted $Later)'))
assert ok(m.expunge()) == [b'2', b'1']
assert len(ok(m.fetch('1:*', '(UID)'))) == 3
ok(m.uid('COPY', '3:4', 'Archive'))
assert re.search(rb'MESSAGES 2', ok(m.status('Archive', '(MESSAGES UIDNEXT UNSEEN)'))[0])
ok(m.rename('Work', 'Play')); ok(m.select('Play')); ok(m.check()); ok(m.noop())
ok(m.uid('STORE', '3', 'FLAGS', '(\\\\Seen)'))
assert ok(m.namespace()); assert m.enable is not None
typ, _ = m.select('nowhere'); assert typ == 'NO'
ok(m.select('Play')); ok(m.close()); ok(m.unsubscribe('Work')); ok(m.delete('Play'))
m.logout()
# AUTHENTICATE, STARTTLS
n = imaplib.IMAP4('localhost', ${clear})
n.starttls(context)
n.authenticate('PLAIN', lambda _: b'\\0bob\\0two words')
n.logout()
# A wrong password
n = imaplib.IMAP4_SSL('localhost', ${tls}, ssl_context=context)
try:
    n.login('bob', 'wrong'); print('let in')
except imaplib.IMAP4.error as e: print('refused', 'AUTHENTICATIONFAILED' in str(e))
`)
  assert.equal(out.trim(), 'refused True')
})

test('ten connections of one user at once', { skip: !has('python3') }, async () => {
  const out = await python(`
many = [connect() for _ in range(10)]
for m in many: ok(m.select('INBOX'))
for m in many: assert len(ok(m.fetch('1:*', '(FLAGS)'))) == 4
for m in many: m.logout()
print('done')`)
  assert.equal(out.trim(), 'done')
})

test('a file on disk is told in IDLE', async () => {
  const script = `
m = connect()
ok(m.select('INBOX'))
m.send(b'x IDLE\\r\\n'); print(m.readline().decode().strip(), flush=True)
line = m.readline()
while b'EXISTS' not in line: line = m.readline()
print(line.decode().strip(), flush=True)
m.send(b'DONE\\r\\n')
while not m.readline().startswith(b'x '): pass
m.logout()`
  const told = python(script)
  await new Promise(resolve => setTimeout(resolve, 1_500))
  put('alice', 5, message(5, 'news'))
  assert.match(await told, /\+ idling\n\* 5 EXISTS/)
})

test('mbsync both ways; the second run moves nothing', { skip: !has('mbsync') }, async () => {
  const rc = join(place.directory, 'mbsyncrc')
  const local = join(place.directory, 'mbsync')
  mkdirSync(local)
  writeFileSync(
    rc,
    `IMAPStore remote
Host localhost
Port ${tls}
User alice
Pass wonderland
SSLType IMAPS
CertificateFile ${place.ca}

MaildirStore local
Path ${local}/
Inbox ${local}/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Expunge Both
SyncState *
`,
  )
  const sync = () => run('mbsync', ['-c', rc, 'all'], options)
  /** Every message on both sides. */
  const all = () =>
    [local, place.maildir('alice')].map(directory =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .filter(path => /(cur|new)\/./.test(path))
        .sort(),
    )
  const syncNothing = async () => {
    const before = all()
    await sync()
    assert.deepEqual(all(), before)
  }
  await sync()
  const inbox = () => ['new', 'cur'].flatMap(part => readdirSync(join(local, 'INBOX', part)))
  assert.equal(inbox().length, 5)
  await syncNothing()
  // A flag and a message here arrive there.
  const part = (name: string) => (readdirSync(join(local, 'INBOX/new')).includes(name) ? 'new' : 'cur')
  const first = inbox().find(name => /,U=1(:|$)/.test(name)) as string
  renameSync(
    join(local, 'INBOX', part(first), first),
    join(local, 'INBOX/cur', `${first.split(':')[0]}:2,FS`),
  )
  writeFileSync(join(local, 'Sent/cur', '1700000099.M1P1.host:2,S'), message(7, 'from mbsync'))
  await sync()
  assert.ok(files('alice').some(name => /:2,FS$/.test(name)))
  assert.equal(files('alice', '.Sent').length, 2)
  await syncNothing()
  // A removal on either side.
  renameSync(
    join(local, 'INBOX/cur', `${first.split(':')[0]}:2,FS`),
    join(local, 'INBOX/cur', `${first.split(':')[0]}:2,FST`),
  )
  await sync()
  assert.equal(files('alice').length, 4)
  assert.equal(inbox().length, 4)
  await syncNothing()
})

test('neomutt in batch: reads, marks, saves into a folder, over IMAP', {
  skip: !has('neomutt'),
}, async () => {
  const rc = join(place.directory, 'muttrc')
  writeFileSync(
    rc,
    `set ssl_force_tls=yes
set certificate_file=${place.ca}
set imap_user=alice
set imap_pass=wonderland
set folder=imaps://localhost:${tls}/
set confirmappend=no
set confirmcreate=no
set delete=yes
set move=no
set header_cache=""
set tmpdir=${place.directory}
set record=""
push "<tag-pattern>~A<enter><tag-prefix><copy-message>=Archive<enter><first-entry><flag-message><sync-mailbox><quit>"
`,
  )
  await run('script', ['-qec', `neomutt -n -F ${rc} -f imaps://alice@localhost:${tls}/INBOX`, '/dev/null'], {
    ...options,
    env: { ...options.env, TERM: 'xterm' },
  })
  assert.equal(files('alice', '.Archive').length, 4)
  assert.ok(files('alice').some(name => /:2,[A-Za-z]*F/.test(name)))
})

test('mblaze and notmuch read the same Maildir', { skip: !has('mlist') || !has('notmuch') }, async () => {
  const maildir = place.maildir('alice')
  const { stdout: list } = await run('sh', ['-c', `mlist ${maildir} | mscan -f '%s'`], options)
  assert.equal(list.trim().split('\n').length, 4)
  assert.match(list, /number 3/)
  const { stdout: shown } = await run(
    'sh',
    ['-c', `mlist ${maildir} | mpick -t 'subject =~ "number 3"' | mshow -h subject`],
    options,
  )
  assert.match(shown, /^Subject: number 3\n(.*\n)*last$/m)
  const config = join(place.directory, 'notmuch-config')
  writeFileSync(
    config,
    `[database]\npath=${place.directory}/home\n[user]\nname=a\nprimary_email=alice@ilnmors.internal\n`,
  )
  const notmuch = { ...options, env: { ...options.env, NOTMUCH_CONFIG: config } }
  await run('notmuch', ['new', '--quiet'], notmuch)
  const { stdout: count } = await run(
    'notmuch',
    ['count', 'subject:number', 'and', 'folder:alice/Maildir'],
    notmuch,
  )
  assert.equal(count.trim(), '4')
})

test('mail-imapd ends clean on SIGTERM', async () => {
  assert.equal(await imapd.stop(), 0)
  assert.match(imapd.log, /event=stopped/)
  assert.doesNotMatch(imapd.log, /session-failed|SERVERBUG|command-failed/)
})
