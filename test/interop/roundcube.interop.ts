/** Roundcube as Debian has it, in Chromium, over mail-suite: what a person does with a webmail in a day. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Browser, browserMissing } from '../support/browser.js'
import { makePlace, type Place, passwords } from '../support/place.js'
import { commandPath, Program } from '../support/program.js'
import { Roundcube, roundcubeMissing } from '../support/roundcube.js'
import { until } from '../support/world.js'

const skip = browserMissing || roundcubeMissing

const mime = (i: number) =>
  `MIME-Version: 1.0\n${i === 4 ? 'Content-Type: multipart/mixed; boundary=b' : 'Content-Type: text/plain; charset=utf-8'}\n`
const rich = `
--b
Content-Type: text/html; charset=utf-8

<p>Some <b id="bold">bold words</b> here</p>
--b
Content-Type: application/pdf; name="plan.pdf"
Content-Disposition: attachment; filename="plan.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--b--
`

let place: Place
let suite: Program
let roundcube: Roundcube
let browser: Browser

const listener = (daemon: string, tls: string) =>
  `[[${daemon}.listen]]\naddress = "127.0.0.1:0"\ntls = "${tls}"\n`

before(async () => {
  if (skip) return
  place = makePlace(
    `${listener('smtpd', 'required')}auth = "required"\n` +
      listener('imapd', 'implicit') +
      listener('sieved', 'required'),
  )
  deliver()
  suite = await Program.start('mail-suite', place.config)
  const port = (daemon: string) => suite.ports(daemon)[0] ?? 0
  roundcube = await Roundcube.start({
    imap: port('imapd'),
    smtp: port('smtpd'),
    sieve: port('sieved'),
    ca: place.ca,
  })
  browser = await Browser.start(process.env['SCREENSHOTS'])
})

after(async () => {
  await browser?.close()
  roundcube?.close()
  await suite?.stop()
  place?.remove()
})

/** Four messages of one thread and one beside it, the newest with HTML and an attachment. */
function deliver(): void {
  const inbox = place.maildir('alice')
  for (const folder of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, folder), { recursive: true })
  const subjects = ['Zeta plans', 'Re: Zeta plans', 'Re: Zeta plans', '안녕하세요', 'Beta']
  for (const [i, subject] of subjects.entries()) {
    const references = i === 1 || i === 2 ? `References: <${i - 1}@test>\nIn-Reply-To: <${i - 1}@test>\n` : ''
    const header = `From: Bob <bob@ilnmors.internal>\nTo: alice@ilnmors.internal\nSubject: ${subject}\nDate: Mon, 23 Nov 2026 10:00:0${i} +0000\nMessage-ID: <${i}@test>\n${references}`
    const body = i === 4 ? rich : '\nplain words, 한글\n'
    writeFileSync(join(inbox, 'new', `17000000${i}.M${i}P1.host`), header + mime(i) + body)
  }
}

test('log in and list', { skip, timeout: 120_000 }, async () => {
  await browser.open(roundcube.url)
  await browser.type('#rcmloginuser', 'alice')
  await browser.type('#rcmloginpwd', passwords.alice)
  await browser.click('#rcmloginsubmit')
  await browser.until('return window.rcmail && rcmail.message_list && rcmail.message_list.rowcount === 5')
  await browser.picture('list')
})

/** What the list shows: UIDs and subjects, from the top. */
const shown = () =>
  browser.run<{ uid: string; subject: string; depth: number }[]>(`
    return [...document.querySelectorAll('#messagelist tbody tr')].map(row => {
      const uid = rcmail.message_list.get_row_uid(row)
      return { uid, subject: row.querySelector('.subject .subject a')?.textContent.trim(), depth: rcmail.env.messages[uid]?.depth ?? 0 }
    })`)
const subjects = async () => (await shown()).map(each => each.subject)

/** The paths of a folder's messages that hold a text. */
function holding(folder: string, text: string, user = 'alice'): string[] {
  const directory = join(place.maildir(user), folder)
  return ['new', 'cur']
    .map(part => join(directory, part))
    .filter(existsSync)
    .flatMap(part => readdirSync(part).map(name => join(part, name)))
    .filter(path => readFileSync(path, 'utf8').includes(text))
}

/** Waits until no request of the page is under way. */
const idle = () => browser.until('return window.rcmail && !rcmail.busy')

async function openInbox(): Promise<void> {
  await browser.open(`${roundcube.url}?_task=mail&_mbox=INBOX`)
  await until(async () => (await shown().catch(() => [])).length > 0, 30_000)
  await idle()
}

/** Clicks on a message, and waits until it is shown. */
async function click(subject: string): Promise<void> {
  const found = (await shown()).find(each => each.subject === subject)
  const row = await browser.run<string>('return rcmail.message_list.rows[arguments[0]].id', found?.uid)
  await browser.click(`#${row} .subject a`)
  await browser.enter('#messagecontframe')
  const script = `return document.readyState === 'complete' && document.querySelector('#message-header .subject')?.textContent.includes(arguments[0])`
  await browser.until(script, subject)
  await browser.enter()
  await idle()
}

