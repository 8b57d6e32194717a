import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parsePasswdFile } from '../../lib/auth/passwd-file.js'
import { verifyPassword } from '../../lib/auth/password.js'
import { loadConfig } from '../../lib/config/load.js'
import { readFacts } from '../../lib/setup/certificate.js'
import { type Demo, demoPorts, openDemo, prepareDemo } from '../../lib/setup/demo.js'
import { temporaryDirectory } from '../support/world.js'

async function prepare(directory: string, now = new Date(), steps: string[] = []): Promise<Demo> {
  await openDemo(directory)
  return prepareDemo({
    directory,
    ports: demoPorts,
    hosts: ['127.0.0.1', '[::1]'],
    now,
    step: text => steps.push(text),
  })
}

function made(t: TestContext) {
  const directory = join(temporaryDirectory(t), 'demo')
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  const newMail = (user: string) => readdirSync(join(directory, `home/ilnmors.internal/${user}/Maildir/new`))
  return { directory, read, newMail }
}

test('a demonstration is a whole configuration with users, certificate and mail', async t => {
  const { directory, read, newMail } = made(t)
  const demo = await prepare(directory)
  const config = await loadConfig(demo.config)
  assert.equal(config.smtpd.listen.length, 6)
  assert.equal(config.imapd.listen.length, 4)
  assert.deepEqual((await readFacts(config.tls.certificate)).names, [
    'mail.ilnmors.internal',
    'localhost',
    '127.0.0.1',
    '::1',
  ])
  assert.deepEqual(
    demo.users.map(user => user.address),
    ['alice@ilnmors.internal', 'bob@ilnmors.internal'],
  )
  const lines = parsePasswdFile(read('users')).map(({ line }) => line)
  for (const [i, { password = '' }] of demo.users.entries()) {
    assert.match(password, /^([a-z2-9]{4}-){3}[a-z2-9]{4}$/)
    assert.ok(await verifyPassword(lines[i]?.password ?? '', password))
  }
  const [, token = ''] = /password (\S+)/.exec(read('netrc')) ?? []
  assert.ok(await verifyPassword(lines[2]?.password ?? '', token))
  assert.equal(lines[2]?.extra.get('postern_protocols'), 'imap,pop3')
  for (const user of ['alice', 'bob']) {
    const [name = ''] = newMail(user)
    assert.match(read(`home/ilnmors.internal/${user}/Maildir/new/${name}`), /^Subject: Welcome to Postern$/m)
    const folders = readdirSync(join(directory, `home/ilnmors.internal/${user}/Maildir`)).filter(entry =>
      entry.startsWith('.'),
    )
    assert.deepEqual(folders.sort(), ['.Archive', '.Drafts', '.Junk', '.Sent', '.Trash'])
  }
})

test('secrets can be read by their owner alone', async t => {
  const { directory } = made(t)
  await prepare(directory)
  const mode = (name: string) => (statSync(join(directory, name)).mode & 0o777).toString(8)
  assert.deepEqual(['.', 'users', 'netrc', 'tls/ca.key', 'tls/mail.key'].map(mode), [
    '700',
    '600',
    '600',
    '600',
    '600',
  ])
})

test('a second start keeps everything and makes nothing', async t => {
  const { directory, read, newMail } = made(t)
  await prepare(directory)
  const files = ['users', 'netrc', 'aliases', 'mail.toml', 'tls/ca.crt', 'tls/mail.crt', 'tls/mail.key']
  const before = files.map(read)
  rmSync(join(directory, 'home/ilnmors.internal/alice/Maildir/new', newMail('alice')[0] ?? ''))
  const steps: string[] = []
  const again = await prepare(directory, new Date(), steps)
  assert.deepEqual(files.map(read), before)
  assert.deepEqual(steps, [])
  assert.deepEqual(
    again.users.map(user => user.password),
    [undefined, undefined],
  )
  assert.deepEqual(newMail('alice'), [], 'a message that was removed does not come back')
})

test('a piece that is missing is made again, and fits the others', async t => {
  const { directory, read } = made(t)
  await prepare(directory)
  const [alice, bob] = read('users').split('\n')
  rmSync(join(directory, 'netrc'))
  writeFileSync(join(directory, 'users'), `${read('users')}# a comment\n`)
  await prepare(directory)
  const lines = read('users').trimEnd().split('\n')
  assert.deepEqual([...lines.slice(0, 3)], [alice, bob, '# a comment'])
  assert.equal(lines.length, 4, 'the old app password is gone')
  const [, token = ''] = /password (\S+)/.exec(read('netrc')) ?? []
  assert.ok(await verifyPassword(parsePasswdFile(lines[3] ?? '')[0]?.line?.password ?? '', token))
})

test('a certificate is renewed a month before it ends, by the same authority', async t => {
  const { directory, read } = made(t)
  await prepare(directory)
  const [ca, old] = [read('tls/ca.crt'), read('tls/mail.crt')]
  await prepare(directory, new Date(Date.now() + 360 * 86_400_000))
  assert.equal(read('tls/mail.crt'), old)
  await prepare(directory, new Date(Date.now() + 370 * 86_400_000))
  assert.notEqual(read('tls/mail.crt'), old)
  assert.equal(read('tls/ca.crt'), ca)
})

test("somebody else's directory is left alone", async t => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'mail.toml'), 'hostname = "mail.example.org"\n')
  await assert.rejects(openDemo(directory), { exit: 73, message: /holds something else; .*--state/ })
  assert.deepEqual(readdirSync(directory), ['mail.toml'])
  const file = join(directory, 'mail.toml', 'below')
  await assert.rejects(openDemo(file), { exit: 73 })
  assert.ok(!existsSync(file))
})
