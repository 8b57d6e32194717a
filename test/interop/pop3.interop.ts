/** Real POP3 clients against mail-pop3d. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { makePlace, type Place } from '../support/place.js'
import { has, Program } from '../support/program.js'

const run = promisify(execFile)
const options = { env: { ...process.env, LANG: 'C.UTF-8' }, maxBuffer: 1 << 26, timeout: 60_000 }

let place: Place
let pop3d: Program
let clear = 0
let tls = 0

const bodies = ['plain', 'with a dot:\n.\n..\n.end', 'ünïcode', `${'x'.repeat(70)}\n`.repeat(1_000)]

before(async () => {
  place = makePlace(`
[[pop3d.listen]]
address = "127.0.0.1:0"
tls = "offered"
[[pop3d.listen]]
address = "127.0.0.1:0"
tls = "implicit"
`)
  fill()
  pop3d = await Program.start('mail-pop3d', place.config)
  ;[clear = 0, tls = 0] = pop3d.ports('pop3d')
})

after(async () => {
  await pop3d?.stop()
  place?.remove()
})

/** Puts the messages into alice's INBOX, and nothing else. */
function fill(): void {
  const inbox = place.maildir('alice')
  for (const folder of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, folder), { recursive: true })
  for (const [i, body] of bodies.entries())
    writeFileSync(join(inbox, 'new', `170000000${i}.M${Date.now()}P1.host`), message(i, body))
}

function message(i: number, body: string): string {
  return `From: bob@ilnmors.internal\nTo: alice@ilnmors.internal\nSubject: number ${i}\nDate: Mon, 23 Nov 2026 10:00:0${i} +0000\nMessage-ID: <${i}@test>\n\n${body}\n`
}

const wire = (i: number) => message(i, bodies[i] as string).replaceAll('\n', '\r\n')

function left(): number {
  const inbox = place.maildir('alice')
  return ['cur', 'new'].reduce((sum, folder) => sum + readdirSync(join(inbox, folder)).length, 0)
}

test('curl lists and retrieves, over STLS and over TLS', { skip: !has('curl') }, async () => {
  const login = ['-sS', '--cacert', place.ca, '--user', 'alice:wonderland']
  const { stdout: list } = await run('curl', [...login, '--ssl-reqd', `pop3://localhost:${clear}/`], options)
  assert.equal(list.trim().split('\n').length, bodies.length)
  for (const i of bodies.keys()) {
    const { stdout } = await run('curl', [...login, `pop3s://localhost:${tls}/${i + 1}`], options)
    assert.equal(stdout, wire(i))
  }
})

test('poplib reads every message octet for octet, by every command', { skip: !has('python3') }, async () => {
  const script = `
import poplib, ssl, sys, json
context = ssl.create_default_context(cafile=${JSON.stringify(place.ca)})
p = poplib.POP3('localhost', ${clear}); p.stls(context)
p.user('alice'); p.pass_('wonderland')
count, octets = p.stat()
texts = [b''.join(line + b'\\r\\n' for line in p.retr(i + 1)[1]).decode() for i in range(count)]
assert octets == sum(len(t.encode()) for t in texts), octets
assert len(p.list()[1]) == count and len(p.uidl()[1]) == count
assert p.top(1, 0)[1][-1] == b''
p.noop(); p.rset(); assert 'UTF8' in p.capa()
p.quit()
q = poplib.POP3_SSL('localhost', ${tls}, context=context)
q.user('bob'); q.pass_('two words'); assert q.stat() == (0, 0); q.quit()
print(json.dumps(texts))`
  const { stdout } = await run('python3', ['-c', script], options)
  assert.deepEqual(JSON.parse(stdout), [...bodies.keys()].map(wire))
})