test('read HTML with an attachment', { skip, timeout: 120_000 }, async () => {
  await click('Beta')
  await browser.enter('#messagecontframe')
  const bold = `return document.querySelector('.message-htmlpart b')?.textContent`
  assert.equal(await browser.until<string>(bold), 'bold words')
  const list = await browser.run<string>(`return document.querySelector('#attachment-list').textContent`)
  assert.match(list, /plan\.pdf/)
  const fetched = await browser.run<number[]>(`
    const request = new XMLHttpRequest()
    request.open('GET', document.querySelector('#attachment-list a').href + '&_download=1', false)
    request.overrideMimeType('text/plain; charset=x-user-defined')
    request.send()
    return [request.status, request.responseText.length]`)
  assert.deepEqual(fetched, [200, 9])
  await browser.enter()
  await browser.picture('message')
  await until(() => holding('', 'Subject: Beta')[0]?.endsWith(':2,S') === true, 30_000)
})

test('send', { skip, timeout: 120_000 }, async () => {
  await browser.open(`${roundcube.url}?_task=mail&_action=compose`)
  await browser.type('.recipient-input input', 'bob@ilnmors.internal,')
  await browser.type('#compose-subject', '보낸 편지 from the browser')
  await browser.type('#composebody', 'Typed in a browser.')
  await browser.picture('compose')
  await browser.click('.formbuttons button.send')
  await until(() => holding('', 'Typed in a browser', 'bob').length === 1, 30_000)
  await until(() => holding('.Sent', 'Typed in a browser').length === 1, 30_000)
})

test('flag, move and search', { skip, timeout: 120_000 }, async () => {
  await openInbox()
  await click('Zeta plans')
  await browser.run(`rcmail.command('mark', 'flagged')`)
  await until(() => holding('', 'Subject: Zeta plans')[0]?.includes('F') === true, 30_000)
  await click('Beta')
  await browser.run(`rcmail.command('move', 'Archive')`)
  await until(() => holding('.Archive', 'Subject: Beta').length === 1, 30_000)
  await idle()
  await browser.type('#mailsearchform', '안녕')
  await browser.run(`rcmail.command('search')`)
  await until(async () => (await subjects()).join() === '안녕하세요', 30_000)
  await browser.picture('search')
  await browser.run(`rcmail.command('reset-search')`)
  await until(async () => (await shown()).length === 4, 30_000)
})

test('sort, and threads', { skip, timeout: 120_000 }, async () => {
  await openInbox()
  const order = async (by: string, way: string, threads: number) => {
    await browser.run(
      'rcmail.set_list_options([], arguments[0], arguments[1], arguments[2])',
      by,
      way,
      threads,
    )
    await idle()
  }
  const plans = ['Re: Zeta plans', 'Re: Zeta plans', 'Zeta plans']
  await order('subject', 'ASC', 0)
  await until(async () => (await subjects()).at(-1) === '안녕하세요', 30_000)
  assert.deepEqual((await subjects()).slice(0, 3).sort(), plans)
  await order('subject', 'DESC', 0)
  await until(async () => (await subjects())[0] === '안녕하세요', 30_000)
  await order('arrival', 'DESC', 1)
  await until(async () => (await shown()).filter(each => each.depth > 0).length === 2, 30_000)
  await browser.picture('threads')
})

test('create, rename and delete a folder', { skip, timeout: 120_000 }, async () => {
  const folder = (name: string) => existsSync(join(place.maildir('alice'), name))
  await browser.open(`${roundcube.url}?_task=settings&_action=folders`)
  await browser.click('#toolbar-menu a.create')
  await name('계획')
  await until(() => folder('.&rMTWjQ-'), 30_000)
  await idle()
  await browser.picture('folders')
  await browser.click('#subscription-table li:last-child > a')
  await name('Plans')
  await until(() => folder('.Plans') && !folder('.&rMTWjQ-'), 30_000)
  await idle()
  await browser.click('#subscription-table li:last-child > a')
  await idle()
  await browser.click('#toolbar-menu a.delete')
  await browser.click('.ui-dialog button.mainaction')
  await until(() => !folder('.Plans'), 30_000)
})

/** Fills in the name in the form beside the list, and saves. */
async function name(text: string): Promise<void> {
  await browser.enter('#preferences-frame')
  await browser.type('input[name=_name]', text)
  await browser.click('button.submit')
  await browser.enter()
}

test('a filter of the editor sorts mail', { skip, timeout: 120_000 }, async () => {
  await browser.open(`${roundcube.url}?_task=settings&_action=plugin.managesieve`)
  await browser.click('#toolbar-menu a.create')
  await browser.enter('iframe[name=filter-box], #filter-box')
  await browser.type('input[name=_name]', 'lists')
  await browser.type('input[name="_rule_target[0][]"]', '[list]')
  await browser.run(`document.querySelector('#action_mailbox0').value = 'Junk'`)
  await browser.picture('filter')
  await browser.click('button.submit')
  await browser.enter()
  const active = join(place.directory, 'home', 'alice', '.dovecot.sieve')
  await until(() => existsSync(active), 30_000)
  await browser.until(`return document.querySelector('#filterslist')?.textContent.includes('lists')`)
  const mail = 'From: <bob@ilnmors.internal>\nSubject: [list] news\n\nnews\n'
  const args = [commandPath('mail-deliver'), '-c', place.config, '-d', 'alice']
  execFileSync(process.execPath, args, { input: mail })
  assert.equal(holding('.Junk', '[list] news').length, 1, readFileSync(active, 'utf8'))
})

test('Roundcube has no complaint', { skip }, () => {
  assert.deepEqual(roundcube.errors, [])
})
