import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Users } from '../../lib/auth/users.js'
import { sendAlert } from '../../lib/command/check-alert.js'
import { checkDestinations, checkFetches } from '../../lib/command/check-standing.js'
import { Daemon } from '../../lib/command/daemon.js'
import { outgoing } from '../../lib/command/relay-outgoing.js'
import { smtpdService } from '../../lib/command/smtpd.js'
import { lookAfter } from '../../lib/command/suite-check.js'
import { type Config, loadConfig } from '../../lib/config/load.js'
import { authorityPlace, makeAuthority, makeServer } from '../../lib/setup/certificate.js'
import type { Finding, Findings } from '../../lib/setup/check.js'
import { checkCertificate, checkClock, checkModes } from '../../lib/setup/check-files.js'
import { checkMaildir, checkQueue, wrongLine } from '../../lib/setup/check-mail.js'
import { checkPorts, checkRelaying } from '../../lib/setup/check-ports.js'
import { Log } from '../../lib/sys/log.js'
import { temporaryDirectory, until } from '../support/world.js'

const now = new Date('2026-03-15T12:00:00Z')
const day = 86_400_000

interface Place {
  readonly directory: string
  readonly file: string
  readonly maildir: string
}

/** A server without fault: certificate, users, one mailbox with one message. */
async function place(t: TestContext, more = '', begins = new Date(Date.now() - day)): Promise<Place> {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'mail.toml')
  writeFileSync(
    file,
    `hostname = "mail.example.internal"\ndomains = ["example.internal"]\n[users]\nhome = "${directory}/home/%n"\n` +
      `[queue]\ndirectory = "queue"\n${more}`,
  )
  writeFileSync(join(directory, 'users'), 'me:{PLAIN}x\n', { mode: 0o640 })
  const server = { certificate: join(directory, 'tls/mail.crt'), key: join(directory, 'tls/mail.key') }
  const authority = authorityPlace(server)
  await makeAuthority({ place: authority, domains: ['example.internal'], keyType: 'ecdsa', now: begins })
  await makeServer({
    authority,
    place: server,
    names: ['mail.example.internal', '127.0.0.1'],
    keyType: 'ecdsa',
    now: begins,
  })
  const maildir = join(directory, 'home/me/Maildir')
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, part), { recursive: true })
  writeFileSync(join(maildir, 'cur/1.M1P1.host,S=4,W=6:2,Sa'), 'a\nb\n')
  writeFileSync(join(maildir, 'dovecot-keywords'), '0 $Label1\n')
  writeFileSync(join(maildir, 'dovecot-uidlist'), `3 V1 N2 G${'0'.repeat(32)}\n1 :1.M1P1.host,S=4,W=6\n`)
  return { directory, file, maildir }
}

async function collect(findings: Findings): Promise<Finding[]> {
  const all: Finding[] = []
  for await (const each of findings) all.push(each)
  return all
}

const whats = (findings: readonly Finding[]) => findings.map(({ what }) => what)

function run(file: string, ...argv: string[]) {
  const done = spawnSync(process.execPath, ['dist/bin/mail-check.cjs', '-c', file, '--no-ports', ...argv], {
    encoding: 'utf8',
  })
  return { status: done.status, out: done.stdout, err: done.stderr }
}

test('mail-check says nothing where all is well', async t => {
  const { file } = await place(t)
  assert.deepEqual(run(file, '--thorough'), { status: 0, out: '', err: '' })
})

test('a configuration that is broken: one line for each problem, with its place', async t => {
  const { file } = await place(t, 'nonsense = 1\nmax_age = "x"\n')
  const { status, out } = run(file)
  assert.equal(status, 2)
  assert.match(out, /^error: .*mail\.toml:7: queue\.nonsense is unknown/m)
  assert.equal(out.trimEnd().split('\n').length, 2)
})

