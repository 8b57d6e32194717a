/** mail-fetch as it is run, against mail-imapd. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { outcomePath, readOutcome } from '../../lib/fetch/outcome.js'
import { fillMaildir } from '../support/generator.js'
import { makePlace, type Place } from '../support/place.js'
import { commandPath, Program } from '../support/program.js'
import { until } from '../support/world.js'

let provider: Place
let server: Program
let port = 0

before(async () => {
  provider = makePlace('[imapd]\nlisten = [{ address = "127.0.0.1:0", tls = "off" }]')
  fillMaildir(provider.maildir('alice'), 30)
  server = await Program.start('mail-imapd', provider.config)
  port = server.ports('imapd')[0] as number
})
after(async () => {
  await server.stop()
  provider.remove()
})

const account = (more = '', password = 'wonderland') => `
[fetch.far]
host = "127.0.0.1:${port}"
tls = "off"
user = "alice"
password_command = "echo '${password}'"
into = "bob@ilnmors.internal"
folders = ["INBOX"]
${more}`

/** A place here, and the command in it. */
function stage(t: { after(work: () => void): void }, tables: string) {
  const place = makePlace(tables)
  t.after(() => place.remove())
  const run = (...given: (string | NodeJS.ProcessEnv)[]) => {
    const args = given.filter(each => typeof each === 'string')
    const environment = given.find(each => typeof each !== 'string')
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [commandPath('mail-fetch'), ...args, '-c', place.config],
      { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', ...environment } },
    )
    return { status, stdout, stderr }
  }
  const here = (folder = '') => {
    const directory = join(place.maildir('bob'), folder, 'cur')
    return existsSync(directory) ? readdirSync(directory).length : 0
  }
  return { place, run, here }
}

test('it fetches, says so in one line, and the next time that there is nothing', t => {
  const { run, here } = stage(t, account())
  const first = run()
  assert.match(first.stdout, /^far: 30 fetched \([\d.]+ kB\) in 1 folders\n$/)
  assert.deepEqual([first.status, first.stderr, here()], [0, '', 30])
  assert.equal(run('far', '--once').stdout, 'far: nothing new in 1 folders\n')
})

test('--dry-run, --list and --json tell, and change nothing here', t => {
  const { place, run } = stage(t, account())
  assert.match(run('--dry-run').stdout, /^far: 30 to fetch/)
  const list = run('--list')
  assert.match(list.stdout, /^far\tINBOX\t30\tINBOX/m)
  assert.match(list.stdout, /^far\tSent\t0\t-\t\\Sent$/m)
  const [object] = run('--json', '--dry-run')
    .stdout.trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    [object.account, object.folder, object.local, object.fetched],
    ['far', 'INBOX', 'INBOX', 30],
  )
  assert.ok(!existsSync(place.maildir('bob')))
  assert.ok(!existsSync(join(place.directory, 'home', 'bob', 'fetch')))
})

test('--proof writes what audit reads: that only reading was done, and all stands as it stood', t => {
  const { place, run } = stage(t, account())
  const proof = join(place.directory, 'proof')
  assert.equal(run('--proof', proof).status, 0)
  const { status, stdout } = spawnSync(process.execPath, [commandPath('mail-fetch'), 'audit', proof], {
    encoding: 'utf8',
  })
  assert.equal(status, 0)
  assert.match(stdout, /^nothing else was sent/m)
  assert.match(stdout, /^1 folders stood the same/m)
  assert.match(stdout, /^sent 1 × FETCH of whole messages$/m)
  const text = readFileSync(proof, 'utf8')
  assert.ok(
    !text.includes('wonderland') && !text.includes(Buffer.from('\0alice\0wonderland').toString('base64')),
  )
  assert.equal(run('--proof', proof).status, 73)
  writeFileSync(proof, text.replace(/^> \w+ EXAMINE/m, '> x1 SELECT'))
  const again = spawnSync(process.execPath, [commandPath('mail-fetch'), 'audit', proof], { encoding: 'utf8' })
  assert.equal(again.status, 65)
})

