/** Scripts that run for what IMAP clients do (RFC 6785), through a real mail-imapd. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { imapService } from '../../lib/command/imapd.js'
import { ImapClient } from '../support/imap-client.js'
import { type Running, startService } from '../support/service.js'

let running: Running
let client: ImapClient

const message = (subject: string) =>
  Buffer.from(`From: ann@x.example\r\nTo: alice@ilnmors.internal\r\nSubject: ${subject}\r\n\r\nText\r\n`)

const rules = `[sieve]
[[sieve.imap]]
mailbox = "*"
before = "any.sieve"
[[sieve.imap]]
mailbox = "Junk"
from = "INBOX"
causes = ["COPY"]
before = "learn.sieve"
[[sieved.listen]]
address = "127.0.0.1:4191"
tls = "off"
[queue]
directory = "queue"
[relay]
host = "127.0.0.1:1"
tls = "off"
`

before(async () => {
  running = await startService(imapService, { configuration: rules })
  script('learn', 'require ["imapsieve", "imap4flags"]; addflag "$Learnt";')
  script('any', 'keep;')
  client = await ImapClient.login(running.port, 'alice', 'wonderland')
})

after(async () => {
  client?.close()
  await running?.close()
})

/** Writes a script of the site. Its size differs from the last one's: a clock's grain does not matter. */
let count = 0
function script(name: string, text: string): void {
  count += 1
  writeFileSync(join(running.directory, `${name}.sieve`), `${text}\n${'#'.repeat(count)}\n`)
}

/** Makes a mailbox of its own for a test. */
async function mailbox(name: string, ...subjects: readonly string[]): Promise<void> {
  await client.ok(`CREATE "${name}"`)
  for (const subject of subjects) await client.ok(`APPEND "${name}"`, message(subject))
}

/** What is counted is counted anew. */
async function select(name: string): Promise<void> {
  client.uids.length = 0
  await client.ok(`SELECT ${name}`)
}

async function flagsIn(name: string): Promise<string[]> {
  await select(`"${name}"`)
  const lines = await client.ok('FETCH 1:* (FLAGS)')
  return lines
    .filter(line => line.includes('FETCH'))
    .map(line => (/FLAGS \(([^)]*)\)/.exec(line)?.[1] ?? '').replace(/ ?\\Recent/, ''))
}

async function countIn(name: string): Promise<number> {
  const [line = ''] = await client.ok(`STATUS "${name}" (MESSAGES)`)
  return Number(/MESSAGES (\d+)/.exec(line)?.[1])
}

/** Says in the user's log what it sees. */
const tell = `require ["imapsieve", "environment", "variables", "vnd.dovecot.debug"];
if environment :matches "imap.cause" "*" { set "cause" "\${1}"; }
if environment :matches "imap.mailbox" "*" { set "box" "\${1}"; }
if environment :matches "imap.user" "*" { set "user" "\${1}"; }
if environment :matches "imap.email" "*" { set "email" "\${1}"; }
if environment :matches "imap.changedflags" "*" { set "flags" "\${1}"; }
if environment :matches "location" "*" { set "at" "\${1}"; }
if environment :matches "phase" "*" { set "phase" "\${1}"; }
debug_log "saw \${cause} \${box} \${user} \${email} [\${flags}] \${at} \${phase}";`