test('--repair makes modes stricter, clears tmp/ and keeps every UID', async t => {
  const { file, directory, maildir } = await place(t)
  chmodSync(join(directory, 'users'), 0o644)
  chmodSync(join(directory, 'tls/mail.key'), 0o644)
  writeFileSync(join(maildir, 'tmp/old'), 'x')
  utimesSync(join(maildir, 'tmp/old'), 1, 1)
  appendFileSync(join(maildir, 'dovecot-uidlist'), 'nonsense\n')
  const first = run(file, '--json')
  assert.equal(first.status, 2)
  const found = first.out
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    found.map(({ where }) => where.slice(directory.length)),
    ['/users', '/tls/mail.key', '/home/me/Maildir/dovecot-uidlist'],
  )
  assert.ok(
    found.every(
      ({ what, advice, level, repaired }) => what && advice && level === 'error' && repaired === false,
    ),
  )
  const second = run(file, '--repair')
  assert.equal(second.status, 0, second.out + second.err)
  assert.equal(statSync(join(directory, 'users')).mode & 0o777, 0o640)
  assert.equal(statSync(join(directory, 'tls/mail.key')).mode & 0o777, 0o600)
  assert.match(readFileSync(join(maildir, 'dovecot-uidlist'), 'latin1'), /^1 :1\.M1P1\.host,S=4,W=6$/m)
  assert.equal(run(file).status, 0)
})

test('deliveries that lie in tmp/ for long are told, and removed by the repair; others are not', async t => {
  const { maildir } = await place(t)
  writeFileSync(join(maildir, 'tmp/old'), 'x')
  const later = new Date(Date.now() + 2 * day)
  const [finding, ...others] = await collect(checkMaildir(maildir, { now: later, thorough: false }))
  assert.match(finding?.what ?? '', /1 deliveries that were never finished/)
  assert.deepEqual(others, [])
  assert.deepEqual(await collect(checkMaildir(maildir, { now: new Date(), thorough: false })), [])
  await finding?.repair?.()
  assert.ok(!existsSync(join(maildir, 'tmp/old')))
})

test('messages: cut ones, wrong sizes on the wire, the same one twice, letters without a keyword', async t => {
  const { maildir } = await place(t)
  writeFileSync(join(maildir, 'cur/2.M2P1.host,S=99:2,'), 'cut')
  writeFileSync(join(maildir, 'cur/3.M3P1.host,S=4,W=4:2,'), 'a\nb\n')
  writeFileSync(join(maildir, 'new/1.M1P1.host,S=4,W=6'), 'a\nb\n')
  writeFileSync(join(maildir, 'cur/4.M4P1.host:2,c'), 'x')
  const texts = whats(await collect(checkMaildir(maildir, { now: new Date(), thorough: true }))).join('\n')
  assert.match(texts, /is 3 octets long, but its name says 99/)
  assert.match(texts, /says 4 octets on the wire/)
  assert.match(texts, /is there twice/)
  assert.match(texts, /the letters c are/)
})

const lists = [
  ['3 V1 N3 G0\n1 :a\n2 W5 S4 :b\n', undefined],
  ['1 1 3\n1 a\n2 b\n', undefined],
  ['', 1],
  ['4 V1 N3\n', 1],
  ['3 V1 N3 G0\n2 :a\n1 :b\n', 3],
  ['3 V1 N3 G0\n1 a\n', 2],
  ['3 V1 N3 G0\n1 :a\n2 :', 3],
] as const
for (const [text, line] of lists)
  test(`wrongLine() of ${JSON.stringify(text)}`, () => assert.equal(wrongLine(text), line))

test('certificates: other names, the end near, the end, another key, another authority', async t => {
  const { file, directory } = await place(t, '', now)
  const config = await loadConfig(file)
  assert.deepEqual(await collect(checkCertificate(config, now)), [])
  const told = async (at: Date, other: Partial<Config> = {}) =>
    whats(await collect(checkCertificate({ ...config, ...other }, at))).join('\n')
  assert.match(await told(now, { hostname: 'other.example.internal' }), /not for other\.example\.internal/)
  assert.match(await told(new Date(now.getTime() + 390 * day)), /ends on 2027-04-1\d, in 6 days/)
  assert.match(await told(new Date(now.getTime() + 400 * day)), /ended on/)
  assert.match(await told(new Date(now.getTime() - 2 * day)), /begins on .* only/)
  const key = readFileSync(join(directory, 'tls/ca.key'))
  writeFileSync(join(directory, 'tls/mail.key'), key)
  assert.match(await told(now), /is not the certificate of/)
  await makeAuthority({
    place: authorityPlace(config.tls),
    domains: ['x.internal'],
    keyType: 'ecdsa',
    now,
    force: true,
  })
  assert.match(await told(now), /is not signed by/)
  rmSync(join(directory, 'tls/mail.crt'))
  assert.match(await told(now), /is not there/)
})

