/** mail-user as it is typed: the built program, real files. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parsePasswdFile } from '../../lib/auth/passwd-file.js'
import { verifyPassword } from '../../lib/auth/password.js'

const program = 'dist/bin/mail-user.cjs'

/** A directory with a configuration, and mail-user working on it. */
function world(t: TestContext, more = '') {
  const directory = mkdtempSync(join(tmpdir(), 'postern-user-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const config = join(directory, 'mail.toml')
  writeFileSync(
    config,
    `hostname = "mail.x.internal"\ndomains = ["x.internal", "y.internal"]\n${more}[users]\nhome = "/srv/%d/%n"\n`,
  )
  const run = (line: string, stdin = '') => {
    const words = line.match(/'[^']*'|\S+/g)?.map(word => word.replaceAll("'", '')) ?? []
    return call(words, stdin, { POSTERN_CONFIG: config })
  }
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  return { directory, config, run, read }
}

interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function call(
  words: readonly string[],
  stdin: string,
  environment: Record<string, string> = {},
): Promise<Result> {
  const child = spawn(process.execPath, [program, ...words], { env: { ...process.env, ...environment } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  return new Promise(resolve => child.on('close', status => resolve({ status, stdout, stderr })))
}

test('the configuration may be named before the subcommand, and between two', async t => {
  const { config, read } = world(t)
  const made = await call(['-c', config, 'add', 'alice'], 'secret\n')
  assert.deepEqual(made, { status: 0, stdout: '', stderr: '' })
  const words = [`--config=${config}`, 'app-password', '-c', config, 'add', 'alice', 'phone']
  assert.equal((await call(words, '')).status, 0)
  assert.match(read('users'), /^alice@x\.internal:/m)
  assert.equal((await call(['-c', config, 'nonsense'], '')).status, 64)
  assert.equal((await call(['-c'], '')).status, 64)
})

test('add makes the file, for its owner alone, with a password that verifies', async t => {
  const { run, read, directory } = world(t)
  const result = await run("add Alice --name 'Alice A.'", 'secret 비밀\nnot this\n')
  assert.deepEqual(result, { status: 0, stdout: '', stderr: '' })
  assert.equal(statSync(join(directory, 'users')).mode & 0o777, 0o600)
  const [first] = parsePasswdFile(read('users'))
  assert.equal(first?.line?.user, 'alice@x.internal')
  assert.equal(first?.line?.gecos, 'Alice A.')
  assert.match(first?.line?.password ?? '', /^\{ARGON2ID\}\$argon2id\$v=19\$m=47104,t=1,p=1\$/)
  assert.equal(await verifyPassword(first?.line?.password ?? '', 'secret 비밀'), true)
})

test('the story of a user', async t => {
  const { run, read, directory } = world(t)
  assert.equal((await run('add alice -s SSHA512', 'one\n')).status, 0)
  assert.equal((await run('add bob@y.internal --scheme plain --home /home/bob', 'two\r\n')).status, 0)
  const phone = await run("app-password add alice 'my phone' -p smtp,imap")
  assert.match(phone.stdout, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}\n$/)
  assert.deepEqual(await run('verify ALICE@X.internal', phone.stdout), {
    status: 0,
    stdout: 'app password my phone\n',
    stderr: '',
  })
  assert.equal((await run('verify alice', 'one')).stdout, 'own password\n')
  const today = new Date().toISOString().slice(0, 10)
  assert.equal((await run('app-password list alice')).stdout, `my phone\tsmtp,imap\t${today}\tnever\n`)
  assert.equal(
    (await run('list')).stdout,
    'alice@x.internal\tSSHA512\t1\t/srv/x.internal/alice\nbob@y.internal\tPLAIN\t0\t/home/bob\n',
  )
  const [alice] = (await run('list --json')).stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
  assert.deepEqual(alice, {
    name: 'alice@x.internal',
    home: '/srv/x.internal/alice',
    scheme: 'SSHA512',
    appPasswords: [{ label: 'my phone', protocols: ['smtp', 'imap'], created: today }],
  })
  assert.equal((await run('passwd alice', 'three\n')).status, 0)
  assert.equal((await run('verify alice', 'one')).status, 77)
  assert.equal((await run('verify alice', 'three')).status, 0)
  assert.equal((await run('verify alice', phone.stdout)).status, 0)
  assert.equal((await run("app-password remove alice 'my phone'")).status, 0)
  assert.equal((await run('verify alice', phone.stdout)).status, 77)
  const home = join(directory, 'srv')
  mkdirSync(home)
  assert.equal((await run('remove alice bob@y.internal')).status, 0)
  assert.equal(read('users'), '')
  assert.ok(existsSync(home))
})

test('the story of an alias', async t => {
  const { run, read } = world(t)
  await run('add alice -s plain', 'x')
  assert.deepEqual(await run('alias add sales alice someone@example.net'), {
    status: 0,
    stdout: '',
    stderr: '',
  })
  assert.match((await run('alias add sales bob')).stderr, /warning: there is no bob@x\.internal yet/)
  assert.equal(read('aliases'), 'sales: alice, someone@example.net, bob\n')
  assert.equal((await run('alias remove sales bob')).status, 0)
  assert.deepEqual(await run('alias expand Sales+news@X.internal'), {
    status: 0,
    stdout: 'alice@x.internal\tnews\nsomeone@example.net\n',
    stderr: '',
  })
  assert.equal((await run('alias list')).stdout, 'sales: alice, someone@example.net\n')
  assert.equal(
    (await run('alias list --json')).stdout,
    '{"name":"sales","targets":["alice","someone@example.net"]}\n',
  )
  await run('alias add a b')
  assert.match((await run('alias add b a')).stderr, /circle: b@x\.internal -> a@x\.internal -> b@x\.internal/)
  assert.equal((await run('alias expand a')).status, 67)
  assert.equal((await run('alias remove a')).status, 0)
  assert.equal((await run('alias remove a')).status, 67)
})

const refusals = [
  // call, stdin, exit status, what it says
  ['add alice', 'x\n', 73, /alice is there already/],
  ['add carol@elsewhere.example', 'x\n', 65, /elsewhere\.example is not one of domains/],
  ['add ../../etc/passwd', 'x\n', 65, /nobody's name/],
  ['add carol', '', 65, /no password/],
  ['add carol', '\n', 65, /no password/],
  ['add carol -s MD5', 'x\n', 64, /choose from ARGON2ID/],
  ['add carol --rounds many', 'x\n', 64, /number/],
  ['add carol --uid x', 'x\n', 64, /numbers/],
  ["add carol --name 'a:b'", 'x\n', 65, /colon/],
  ['add', '', 64, /USER/],
  ['add carol dave', 'x\n', 64, /USER/],
  ['add carol --password x', '', 64, /password/],
  ['passwd carol', 'x\n', 67, /no user carol/],
  ['verify carol', 'x\n', 67, /no user carol/],
  ['remove carol', '', 67, /no user carol/],
  ['remove alice carol', '', 67, /no user carol/],
  ['app-password add carol phone', '', 67, /no user carol/],
  ['app-password add alice phone -p imap,ftp', '', 64, /ftp/],
  ['app-password remove alice phone', '', 67, /no app password "phone"/],
  ['app-password list carol', '', 67, /no user carol/],
  ["alias add x '|program'", '', 65, /program/],
  ['alias add x', '', 64, /ADDRESS/],
  ['alias expand nobody', '', 67, /no nobody@x\.internal/],
  ['list -c /nonexistent', '', 78, /nonexistent/],
  ['list --file /', '', 66, /cannot read/],
  ['add x --file /proc/nowhere/users', 'x\n', 73, /nowhere/],
  ['', '', 64, /say which/],
  ['alias', '', 64, /say which/],
  ['frobnicate', '', 64, /frobnicate/],
] as const
for (const [line, stdin, status, says] of refusals)
  test(`mail-user ${line} exits with ${status}`, async t => {
    const { run, read, directory } = world(t)
    writeFileSync(join(directory, 'users'), 'alice:{PLAIN}a\n')
    const result = await run(line, stdin)
    assert.equal(result.status, status)
    assert.match(result.stderr, says)
    assert.equal(read('users'), 'alice:{PLAIN}a\n')
  })

test('who may not write the file is told so', { skip: process.geteuid?.() === 0 && 'root may' }, async t => {
  const { run, directory } = world(t)
  await run('add alice -s plain', 'x')
  chmodSync(directory, 0o500)
  const result = await run('passwd alice -s plain', 'y')
  chmodSync(directory, 0o700)
  assert.equal(result.status, 77)
  assert.match(result.stderr, /users: this user may not write it/)
})

test('with --file there is no need of a configuration', async t => {
  const { directory } = world(t)
  const file = join(directory, 'passwd')
  const none = { POSTERN_CONFIG: '/nonexistent' }
  assert.equal((await call(['add', '--file', file, '-s', 'plain', 'alice'], 'x\n', none)).status, 0)
  assert.equal((await call(['verify', '--file', file, 'alice'], 'x\n', none)).status, 0)
  assert.equal((await call(['list', '--file', file], '', none)).stdout, 'alice\tPLAIN\t0\t-\n')
  assert.equal(readFileSync(file, 'utf8'), 'alice:{PLAIN}x::::::\n')
})

test('a broken line is told, kept, and harms nobody', async t => {
  const { run, read, directory } = world(t)
  writeFileSync(join(directory, 'users'), '# mine\nhalf a li\nalice:{PLAIN}a\n')
  const listed = await run('list')
  assert.equal(listed.stdout, 'alice@x.internal\tPLAIN\t0\t/srv/x.internal/alice\n')
  assert.match(listed.stderr, /users:2: no colon/)
  await run('passwd alice -s plain', 'b')
  assert.equal(read('users'), '# mine\nhalf a li\nalice:{PLAIN}b::::::\n')
})

test('a password without the keys that mechanisms ask for is told', async t => {
  const { run } = world(t, 'login.mechanisms = ["PLAIN", "SCRAM-SHA-256"]\n')
  assert.match((await run('add alice -s ssha512', 'x')).stderr, /SCRAM-SHA-256/)
  assert.equal((await run('add bob -s scram-sha-256', 'x')).stderr, '')
})

test('ten at once lose nothing', async t => {
  const { run, read } = world(t)
  const names = Array.from({ length: 10 }, (_, i) => `user${i}`)
  const results = await Promise.all(names.map(name => run(`add ${name} -s plain`, 'x')))
  assert.deepEqual(new Set(results.map(result => result.status)), new Set([0]))
  assert.equal(read('users').trim().split('\n').length, 10)
})
