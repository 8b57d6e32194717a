/** Scripts at delivery: every action performed, nothing lost whatever goes wrong. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultSettings } from '../../lib/sieve/settings.js'
import { SmtpError } from '../../lib/smtp/reply.js'
import { World } from './world.js'

const message =
  'From: Ann <ann@x.example>\nTo: alice@here.example\nSubject: Hello\nMessage-ID: <1@x.example>\n\nhello\n'

test('fileinto: into a folder that is there; the file is the message as it came', async t => {
  const world = new World(t)
  world.folder('alice', 'Lists')
  world.script('alice', 'require "fileinto";\nif header :contains "subject" "hello" { fileinto "Lists"; }')
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.mail('alice'), {
    'Lists new': [`Return-Path: <ann@x.example>\nDelivered-To: alice@here.example\n${message}`],
  })
})

test('an active script that is a link into sieve/, and is changed', async t => {
  const world = new World(t)
  mkdirSync(join(world.home('alice'), 'sieve'), { recursive: true })
  writeFileSync(join(world.home('alice'), 'sieve', 'one.sieve'), 'discard;')
  writeFileSync(join(world.home('alice'), 'sieve', 'two.sieve'), 'keep;')
  const link = join(world.home('alice'), '.dovecot.sieve')
  symlinkSync('sieve/one.sieve', link)
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.places('alice'), [])
  unlinkSync(link)
  symlinkSync('sieve/two.sieve', link)
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.places('alice'), ['INBOX new'])
  writeFileSync(join(world.home('alice'), 'sieve', 'two.sieve'), 'discard; # now')
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.places('alice'), ['INBOX new'])
})

const stores = [
  ['require ["fileinto","mailbox"]; fileinto :create "A.B";', ['A.B new'], ':create'],
  ['require ["fileinto","copy"]; fileinto :copy "Lists";', ['INBOX new', 'Lists new'], ':copy keeps too'],
  ['require ["fileinto"]; fileinto "Lists"; keep;', ['INBOX new', 'Lists new'], 'and keep'],
  ['require ["fileinto"]; fileinto "inbox";', ['INBOX new'], 'INBOX in any case'],
  ['require ["imap4flags"]; keep :flags "\\\\Seen";', ['INBOX cur:2,S'], 'a flag'],
  [
    'require ["fileinto","imap4flags"]; fileinto :flags ["\\\\Flagged","$work"] "Lists";',
    ['Lists cur:2,Fa'],
    'a keyword',
  ],
  ['require ["imap4flags"]; addflag "\\\\Answered";', ['INBOX cur:2,R'], 'of the implicit keep'],
  [
    'require ["fileinto","special-use"]; fileinto :specialuse "\\\\Junk" "Lists";',
    ['Junk new'],
    'special-use, by the name of the folder',
  ],
  ['discard;', [], 'discard'],
  ['stop;', ['INBOX new'], 'stop'],
] as const

for (const [script, places, why] of stores)
  test(`stores: ${why}`, async t => {
    const world = new World(t)
    world.folder('alice', 'Lists')
    world.folder('alice', 'Junk')
    world.script('alice', script)
    await world.deliver(message, [world.to('alice')])
    assert.deepEqual(world.places('alice'), places)
    assert.equal(world.note('alice'), '')
  })

const failures = [
  ['require "fileinto"; fileinto "Nowhere";', /Nowhere.*does not exist/, 'no such folder'],
  ['require ["fileinto","mailbox"]; fileinto :create "a/b";', /a\/b/, 'no name of a folder'],
  ['keep; frobnicate;', /line 1.*frobnicate/, 'a script that does not compile'],
  [
    'require ["variables","fileinto","mailbox"]; fileinto :create "Lists"; redirect "not an address";',
    /address/,
    'no address',
  ],
  [
    'redirect "b@y.example"; redirect "c@y.example"; redirect "d@y.example"; redirect "e@y.example"; redirect "f@y.example";',
    /exceeds policy limit/,
    'too many redirects',
  ],
] as const

for (const [script, note, why] of failures)
  test(`kept, and the user is told: ${why}`, async t => {
    const world = new World(t)
    world.script('alice', script)
    await world.deliver(message, [world.to('alice')])
    assert.deepEqual(world.places('alice'), ['INBOX new'])
    assert.match(world.note('alice'), note)
    assert.match(world.logged.join(''), /event=script /)
    assert.deepEqual(world.sent, [])
  })

test('a script that fails after a redirect was written sends nothing', async t => {
  const world = new World(t)
  world.script('alice', 'require "fileinto"; redirect "bob@y.example"; fileinto "Nowhere";')
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual([world.sent.length, world.aborted.length], [0, 1])
  assert.deepEqual(world.places('alice'), ['INBOX new'])
})

test('redirect: the message goes on, its envelope kept, without our Return-Path', async t => {
  const world = new World(t)
  world.script('alice', 'redirect "bob@y.example";')
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.places('alice'), [])
  assert.deepEqual(
    world.sent.map(({ from, to }) => ({ from, to })),
    [{ from: 'ann@x.example', to: ['bob@y.example'] }],
  )
  const text = String(world.sent[0]?.data)
  assert.match(text, /\r\nSubject: Hello\r\n/)
  assert.doesNotMatch(text, /Return-Path/i)
})

test('without a relay, what was to be redirected or rejected is kept', async t => {
  for (const script of ['redirect "bob@y.example";', 'require "reject"; reject "no";']) {
    const world = new World(t, { outbox: false })
    world.script('alice', script)
    await world.deliver(message, [world.to('alice')])
    assert.deepEqual(world.places('alice'), ['INBOX new'])
    assert.match(world.note('alice'), /\[relay\]/)
  }
})

test('reject: in the protocol where only this recipient is refused', async t => {
  const world = new World(t)
  world.folder('bob', 'x')
  world.script('alice', 'require "reject"; reject "I am\nnot here";')
  const outcome = await world.deliver(message, [world.to('alice', { refusable: true }), world.to('bob')])
  const [[, error] = []] = outcome.refused
  assert.ok(error instanceof SmtpError)
  assert.deepEqual([error.code, error.status, error.message], [550, '5.7.1', 'I am not here'])
  assert.deepEqual([world.places('alice'), world.places('bob')], [[], ['INBOX new']])
  assert.deepEqual(world.sent, [])
})

test('reject: by mail where others would be refused too, and where the reason is no ASCII', async t => {
  const world = new World(t)
  world.script('alice', 'require "reject"; reject "bin nicht da";')
  await world.deliver(message, [world.to('alice'), world.to('bob')])
  assert.deepEqual(world.places('bob'), ['INBOX new'])
  assert.deepEqual(world.sent[0]?.to, ['ann@x.example'])
  assert.equal(world.sent[0]?.from, '')
  assert.match(String(world.sent[0]?.data), /bin nicht da/)
  world.script('alice', 'require "reject"; reject "keine Lösung";')
  const { refused } = await world.deliver(message, [world.to('alice', { refusable: true })])
  assert.equal(refused.size, 0)
  assert.equal(world.sent.length, 2)
  world.script('alice', 'require "ereject"; ereject "keine Lösung";')
  const again = await world.deliver(message, [world.to('alice', { refusable: true })])
  assert.equal(again.refused.size, 1)
})

const vacation = 'require "vacation"; vacation :days 7 "I am away";'

test('vacation: one sender, one answer in its days; another script text does not count anew', async t => {
  const world = new World(t)
  world.script('alice', vacation)
  for (let i = 0; i < 3; i++) await world.deliver(message, [world.to('alice')])
  assert.equal(world.sent.length, 1)
  assert.deepEqual(world.sent[0]?.to, ['ann@x.example'])
  await world.deliver(message, [world.to('alice')], { sender: 'eve@x.example' })
  assert.equal(world.sent.length, 2)
  world.now += 6.9 * 86_400_000
  await world.deliver(message, [world.to('alice')])
  assert.equal(world.sent.length, 2)
  world.now += 0.2 * 86_400_000
  await world.deliver(message, [world.to('alice')])
  assert.equal(world.sent.length, 3)
  assert.equal(world.places('alice').length, 6)
})

test('vacation: messages that come together get one answer', async t => {
  const world = new World(t)
  world.script('alice', vacation)
  await Promise.all(Array.from({ length: 10 }, () => world.deliver(message, [world.to('alice')])))
  assert.equal(world.sent.length, 1)
  assert.equal(world.places('alice').length, 10)
})

test('vacation: never to a bounce or a list', async t => {
  const world = new World(t)
  world.script('alice', vacation)
  await world.deliver(message, [world.to('alice')], { sender: '' })
  await world.deliver(`List-Id: <x.example>\n${message}`, [world.to('alice')])
  assert.deepEqual(world.sent, [])
  assert.equal(world.places('alice').length, 2)
})

test('vacation: to the address that an alias had', async t => {
  const world = new World(t)
  world.script('alice', vacation)
  await world.deliver(message.replace('alice@', 'info@'), [
    world.to('alice', { address: 'info@here.example' }),
  ])
  assert.equal(world.sent.length, 1)
})

test('vacation: a copy of the answer where the script files it', async t => {
  const world = new World(t)
  world.folder('alice', 'Sent')
  world.script('alice', 'require ["vacation","fcc"]; vacation :fcc "Sent" "I am away";')
  await world.deliver(message, [world.to('alice')])
  assert.match(world.mail('alice')['Sent new']?.[0] ?? '', /I am away/)
})

test('vacation without a relay: the message is kept, the user told', async t => {
  const world = new World(t, { outbox: false })
  world.script('alice', vacation)
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.places('alice'), ['INBOX new'])
  assert.match(world.note('alice'), /vacation: nothing is sent/)
})

test('notify by mail', async t => {
  const world = new World(t)
  world.script('alice', 'require "enotify"; notify :message "mail!" "mailto:phone@y.example";')
  await world.deliver(message, [world.to('alice')])
  assert.deepEqual(world.sent[0]?.to, ['phone@y.example'])
  assert.match(String(world.sent[0]?.data), /Subject: mail!/)
  assert.deepEqual(world.places('alice'), ['INBOX new'])
})

test('duplicate: the second of two that come together is seen, and only when the first was delivered', async t => {
  const world = new World(t)
  world.script('alice', 'require "duplicate"; if duplicate { discard; }')
  const both = [world.deliver(message, [world.to('alice')]), world.deliver(message, [world.to('alice')])]
  await Promise.all(both)
  assert.deepEqual(world.places('alice'), ['INBOX new'])
  const other = message.replace('<1@', '<2@')
  world.folder('bob', 'x')
  chmodSync(world.maildir('bob'), 0o700)
  writeFileSync(join(world.root, 'broken'), '')
  const broken = { ...world.to('broken'), maildir: join(world.root, 'broken') }
  await assert.rejects(world.deliver(other, [world.to('alice'), broken]))
  assert.deepEqual(world.places('alice'), ['INBOX new'])
  await world.deliver(other, [world.to('alice')])
  assert.deepEqual(world.places('alice'), ['INBOX new', 'INBOX new'])
})

test('editheader: the changed message is stored, the other folder gets it as it was', async t => {
  const world = new World(t)
  world.folder('alice', 'Raw')
  world.script('alice', 'require ["editheader","fileinto"]; fileinto "Raw"; addheader "X-Seen" "yes"; keep;')
  await world.deliver(message, [world.to('alice')])
  const mail = world.mail('alice')
  assert.match(mail['INBOX new']?.[0] ?? '', /^X-Seen: yes\nReturn-Path/)
  assert.doesNotMatch(mail['Raw new']?.[0] ?? '', /X-Seen/)
  const [name = ''] = readdirSync(join(world.maildir('alice'), 'new'))
  const { size } = statSync(join(world.maildir('alice'), 'new', name))
  assert.match(name, new RegExp(`,S=${size},`))
})

test('several users: one file for who has no script, and for whom a script files it unchanged', async t => {
  const world = new World(t)
  world.script('alice', 'require ["fileinto","mailbox"]; fileinto :create "Lists";')
  await world.deliver(
    message,
    ['alice', 'bob', 'carol'].map(name => world.to(name)),
  )
  const inodes = [join(world.maildir('alice'), '.Lists'), world.maildir('bob'), world.maildir('carol')].map(
    path => statSync(join(path, 'new', readdirSync(join(path, 'new'))[0] ?? '')).ino,
  )
  assert.equal(new Set(inodes).size, 1)
})

test('scripts of the site before and after, and the default', async t => {
  const world = new World(t)
  const site = join(world.root, 'site')
  mkdirSync(join(site, 'after'), { recursive: true })
  writeFileSync(join(site, 'before.sieve'), 'require "imap4flags"; addflag "\\\\Flagged";')
  writeFileSync(
    join(site, 'after', '10-spam.sieve'),
    'require ["fileinto","mailbox"]; if header :is "x-spam" "yes" { fileinto :create "Junk"; }',
  )
  writeFileSync(join(site, 'usual.sieve'), 'if header :is "x-drop" "yes" { discard; }')
  const places = {
    before: [join(site, 'before.sieve')],
    after: [join(site, 'after')],
    default: join(site, 'usual.sieve'),
  }
  const made = new World(t, { rules: { scripts: true }, filters: { places } })
  await made.deliver(`X-Spam: yes\n${message}`, [made.to('alice')])
  assert.deepEqual(made.places('alice'), ['Junk cur:2,F'])
  await made.deliver(`X-Drop: yes\n${message}`, [made.to('bob')])
  assert.deepEqual(made.places('bob'), [])
  made.script('bob', 'keep;')
  await made.deliver(`X-Drop: yes\n${message}`, [made.to('bob')])
  assert.equal(made.places('bob').length, 1)
})

test('include: of the user and of the site', async t => {
  const world = new World(t)
  const global = join(world.root, 'global')
  mkdirSync(global)
  writeFileSync(join(global, 'junk.sieve'), 'require ["fileinto","mailbox"]; fileinto :create "Site";')
  mkdirSync(join(world.home('alice'), 'sieve'), { recursive: true })
  writeFileSync(
    join(world.home('alice'), 'sieve', 'mine.sieve'),
    'require ["fileinto","mailbox"]; fileinto :create "Mine";',
  )
  const made = new World(t, { filters: { global } })
  made.script('alice', 'require "include"; include :global "junk"; include :personal "mine";')
  mkdirSync(join(made.home('alice'), 'sieve'), { recursive: true })
  writeFileSync(
    join(made.home('alice'), 'sieve', 'mine.sieve'),
    'require ["fileinto","mailbox"]; fileinto :create "Mine";',
  )
  await made.deliver(message, [made.to('alice')])
  assert.deepEqual(made.places('alice'), ['Mine new', 'Site new'])
})

test('programs: pipe and filter; one that fails keeps the message', async t => {
  const world = new World(t)
  const programs = join(world.root, 'programs')
  mkdirSync(programs)
  const program = (name: string, text: string) =>
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  program('save', `cat > "$1"`)
  program('fail', 'exit 1')
  program('upper', 'sed "s/^Subject: /&FILTERED /"')
  const settings = { ...defaultSettings, programs: true }
  const made = new World(t, { filters: { programs, settings } })
  const out = join(made.root, 'piped')
  made.script('alice', `require "vnd.dovecot.pipe"; pipe "save" ["${out}"];`)
  await made.deliver(message, [made.to('alice')])
  assert.deepEqual(made.places('alice'), [])
  assert.ok(statSync(out).size > message.length)
  made.script('alice', 'require "vnd.dovecot.pipe"; pipe "fail";')
  await made.deliver(message, [made.to('alice')])
  assert.deepEqual(made.places('alice'), ['INBOX new'])
  made.script('bob', 'require "vnd.dovecot.filter"; filter "upper";')
  await made.deliver(message, [made.to('bob')])
  assert.match(made.mail('bob')['INBOX new']?.[0] ?? '', /Subject: FILTERED Hello/)
})

test('a large message is filtered by its header, and by its body', async t => {
  const world = new World(t)
  const large = `${message}${`${'y'.repeat(70)}\n`.repeat(3_000)}needle\n`
  world.script(
    'alice',
    'require ["fileinto","mailbox","body"]; if body :raw :contains "needle" { fileinto :create "Found"; }',
  )
  await world.deliver(large, [world.to('alice')])
  assert.ok(world.mail('alice')['Found new']?.[0]?.endsWith(large))
  world.script('alice', 'require ["fileinto","mailbox"]; if size :over 200K { fileinto :create "Big"; }')
  await world.deliver(large, [world.to('alice')])
  assert.ok(world.mail('alice')['Big new']?.[0]?.endsWith(large))
  world.script('alice', 'require "editheader"; addheader "X-A" "b";')
  await world.deliver(large, [world.to('alice')])
  assert.ok(world.mail('alice')['INBOX new']?.[0]?.endsWith(large))
})

test('scripts see the envelope: the sender, the address with its detail, who was logged in', async t => {
  const world = new World(t)
  world.script(
    'alice',
    `require ["envelope","subaddress","fileinto","mailbox","variables"];
if envelope :detail :matches "to" "*" { set "d" "\${1}"; }
if envelope :is "from" "ann@x.example" { fileinto :create "from-ann-\${d}"; }`,
  )
  await world.deliver(message, [world.to('alice', { address: 'alice+shop@here.example', detail: 'shop' })])
  assert.deepEqual(world.places('alice'), ['from-ann-shop new'])
})

/** A folder as a server has opened it: it has an id. */
function known(world: World, folder: string, id: string): void {
  const path = folder === 'INBOX' ? world.maildir('alice') : world.folder('alice', folder)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'dovecot-uidlist'), `3 V1700000000 N1 G${id}\n`)
}