test('passwords that are missing, or open', async t => {
  const { file, directory } = await place(
    t,
    '[relay]\nhost = "a.b:465"\nuser = "me"\npassword_file = "secret"\n',
  )
  const config = await loadConfig(file)
  assert.deepEqual(whats(await collect(checkModes(config))), ['is not there'])
  writeFileSync(join(directory, 'secret'), 'x', { mode: 0o644 })
  assert.match(whats(await collect(checkModes(config)))[0] ?? '', /others may read it \(mode 644\)/)
})

test('a clock that went back', async t => {
  const { file } = await place(t)
  const config = await loadConfig(file)
  assert.deepEqual(await collect(checkClock(config, new Date())), [])
  assert.match(whats(await collect(checkClock(config, now)))[0] ?? '', /the clock has gone back/)
})

test('a queue in which mail waits', async t => {
  const { file, directory } = await place(t)
  const config = await loadConfig(file)
  assert.deepEqual(await collect(checkQueue(config, now)), [])
  const mail = join(directory, 'queue/mail')
  mkdirSync(mail, { recursive: true })
  const envelope = readFileSync('fixtures/setup/waiting.envelope', 'utf8')
  writeFileSync(join(mail, '1773574800000-aaaaaaaa.envelope'), envelope)
  const [finding] = await collect(checkQueue(config, now))
  assert.match(finding?.what ?? '', /1 messages wait, the oldest for 2 days/)
  assert.match(finding?.advice ?? '', /no \[relay\]/)
})

