/** What keeps in step with a mailbox, against mail-imapd: offlineimap both ways, getmail out of it, imapflow live. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { ImapFlow } from 'imapflow'
import { makePlace, type Place, passwords } from '../support/place.js'
import { has, Program } from '../support/program.js'
import { until } from '../support/world.js'

const run = promisify(execFile)
const options = { env: { ...process.env, LANG: 'C.UTF-8' }, maxBuffer: 1 << 26, timeout: 120_000 }

const message = (i: number) =>
  `From: bob@ilnmors.internal\nSubject: number ${i}\nDate: Mon, 23 Nov 2026 10:00:0${i} +0000\nMessage-ID: <${i}@test>\n\nbody ${i} é\n`

let place: Place
let imapd: Program
let tls = 0

before(async () => {
  place = makePlace('[[imapd.listen]]\naddress = "127.0.0.1:0"\ntls = "implicit"\n')
  for (let i = 0; i < 5; i++) put(place.maildir('alice'), i)
  put(join(place.maildir('alice'), '.&rMTWjQ-'), 8)
  imapd = await Program.start('mail-imapd', place.config)
  ;[tls = 0] = imapd.ports('imapd')
})

after(async () => {
  await imapd?.stop()
  place?.remove()
})

function put(maildir: string, i: number): void {
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, part), { recursive: true })
  writeFileSync(join(maildir, 'new', `170000000${i}.M${i}P1.host`), message(i))
}

/** Paths of all messages of a Maildir, and of those in its folders. */
const names = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(path => /(^|\/)(cur|new)\/./.test(path))
    .sort()
const under = (directory: string) => names(directory).map(path => join(directory, path))

test('offlineimap both ways, folders in Hangul among them; a run with nothing new moves nothing', {
  skip: !has('offlineimap') && 'offlineimap is not installed',
}, async () => {
  const local = join(place.directory, 'offline')
  const rc = join(place.directory, 'offlineimaprc')
  writeFileSync(
    rc,
    `[general]
accounts = home
metadata = ${join(place.directory, 'offline-state')}
fsync = False

[Account home]
localrepository = local
remoterepository = remote
utf8foldernames = yes

[Repository local]
type = Maildir
localfolders = ${local}

[Repository remote]
type = IMAP
remotehost = localhost
remoteport = ${tls}
remoteuser = alice
remotepass = wonderland
ssl = yes
sslcacertfile = ${place.ca}
`,
  )
  const sync = () => run('offlineimap', ['-o', '-u', 'basic', '-c', rc], options)
  const both = () => [names(local), names(place.maildir('alice'))]
  await sync()
  assert.equal(names(join(local, 'INBOX')).length, 5)
  assert.equal(names(join(local, '계획')).length, 1)
  const before = both()
  await sync()
  assert.deepEqual(both(), before)

  // Read and flagged here, removed there, new on both sides.
  const holds = (text: string) => (path: string) => readFileSync(path, 'utf8').includes(text)
  const first = under(join(local, 'INBOX')).find(holds('number 0')) as string
  const name = first.split('/').at(-1)?.split(':')[0]
  renameSync(first, join(local, 'INBOX/cur', `${name}:2,FS`))
  rmSync(under(place.maildir('alice')).find(holds('number 1')) as string)
  put(place.maildir('alice'), 6)
  writeFileSync(join(local, 'INBOX/cur/1700000007_7.1.host:2,S'), message(7))
  await sync()
  const subjects = (directory: string) =>
    under(directory)
      .map(path => /^Subject: number (\d)/im.exec(readFileSync(path, 'utf8'))?.[1])
      .sort()
  assert.deepEqual(subjects(place.maildir('alice')), ['0', '2', '3', '4', '6', '7', '8'])
  assert.deepEqual(subjects(local), ['0', '2', '3', '4', '6', '7', '8'])
  assert.match(under(place.maildir('alice')).find(holds('number 0')) as string, /:2,FS$/)
  const after = both()
  await sync()
  assert.deepEqual(both(), after)
})

test('getmail takes each message once', {
  skip: !has('getmail') && 'getmail is not installed',
}, async () => {
  const got = join(place.directory, 'getmail.mbox')
  const rc = join(place.directory, 'getmailrc.d')
  mkdirSync(rc)
  writeFileSync(
    join(rc, 'getmailrc'),
    `[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\nport = ${tls}\nusername = alice\npassword = wonderland\nca_certs = ${place.ca}\nmailboxes = ("INBOX", "계획")\n` +
      `[destination]\ntype = MDA_external\npath = /usr/bin/tee\narguments = ("-a", "${got}")\nallow_root_commands = true\n` +
      '[options]\nread_all = false\ndelete = false\n',
  )
  const there = names(place.maildir('alice')).length
  for (let round = 0; round < 2; round++) {
    await run('getmail', ['--getmaildir', rc], options)
    assert.equal(readFileSync(got, 'utf8').match(/^Message-ID: /gm)?.length, there)
  }
})

test('imapflow hears of news, reads, searches, flags, moves, appends, and makes folders', async t => {
  const client = new ImapFlow({
    host: 'localhost',
    port: tls,
    secure: true,
    auth: { user: 'bob', pass: passwords.bob },
    tls: { ca: readFileSync(place.ca) },
    logger: false,
    qresync: true,
  })
  t.after(() => client.close())
  await client.connect()
  assert.deepEqual((await client.list()).flatMap(each => (each.specialUse ? [each.specialUse] : [])).sort(), [
    '\\Archive',
    '\\Drafts',
    '\\Inbox',
    '\\Junk',
    '\\Sent',
    '\\Trash',
  ])
  await client.mailboxOpen('INBOX')
  let exists = 0
  client.on('exists', news => {
    exists = news.count
  })
  void client.idle()
  put(place.maildir('bob'), 1)
  await until(() => exists === 1, 20_000)

  const added = await client.append('INBOX', 'Subject: 한글\r\n\r\n본문\r\n', ['\\Flagged', '$label1'])
  assert.ok(added && added.uid === 2)
  assert.deepEqual(await client.search({ header: { subject: '한글' } }, { uid: true }), [2])
  const fetched = await client.fetchOne(
    '2',
    { envelope: true, flags: true, source: true, bodyStructure: true },
    { uid: true },
  )
  assert.ok(fetched)
  assert.equal(fetched.envelope?.subject, '한글')
  // It enables IMAP4rev2, which has no \Recent.
  assert.deepEqual([...(fetched.flags ?? [])].sort(), ['$label1', '\\Flagged'])
  assert.equal(fetched.source?.toString(), 'Subject: 한글\r\n\r\n본문\r\n')

  assert.ok(await client.messageFlagsAdd('1', ['\\Seen'], { uid: true }))
  const made = await client.mailboxCreate('보관')
  assert.equal(made.created, true)
  const moved = await client.messageMove('1', '보관', { uid: true })
  assert.ok(moved && moved.uidMap?.get(1) === 1)
  assert.deepEqual(await client.status('보관', { messages: true, unseen: true }), {
    path: '보관',
    messages: 1,
    unseen: 0,
  })
  await client.mailboxRename('보관', '보관함')
  assert.equal(names(join(place.maildir('bob'), '.&vPStANVo-')).length, 1)
  assert.ok(await client.messageDelete('2', { uid: true }))
  assert.equal(names(place.maildir('bob')).length, 1)
  await client.logout()
})