function log(): string {
  const path = join(dirname(running.maildir('alice')), '.dovecot.sieve.log')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

test('RFC 6785 §4: a script knows why it runs', async () => {
  await mailbox('Items', 'one')
  script('any', tell)
  await client.ok('APPEND "Items"', message('two'))
  assert.match(log(), /saw APPEND Items alice@ilnmors\.internal alice@ilnmors\.internal \[\] MS post/)
  await select('"Items"')
  await client.ok('STORE 1 +FLAGS (\\Flagged work)')
  assert.match(log(), /saw FLAG Items \S+ \S+ \[\\Flagged work\] MS post/)
  await client.ok('CREATE Copies')
  await client.ok('COPY 1 Copies')
  assert.match(log(), /saw COPY Copies /)
  await client.ok('MOVE 2 Copies')
  assert.equal(log().match(/saw COPY Copies /g)?.length, 2)
})

test('a flag that does not change is no event; reading a message is one', async () => {
  script('any', 'keep;')
  await mailbox('Seen', 'one')
  script('any', 'require ["vnd.dovecot.debug", "imapsieve"]; debug_log "event";')
  const events = () => log().match(/ event$/gm)?.length ?? 0
  const before = events()
  await select('"Seen"')
  await client.ok('FETCH 1 BODY[]')
  assert.equal(events(), before + 1)
  await client.ok('STORE 1 +FLAGS (\\Seen)')
  assert.equal(events(), before + 1)
})

test('RFC 6785 §5, example 1: a message put into ActionItems is redirected as well', async () => {
  script(
    'any',
    `require ["copy", "environment", "imapsieve"];
if anyof (environment :is "imap.cause" "APPEND", environment :is "imap.cause" "COPY")  {
  if environment :is "imap.mailbox" "ActionItems" { redirect :copy "actionitems@example.com"; }
}`,
  )
  await mailbox('ActionItems', 'act')
  assert.deepEqual(await flagsIn('ActionItems'), [''])
  const queue = join(running.directory, 'queue')
  const files = readdirSync(queue, { recursive: true, encoding: 'utf8' }).map(name => join(queue, name))
  const all = files.filter(path => statSync(path).isFile()).map(path => readFileSync(path, 'utf8'))
  assert.match(all.join('\n'), /actionitems@example\.com/)
  assert.match(all.join('\n'), /alice@ilnmors\.internal/)
})

test('RFC 6785 §5, example 2: a message that becomes \\Flagged, and only then', async () => {
  script('any', 'keep;')
  await mailbox('Important', 'one', 'two')
  await select('"Important"')
  await client.ok('STORE 2 +FLAGS (\\Flagged)')
  script(
    'any',
    `require ["imap4flags", "variables", "environment", "imapsieve", "vnd.dovecot.debug"];
if environment :matches "imap.mailbox" "*" { set "mailbox" "\${1}"; }
if allof (hasflag "\\\\Flagged", environment :contains "imap.changedflags" "\\\\Flagged") {
  debug_log "Important message in \${mailbox}";
}`,
  )
  const told = () => log().match(/Important message in Important/g)?.length ?? 0
  await client.ok('STORE 2 +FLAGS (\\Answered)')
  assert.equal(told(), 0)
  await client.ok('STORE 1 +FLAGS (\\Flagged)')
  assert.equal(told(), 1)
  await client.ok('STORE 1 -FLAGS (\\Flagged)')
  assert.equal(told(), 1)
})

test('§3.3: fileinto makes a copy, and what is not kept is marked as deleted', async () => {
  script(
    'any',
    'require ["fileinto", "mailbox", "imapsieve", "imap4flags"]; fileinto :create :flags "$Filed" "Filed";',
  )
  await mailbox('From', 'one')
  assert.deepEqual(await flagsIn('From'), ['\\Deleted'])
  script('any', 'keep;')
  assert.deepEqual(await flagsIn('Filed'), ['$Filed'])
  script('any', 'require ["fileinto", "copy", "imapsieve"]; fileinto :copy "Filed";')
  await mailbox('Kept', 'two')
  assert.deepEqual(await flagsIn('Kept'), [''])
  assert.equal(await countIn('Filed'), 2)
})

test('§3.5: discard marks as deleted, unless something keeps', async () => {
  script('any', 'discard;')
  await mailbox('Thrown', 'one')
  script('any', 'discard; keep;')
  await client.ok('APPEND "Thrown"', message('two'))
  script('any', 'keep;')
  assert.deepEqual(await flagsIn('Thrown'), ['\\Deleted', ''])
})

test('§3.8: flags that a script sets are seen by the client', async () => {
  script(
    'any',
    'require ["imapsieve", "imap4flags", "environment"]; if environment "imap.cause" "FLAG" { addflag "$Touched"; }',
  )
  await mailbox('Touched', 'one')
  await select('"Touched"')
  const lines = await client.ok('STORE 1 +FLAGS (\\Seen)')
  assert.ok(
    lines.some(line => /FETCH .*\$Touched/.test(line)) || (await flagsIn('Touched'))[0]?.includes('$Touched'),
  )
})

test('§3.7: what is edited is edited in copies only', async () => {
  script(
    'any',
    'require ["imapsieve", "editheader", "fileinto", "mailbox", "copy"]; addheader "X-Edited" "yes"; fileinto :copy :create "Edited";',
  )
  await mailbox('Original', 'one')
  script('any', 'keep;')
  const has = async (name: string) => {
    await select(`"${name}"`)
    return (await client.ok('FETCH 1 BODY.PEEK[HEADER]')).join('').includes('X-Edited')
  }
  assert.equal(await has('Edited'), true)
  assert.equal(await has('Original'), false)
})

for (const [what, text, reason] of [
  ['§3.11: reject', 'require "reject"; reject "no";', /"reject" has no place/],
  ['§3.11: vacation', 'require "vacation"; vacation "away";', /"vacation" has no place/],
  [
    '§4.6: the envelope test',
    'require ["envelope", "imapsieve"]; if envelope "from" "a" { stop; }',
    /there is no envelope/,
  ],
  ['a script that does not compile', 'keeep;', /keeep/],
  ['a mailbox that is not there', 'require "fileinto"; fileinto "Nowhere";', /there is no mailbox Nowhere/],
] as const)
  test(`${what} is an error that the user is told, and the command does not fail`, async () => {
    script('any', text)
    const name = `Wrong ${what.replace(/\W/g, '')}`
    await mailbox(name, 'one')
    script('any', 'keep;')
    assert.deepEqual(await flagsIn(name), [''])
    assert.match(log(), reason)
  })

test('a rule with `from` and `causes` counts for these alone', async () => {
  await client.ok('APPEND "INBOX"', message('spam'))
  await select('INBOX')
  await client.ok('COPY 1 Junk')
  await client.ok('APPEND "Junk"', message('appended'))
  await select('Kept')
  await client.ok('COPY 1 Junk')
  assert.deepEqual(await flagsIn('Junk'), ['$Learnt', '', ''])
})

test("§2.3.1: the annotation of a mailbox names the user's own script, or that of the server does", async () => {
  const folder = join(dirname(running.maildir('alice')), 'sieve')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'mark.sieve'), 'require ["imapsieve", "imap4flags"]; addflag "$Marked";')
  writeFileSync(join(folder, 'other.sieve'), 'require ["imapsieve", "imap4flags"]; addflag "$Other";')
  await mailbox('Noted', 'before')
  await client.ok('SETMETADATA "Noted" (/shared/imapsieve/script "mark")')
  await client.ok('APPEND "Noted"', message('after'))
  await client.ok('SETMETADATA "" (/shared/imapsieve/script "other")')
  await client.ok('APPEND "Noted"', message('still'))
  await mailbox('Plain', 'by the server')
  await client.ok('SETMETADATA "Noted" (/shared/imapsieve/script "")')
  await client.ok('APPEND "Noted"', message('none'))
  await client.ok('SETMETADATA "Noted" (/shared/imapsieve/script "no such")')
  await client.ok('APPEND "Noted"', message('missing'))
  await client.ok('SETMETADATA "Noted" (/shared/imapsieve/script "../mark")')
  await client.ok('APPEND "Noted"', message('trick'))
  await client.ok('SETMETADATA "" (/shared/imapsieve/script NIL)')
  assert.deepEqual(await flagsIn('Noted'), ['', '$Marked', '$Marked', '', '', ''])
  assert.deepEqual(await flagsIn('Plain'), ['$Other'])
})

test('§2.1: IMAPSIEVE says where scripts are managed, where they are', async () => {
  const [line = ''] = await client.ok('CAPABILITY')
  assert.match(line, / IMAPSIEVE=sieve:\/\/mail\.ilnmors\.internal:4191 /)
})