test('protocol = "pop3": from mail-pop3d, with a proof', async t => {
  const far = makePlace('[pop3d]\nlisten = [{ address = "127.0.0.1:0", tls = "off" }]')
  t.after(() => far.remove())
  fillMaildir(far.maildir('alice'), 20)
  const pop = await Program.start('mail-pop3d', far.config)
  t.after(() => pop.stop())
  const popPort = pop.ports('pop3d')[0]
  const { place, run, here } = stage(
    t,
    account('protocol = "pop3"').replace(/^host.*$/m, `host = "127.0.0.1:${popPort}"`),
  )
  const proof = join(place.directory, 'proof')
  const first = run('--proof', proof)
  assert.match(first.stdout, /^far: 20 fetched/)
  assert.deepEqual([first.status, first.stderr, here()], [0, '', 20])
  const found = spawnSync(process.execPath, [commandPath('mail-fetch'), 'audit', proof], { encoding: 'utf8' })
  assert.equal(found.status, 0)
  assert.match(found.stdout, /^sent 20 × RETR$/m)
  assert.match(found.stdout, /^1 folders stood the same/m)
  assert.equal(run().stdout, 'far: nothing new in 1 folders\n')
})

test('a refused login is 77, and is not asked again', t => {
  const { run } = stage(t, account('', 'wrong'))
  const first = run()
  assert.equal(first.status, 77)
  assert.match(first.stderr, /refuses the login of alice/)
  assert.match(run().stderr, /not asked again until the configuration changes, or with --retry-login/)
})

test('how a run went is left for mail-check and the metrics', async t => {
  const { place, run } = stage(t, account())
  const outcome = () => readOutcome(outcomePath(join(place.maildir('bob'), '..'), 'far'))
  assert.deepEqual(outcome(), { messages: 0 })
  run('--dry-run')
  assert.deepEqual(outcome(), { messages: 0 })
  assert.equal(run().status, 0)
  const { succeeded, messages, failed } = outcome()
  assert.deepEqual([messages, failed], [30, undefined])
  writeFileSync(place.config, readFileSync(place.config, 'utf8').replace('wonderland', 'wrong'))
  assert.equal(run().status, 77)
  assert.deepEqual(
    { ...outcome(), failed: 0, reason: '' },
    { succeeded, failed: 0, reason: '', refused: true, messages: 30 },
  )
  const { stdout } = spawnSync(
    process.execPath,
    [commandPath('mail-check'), '-c', place.config, '--no-ports', '--logins'],
    {
      encoding: 'utf8',
    },
  )
  assert.match(stdout, /^error: fetch far: 127\.0\.0\.1 refuses the login of alice/m)
  writeFileSync(place.config, readFileSync(place.config, 'utf8').replace("echo 'wrong'", "echo 'wonderland'"))
  assert.equal(run().status, 0)
  assert.equal(outcome().refused, undefined)
})

test('a refused login says what the provider wants, in English and in Korean', t => {
  const { run } = stage(t, account('provider = "naver"', 'wrong'))
  assert.match(run().stderr, /app password.*\n?.*Two-step verification/s)
  assert.match(run({ LC_ALL: 'ko_KR.UTF-8' }).stderr, /애플리케이션 비밀번호/)
})

test('what calls it wrongly is 64, what configures it wrongly 78, what cannot be reached 75', t => {
  const { run } = stage(t, account())
  assert.equal(run('near').status, 64)
  assert.equal(run('--watch', '--once').status, 64)
  assert.equal(stage(t, '').run().status, 78)
  const other = stage(t, account().replace(String(port), '1'))
  assert.equal(other.run().status, 75)
  const tls = stage(t, account().replace('tls = "off"', 'tls = "required"'))
  assert.notEqual(tls.run().status, 0)
})

test('the second of two at one account says who holds it, and leaves', async t => {
  const silent = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const { port: deaf } = silent.address() as { port: number }
  const { place, run } = stage(t, account().replace(String(port), String(deaf)))
  const first = spawn(process.execPath, [commandPath('mail-fetch'), '-c', place.config], { stdio: 'ignore' })
  t.after(() => first.kill('SIGKILL'))
  await new Promise<void>(resolve => silent.once('connection', () => resolve()))
  const second = run()
  assert.equal(second.status, 75)
  assert.match(second.stderr, new RegExp(`another mail-fetch \\(process ${first.pid}\\)`))
})