test('ports: nobody, somebody else, a server', async t => {
  const server = createServer(socket => socket.end('SSH-2.0-x\r\n'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const { file } = await place(
    t,
    `[imapd]\nlisten = []\n[smtpd]\nlisten = [{ address = "127.0.0.1:${port}", tls = "offered" }]\n`,
  )
  const config = await loadConfig(file)
  assert.match(whats(await collect(checkPorts(config, undefined)))[0] ?? '', /greets with: SSH/)
  await new Promise(resolve => server.close(resolve))
  assert.match(whats(await collect(checkPorts(config, undefined)))[0] ?? '', /nobody listens/)
})

test('--notify sends what is new by the command, once', async t => {
  const { file, directory } = await place(t, '[alerts]\ncommand = "cat >> told"\n')
  const here = { cwd: directory, encoding: 'utf8' } as const
  mkdirSync(join(directory, 'queue'))
  chmodSync(join(directory, 'users'), 0o644)
  const script = join(process.cwd(), 'dist/bin/mail-check.cjs')
  for (const _ of [1, 2]) spawnSync(process.execPath, [script, '-c', file, '--no-ports', '--notify'], here)
  const told = readFileSync(join(directory, 'told'), 'utf8')
  assert.equal(told.trimEnd().split('\n').length, 1, told)
  assert.match(told, /others may read it/)
  const alert = () => spawnSync(process.execPath, [script, '-c', file, '--alert', 'mail-smtpd.service'], here)
  assert.equal(alert().status, 0)
  assert.equal(alert().status, 0)
  assert.match(
    readFileSync(join(directory, 'told'), 'utf8'),
    /^[^\n]*\nmail-smtpd\.service on mail\.example\.internal has failed[^\n]*\n$/,
  )
})

test('an alert goes to a web hook, with a title; a hook that refuses it is an error', async t => {
  let status = 200
  const posts: string[] = []
  const server = createHttp((request, response) => {
    request.setEncoding('utf8').on('data', chunk => posts.push(`${request.headers['title']}: ${chunk}`))
    request.on('end', () => response.writeHead(status).end())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const { file } = await place(t, `[alerts]\nwebhook = "http://127.0.0.1:${port}/mail"\n`)
  const config = await loadConfig(file)
  assert.equal(await sendAlert(config, 'the queue is stuck'), true)
  assert.deepEqual(posts, ['Mail on mail.example.internal: the queue is stuck'])
  status = 500
  await assert.rejects(sendAlert(config, 'x'), { exit: 69 })
})

test('mail-suite looks after things where there are alerts, and only there', async t => {
  const { file, directory } = await place(t, '[alerts]\ncommand = "cat >> told"\n')
  const config = await loadConfig(file)
  const program =
    'require("node:fs").appendFileSync(process.argv.at(-1) + ".called", process.argv.slice(2).join(" "))'
  writeFileSync(join(directory, 'mail-check.cjs'), program)
  const quiet = lookAfter({ config: { ...config, alerts: undefined }, directory, first: 0 })
  quiet()
  const end = lookAfter({ config, directory, first: 1, rhythm: 3_600_000 })
  t.after(end)
  await until(() => existsSync(`${file}.called`) && readFileSync(`${file}.called`, 'utf8') !== '', 20_000)
  assert.equal(readFileSync(`${file}.called`, 'utf8'), `--notify --no-ports --config ${file}`)
})

test('an account that refuses us, or fails for long, is told; one that failed just now is not', async t => {
  const account = (name: string) =>
    `[fetch.${name}]\nprovider = "naver"\nuser = "x"\npassword_file = "p"\ninto = "me@example.internal"\n`
  const { file, directory } = await place(t, ['refused', 'late', 'short'].map(account).join(''))
  const config = await loadConfig(file)
  const outcomes = {
    refused: { failed: 1, reason: 'it says no', refused: true, messages: 0 },
    late: { succeeded: now.getTime() - day, failed: 1, reason: 'no route', messages: 5 },
    short: { succeeded: now.getTime() - 60_000, failed: 1, reason: 'no route', messages: 5 },
  }
  mkdirSync(join(directory, 'home/me/fetch'))
  for (const [name, outcome] of Object.entries(outcomes))
    writeFileSync(join(directory, `home/me/fetch/${name}.outcome`), JSON.stringify(outcome))
  const users = await Users.open({
    ...config.users,
    domain: 'example.internal',
    log: new Log({ write: () => {} }),
    watch: false,
  })
  const found = await collect(checkFetches(config, users, now))
  assert.deepEqual(
    found.map(({ where, what }) => [where, what]),
    [
      ['fetch refused', 'it says no'],
      ['fetch late', 'not fetched for 1 day: no route'],
    ],
  )
})

test('a smarthost that rests for long is told', async t => {
  const { file, directory } = await place(t)
  mkdirSync(join(directory, 'queue'))
  const rest = (name: string, since: number) => ({
    name,
    since,
    until: 0,
    waiting: 3,
    said: { text: 'try later' },
  })
  const rests = [rest('smtp.one:465', now.getTime() - 7_200_000), rest('smtp.two:465', now.getTime())]
  writeFileSync(join(directory, 'queue/destinations.json'), JSON.stringify(rests))
  assert.deepEqual(whats(await collect(checkDestinations(await loadConfig(file), now))), [
    'takes nothing for 2 hours, and 3 messages wait for it: try later',
  ])
})

/** A server of ours that trusts whom it is told to. */
async function relayStage(t: TestContext, trusted: string) {
  const probe = createServer()
  await new Promise<void>(resolve => probe.listen(0, '127.0.13.2', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise(resolve => probe.close(resolve))
  const { file } = await place(
    t,
    `[imapd]\nlisten = []\n[runtime]\ndirectory = "run"\n[relay]\nhost = "127.0.0.1:9"\ntls = "off"\n` +
      `[[smtpd.listen]]\naddress = "127.0.13.2:${port}"\ntls = "offered"\nauth = "off"\ntrusted = ["${trusted}"]\n`,
  )
  const log = { write: () => {} }
  const services = [smtpdService({ relay: outgoing })]
  const daemon = await Daemon.start({ services, file, log, watch: false })
  t.after(() => daemon.stop(0))
  return loadConfig(file)
}

test('an open relay is found by asking it; who refuses strangers is none', async t => {
  // What is trusted when it starts, and what the probe believes: another process may have been told otherwise.
  const closed = await relayStage(t, '127.0.0.9')
  assert.deepEqual(await collect(checkRelaying(closed, undefined, ['127.0.13.2'])), [])
  const open = await relayStage(t, '127.0.13.2')
  const believed = { ...open, smtpd: { ...open.smtpd, listen: [{ ...open.smtpd.listen[0], trusted: [] }] } }
  const [finding] = await collect(checkRelaying(believed as unknown as Config, undefined, ['127.0.13.2']))
  assert.match(finding?.what ?? '', /strangers for others: RCPT TO:<probe@example.net> from 127\.0\.13\.2/)
  // The certificate is shown after STARTTLS too, and nobody here knows who signed it.
  const [port] = await collect(checkPorts(closed, undefined))
  assert.match(port?.what ?? '', /clients refuse its certificate/)
})