test('mpop fetches all, and nothing again the second time', { skip: !has('mpop') }, async () => {
  const target = join(place.directory, 'mpop')
  for (const folder of ['cur', 'new', 'tmp']) mkdirSync(join(target, folder), { recursive: true })
  const rc = join(place.directory, 'mpoprc')
  writeFileSync(
    rc,
    `account default\nhost localhost\nport ${clear}\ntls on\ntls_starttls on\ntls_trust_file ${place.ca}\nuser alice\n` +
      `passwordeval echo wonderland\nauth plain\nkeep on\nuidls_file ${place.directory}/uidls\ndelivery maildir ${target}\n`,
  )
  chmodSync(rc, 0o600)
  for (let round = 0; round < 2; round++) {
    await run('mpop', ['-q', '-C', rc], options)
    assert.equal(readdirSync(join(target, 'new')).length, bodies.length)
  }
  const texts = readdirSync(join(target, 'new')).map(name => readFileSync(join(target, 'new', name), 'utf8'))
  for (const [i, body] of bodies.entries())
    assert.ok(texts.some(text => text.endsWith(`<${i}@test>\n\n${body}\n`)))
})

test('getmail fetches all, and nothing again the second time', { skip: !has('getmail') }, async () => {
  const got = join(place.directory, 'getmail.mbox')
  const rc = join(place.directory, 'getmailrc.d')
  mkdirSync(rc)
  writeFileSync(
    join(rc, 'getmailrc'),
    `[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = ${tls}\nusername = alice\npassword = wonderland\nca_certs = ${place.ca}\n` +
      `[destination]\ntype = MDA_external\npath = /usr/bin/tee\narguments = ("-a", "${got}")\nallow_root_commands = true\n` +
      '[options]\nread_all = false\ndelete = false\n',
  )
  for (let round = 0; round < 2; round++) {
    await run('getmail', ['--getmaildir', rc], options)
    assert.equal(readFileSync(got, 'utf8').match(/^Message-ID: /gm)?.length, bodies.length)
  }
})

test('neomutt opens the maildrop and saves every message', { skip: !has('neomutt') }, async () => {
  const rc = join(place.directory, 'muttrc')
  const target = join(place.directory, 'mutt.mbox')
  writeFileSync(
    rc,
    `set ssl_force_tls=yes\nset certificate_file=${place.ca}\nset pop_user=alice\nset pop_pass=wonderland\nset pop_delete=no\nset mbox_type=mbox\n` +
      'set delete=no\nset confirmappend=no\nset confirmcreate=no\nset ssl_verify_host=yes\nset header_cache=""\nset tmpdir=/tmp\n' +
      `push "<tag-pattern>~A<enter><tag-prefix><copy-message>${target}<enter><quit>"\n`,
  )
  await run('script', ['-qec', `neomutt -n -F ${rc} -f pops://alice@localhost:${tls}`, '/dev/null'], {
    ...options,
    env: { ...options.env, TERM: 'xterm' },
  })
  const mbox = readFileSync(target, 'utf8')
  assert.equal(mbox.match(/^Message-ID: /gim)?.length, bodies.length)
})

test('fetchmail takes all and removes what it took', { skip: !has('fetchmail') }, async () => {
  const rc = join(place.directory, 'fetchmailrc')
  const got = join(place.directory, 'fetched')
  writeFileSync(
    rc,
    `poll localhost port ${tls} protocol POP3 user alice password wonderland ssl sslcertck sslcertfile "${place.ca}" no keep mda "/bin/cat >> ${got}"\n`,
  )
  chmodSync(rc, 0o600)
  await run(
    'fetchmail',
    ['-f', rc, '--pidfile', join(place.directory, 'fetchmail.pid'), '-i', join(place.directory, 'ids')],
    {
      ...options,
      env: { ...options.env, FETCHMAILUSER: 'root', HOME: place.directory },
    },
  )
  assert.equal(readFileSync(got, 'utf8').match(/^Message-ID: /gm)?.length, bodies.length)
  assert.equal(left(), 0)
})

test('mail-pop3d ends clean on SIGTERM', async () => {
  fill()
  assert.equal(await pop3d.stop(), 0)
  assert.match(pop3d.log, /event=stopped/)
})