test('deliver = "sieve" gives each message to the user\'s filters, once', t => {
  const { place, run, here } = stage(t, account('deliver = "sieve"'))
  const home = join(place.directory, 'home', 'bob')
  mkdirSync(join(home, 'sieve'), { recursive: true })
  writeFileSync(
    join(home, 'sieve', 'main.sieve'),
    'require ["fileinto", "mailbox"]; if header :contains "from" "Gitea" { fileinto :create "Gitea"; }',
  )
  symlinkSync('sieve/main.sieve', join(home, '.dovecot.sieve'))
  assert.equal(run().status, 0)
  const count = (folder: string) =>
    ['new', 'cur'].reduce((sum, part) => {
      const directory = join(place.maildir('bob'), folder, part)
      return sum + (existsSync(directory) ? readdirSync(directory).length : 0)
    }, 0)
  assert.ok(count('.Gitea') > 0)
  assert.equal(count('') + count('.Gitea'), 30)
  assert.equal(run().stdout, 'far: nothing new in 1 folders\n')
  assert.equal(here(), 0)
})

for (const protocol of ['imap', 'pop3'])
  test(`a large message goes in pieces through the filters too, over ${protocol}`, async t => {
    const far = makePlace(`[${protocol}d]\nlisten = [{ address = "127.0.0.1:0", tls = "off" }]`)
    t.after(() => far.remove())
    fillMaildir(far.maildir('alice'), 1)
    const text = `Message-ID: <large@there>\nSubject: large\n\n${`${'line '.repeat(14)}\n..\n`.repeat(130_000)}`
    writeFileSync(join(far.maildir('alice'), 'cur', '1900000000.M1P1.there:2,'), text)
    const daemon = await Program.start(`mail-${protocol}d`, far.config)
    t.after(() => daemon.stop())
    const farPort = daemon.ports(`${protocol}d`)[0]
    const tables = account(`protocol = "${protocol}"\ndeliver = "sieve"`)
    const { place, run } = stage(t, tables.replace(/^host.*$/m, `host = "127.0.0.1:${farPort}"`))
    const home = join(place.directory, 'home', 'bob')
    mkdirSync(join(home, 'sieve'), { recursive: true })
    // It is refused, and so written a second time.
    writeFileSync(
      join(home, 'sieve', 'main.sieve'),
      'require "reject"; if header "subject" "large" { reject "too large"; }',
    )
    symlinkSync('sieve/main.sieve', join(home, '.dovecot.sieve'))
    assert.match(run().stdout, /^far: 2 fetched/)
    const files = readdirSync(join(place.maildir('bob'), 'new')).map(name =>
      join(place.maildir('bob'), 'new', name),
    )
    const large = files.map(file => readFileSync(file, 'latin1')).find(each => each.length > 1e6) ?? ''
    assert.ok(large.endsWith(text), `${large.length} octets came of ${text.length}`)
    assert.equal(run().stdout, 'far: nothing new in 1 folders\n')
  })

test('--watch brings what comes, at once; SIGTERM ends it', async t => {
  const { place, here } = stage(t, account('every = "1h"'))
  const child = spawn(process.execPath, [commandPath('mail-fetch'), '--watch', '-c', place.config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let log = ''
  child.stderr.on('data', chunk => {
    log += chunk
  })
  const before = readdirSync(join(provider.maildir('alice'), 'cur')).length
  await until(() => here() === before, 20_000)
  await new Promise(resolve => setTimeout(resolve, 200))
  const path = join(provider.maildir('alice'), 'new', '1900000000.M1P1.there')
  writeFileSync(path, 'Message-ID: <new@there>\n\nnew\n')
  await until(() => here() === before + 1, 20_000)
  const ended = new Promise(resolve => child.on('exit', resolve))
  child.kill('SIGTERM')
  assert.equal(await ended, 0, log)
  assert.match(log, /event=fetched account=far folder=INBOX mailbox=INBOX messages=1 /)
})