const asked = [
  [
    'require ["fileinto","mboxmetadata"]; if metadata "Lists" "/private/comment" "my lists" { fileinto "Lists"; }',
    'RFC 5490 §3.3: an annotation of a folder',
  ],
  [
    'require ["fileinto","servermetadata"]; if allof (servermetadata :contains "/shared/comment" "welcome", not servermetadataexists "/shared/none") { fileinto "Lists"; }',
    'RFC 5490 §4: an annotation of the server',
  ],
  [
    'require ["fileinto","mboxmetadata"]; if allof (metadataexists "Lists" "/PRIVATE/Comment", not metadataexists "INBOX" "/private/comment", not metadataexists "None" "/private/comment") { fileinto "Lists"; }',
    'RFC 5490 §3.4: whether there is one',
  ],
  [
    'require ["fileinto","mailboxid"]; if allof (mailboxidexists "0123456789abcdef0123456789abcdef", not mailboxidexists "F6352ae03") { fileinto :mailboxid "0123456789abcdef0123456789abcdef" "Gone"; }',
    'RFC 9042 §3, §4: a folder by its id',
  ],
  [
    'require ["fileinto","mailboxid"]; fileinto :mailboxid "F6352ae03" "Lists";',
    'RFC 9042 §3: an id that is none; the name counts',
  ],
  [
    'require ["fileinto","special-use"]; if specialuse_exists "Lists" "\\\\Important" { fileinto :specialuse "\\\\important" "INBOX"; }',
    'RFC 8579: a use that a client has given',
  ],
] as const

for (const [script, why] of asked)
  test(`${why}, from what the user's clients have noted`, async t => {
    const world = new World(t)
    known(world, 'INBOX', 'ffffffffffffffffffffffffffffffff')
    known(world, 'Lists', '0123456789abcdef0123456789abcdef')
    writeFileSync(
      join(world.maildir('alice'), 'dovecot-attributes'),
      `priv/0123456789abcdef0123456789abcdef/comment
my lists
priv/0123456789abcdef0123456789abcdef/specialuse
\\Important
shared/ffffffffffffffffffffffffffffffff/vendor/vendor.dovecot/pvt/server/comment
You are welcome
`,
    )
    world.script('alice', script)
    await world.deliver(message, [world.to('alice')])
    assert.deepEqual(world.places('alice'), ['Lists new'])
  })
