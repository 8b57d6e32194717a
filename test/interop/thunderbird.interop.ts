/** Thunderbird itself over mail-suite: what a person does with it in a day, and finds again the next. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { encodeMutf7 } from '../../lib/message/mutf7.js'
import { makePlace, type Place, passwords } from '../support/place.js'
import { Program } from '../support/program.js'
import { makeProfile, removeProfile, Thunderbird, thunderbirdMissing } from '../support/thunderbird.js'
import { until } from '../support/world.js'

const skip = thunderbirdMissing
const options = { skip, timeout: 120_000 }

const subjects = ['Plans', '=?utf-8?B?7JWI64WV7ZWY7IS47JqU?=', 'Invoice', 'Backup failed', 'News while idle']

let place: Place
let suite: Program
let profile: string
let thunderbird: Thunderbird

const listener = (daemon: string, tls: string) =>
  `[[${daemon}.listen]]\naddress = "127.0.0.1:0"\ntls = "${tls}"\n`

before(async () => {
  if (skip) return
  place = makePlace(`${listener('smtpd', 'required')}auth = "required"\n${listener('imapd', 'implicit')}`)
  const inbox = place.maildir('alice')
  for (const folder of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, folder), { recursive: true })
  for (const i of [0, 1, 2, 3]) deliver(i)
  suite = await Program.start('mail-suite', place.config)
  profile = makeProfile()
  thunderbird = await Thunderbird.start(profile)
  await thunderbird.run('setUp(arguments[0])', {
    user: 'alice',
    password: passwords.alice,
    imap: suite.ports('imapd')[0],
    smtp: suite.ports('smtpd')[0],
    pem: readFileSync(place.ca, 'utf8'),
  })
})

after(async () => {
  await thunderbird?.close()
  await suite?.stop()
  place?.remove()
  if (profile) removeProfile(profile)
})

function deliver(i: number): void {
  const header = `From: Bob <bob@ilnmors.internal>\nTo: alice@ilnmors.internal\nSubject: ${subjects[i]}\nDate: Mon, 23 Nov 2026 10:00:0${i} +0000\nMessage-ID: <${i}@test>\n`
  const text = 'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n'
  const body = i === 2 ? 'The sum is 한글 zebra.\n' : `Body ${i}.\n`
  writeFileSync(join(place.maildir('alice'), 'new', `17000000${i}0.M${i}P1.host`), header + text + body)
}

/** The flags of the one file in a folder whose text has these words; undefined without one. */
function flagsOf(folder: string, words: string): string | undefined {
  const directory = join(place.maildir('alice'), folder, 'cur')
  const name = readdirSync(directory).find(file =>
    readFileSync(join(directory, file), 'utf8').includes(words),
  )
  return name?.replace(/^.*:2,/, '')
}

test('it logs in, and knows the folders and what is in them', options, async () => {
  const found = await thunderbird.run<{ folders: string[]; special: boolean }>(`
    account().incomingServer.performExpand(null)
    await until(() => folder('Inbox') && folder('Trash') && folder('Sent'), 'the folders')
    await update('Inbox')
    const sent = folder('Sent')
    return { folders: root().descendants.map(one => one.prettyPath), special: sent.getFlag(Ci.nsMsgFolderFlags.SentMail) }`)
  for (const name of ['Inbox', 'Sent', 'Drafts', 'Trash', 'Archives', 'Spam'])
    assert.ok(found.folders.includes(name), `${name} in ${found.folders}`)
  assert.ok(found.special)
  assert.deepEqual(
    await thunderbird.run(
      "return headers('Inbox').map(one => [one.messageKey, one.mime2DecodedSubject, one.isRead])",
    ),
    [
      [1, 'Plans', false],
      [2, '안녕하세요', false],
      [3, 'Invoice', false],
      [4, 'Backup failed', false],
    ],
  )
})

test('it reads a message, whole', options, async () => {
  const text = await thunderbird.run<string>("return read('Inbox', '안녕하세요')")
  assert.match(text, /^Subject: =\?utf-8\?B\?7JWI64WV7ZWY7IS47JqU\?=\r\n/m)
  assert.match(text, /\r\n\r\nBody 1\.\r\n$/)
})

test('read, starred and tagged is so on disk, and mail that comes is there at once', options, async () => {
  await thunderbird.run(`
    const one = header('Inbox', 'Plans')
    folder('Inbox').markMessagesRead([one], true)
    folder('Inbox').markMessagesFlagged([one], true)
    folder('Inbox').addKeywordsToMessages([one], '$label1')`)
  await until(() => flagsOf('', 'Body 0.') === 'FSa', 20_000)
  deliver(4)
  await thunderbird.run("await until(() => header('Inbox', 'News while idle'), 'the new message')")
})

test('the server searches for it', options, async () => {
  assert.deepEqual(await thunderbird.run("return search('Inbox', 'Body', '한글 zebra')"), ['Invoice'])
  assert.deepEqual(await thunderbird.run("return search('Inbox', 'Subject', '안녕')"), ['안녕하세요'])
  assert.deepEqual(await thunderbird.run("return search('Inbox', 'Sender', 'nobody')"), [])
})

test('folders are made, filled, renamed and deleted', options, async () => {
  await thunderbird.run(`
    root().createSubfolder('Haus & Büro 집', null)
    await until(() => folder('Haus & Büro 집'), 'the new folder')`)
  await thunderbird.run(`
    await move('Inbox', 'Invoice', 'Haus & Büro 집')
    await until(() => !header('Inbox', 'Invoice'), 'the message to be moved')`)
  await thunderbird.run(`
    const target = folder('Haus & Büro 집')
    const arrived = () => {
      target.updateFolder(null)
      return header('Haus & Büro 집', 'Invoice')
    }
    await until(arrived, 'the message where it was moved to')`)
  await thunderbird.run(`
    folder('Haus & Büro 집').rename('Haus 집', null)
    await until(() => folder('Haus 집') && !folder('Haus & Büro 집'), 'the new name')`)
  assert.match(flagsOf(`.${encodeMutf7('Haus 집')}`, 'zebra') ?? 'nothing', /^S?$/)
})

test('it sends, and keeps a copy in Sent', options, async () => {
  await thunderbird.run("await send('bob@ilnmors.internal', 'From Thunderbird 한글', 'Hello.')")
  const inbox = join(place.maildir('bob'), 'new')
  await until(() => readdirSync(inbox).length === 1, 20_000)
  const [name = ''] = readdirSync(inbox)
  const text = readFileSync(join(inbox, name), 'utf8')
  assert.match(text, /^Received: from .*\n.*\n.* with ESMTPSA /m)
  assert.match(text, /^Subject: =\?UTF-8\?B\?/m)
  await until(() => flagsOf('.Sent', 'Hello.') === 'S', 20_000)
})

test('a deleted message is in the trash', options, async () => {
  await thunderbird.run(`
    const inbox = folder('Inbox')
    await finished(listener => inbox.deleteMessages([header('Inbox', 'Backup failed')], null, false, true, listener, false))
    await until(() => !header('Inbox', 'Backup failed'), 'the message to be gone')`)
  await until(() => flagsOf('.Trash', 'Body 3.') !== undefined, 20_000)
})

test('the next day nothing is fetched again: the same numbers, the same flags', options, async () => {
  const seen =
    "return headers('Inbox').map(one => [one.messageKey, one.isRead, one.isFlagged, one.getStringProperty('keywords')]).sort()"
  const before = await thunderbird.run(seen)
  await thunderbird.close()
  await suite.stop()
  thunderbird = await Thunderbird.start(profile)
  assert.deepEqual(await thunderbird.run(seen), before)
})
