/** mail-deliver as it is run: standard input, options, exit statuses, and what it leaves when it is stopped. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makePlace } from '../support/place.js'
import { commandPath } from '../support/program.js'
import { temporaryDirectory, until } from '../support/world.js'

const program = commandPath('mail-deliver')
const message = 'From: ann@x.example\nSubject: x\n\nhello\n'

interface Ended {
  readonly status: number | null
  readonly stderr: string
}

function run(args: readonly string[], input: string | Buffer = message): Ended {
  const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...args], {
    input,
    encoding: 'utf8',
  })
  assert.equal(stdout, '')
  return { status, stderr }
}

function files(maildir: string, folder = 'new'): string[] {
  return existsSync(join(maildir, folder)) ? readdirSync(join(maildir, folder)) : []
}

function only(maildir: string): string {
  assert.equal(files(maildir).length, 1)
  assert.deepEqual(files(maildir, 'tmp'), [])
  return readFileSync(join(maildir, 'new', files(maildir)[0] as string), 'latin1')
}

function nothingIn(maildir: string): void {
  assert.deepEqual([files(maildir), files(maildir, 'cur'), files(maildir, 'tmp')], [[], [], []])
}

test('--maildir needs no configuration, and makes the Maildir', t => {
  const maildir = join(temporaryDirectory(t), 'deep', 'Maildir')
  assert.deepEqual(run(['--maildir', maildir, '-c', '/nonexistent']), { status: 0, stderr: '' })
  assert.equal(only(maildir), message)
  const [name = ''] = files(maildir)
  assert.match(name, new RegExp(`^\\d+\\.M\\d+P\\d+\\.[^,:/]+,S=${message.length},W=${message.length + 4}$`))
  assert.equal(statSync(join(maildir, 'new', name)).mode & 0o777, 0o600)
  assert.equal(statSync(maildir).mode & 0o777, 0o700)
})

const forms = [
  ['CRLF is stored as LF', [], 'A: 1\r\n\r\nx\r\n', 'A: 1\n\nx\n'],
  ['a last line without an end stays so', [], 'A: 1\n\nx', 'A: 1\n\nx'],
  ['no header', [], '\nx\n', '\nx\n'],
  ["mbox's line is dropped", [], 'From ann@x Thu Jan  1 00:00:00 1970\nA: 1\n\nx\n', 'A: 1\n\nx\n'],
  ['-f', ['-f', 'ann@x.example'], 'A: 1\n\nx\n', 'Return-Path: <ann@x.example>\nA: 1\n\nx\n'],
  ['-f with brackets', ['-f', '<ann@x.example>'], 'A: 1\n\nx\n', 'Return-Path: <ann@x.example>\nA: 1\n\nx\n'],
  ['-f empty: a bounce', ['-f', ''], 'A: 1\n\nx\n', 'Return-Path: <>\nA: 1\n\nx\n'],
  [
    '-f replaces a Return-Path',
    ['-f', 'b@x'],
    'Return-Path: <a@x>\nA: 1\n\nx\n',
    'Return-Path: <b@x>\nA: 1\n\nx\n',
  ],
  ['without -f it stays', [], 'Return-Path: <a@x>\nA: 1\n\nx\n', 'Return-Path: <a@x>\nA: 1\n\nx\n'],
  ['octets of any kind', [], 'A: \xe9\n\n\0\xff\r.\n', 'A: \xe9\n\n\0\xff\r.\n'],
] as const

for (const [why, args, input, expected] of forms)
  test(`stored: ${why}`, t => {
    const maildir = join(temporaryDirectory(t), 'Maildir')
    assert.deepEqual(run(['--maildir', maildir, ...args], Buffer.from(input, 'latin1')), {
      status: 0,
      stderr: '',
    })
    assert.equal(only(maildir), expected)
  })

test('a large message comes through', t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  const large = `A: 1\n\n${Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join('')}`
  assert.equal(run(['--maildir', maildir], large).status, 0)
  assert.equal(only(maildir), large)
})

test('-m makes the folder', t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  assert.equal(run(['--maildir', maildir, '-m', 'Entwürfe']).status, 0)
  assert.equal(only(join(maildir, '.Entw&APw-rfe')), message)
  assert.equal(run(['--maildir', maildir, '-m', '../evil']).status, 73)
})

function place(t: TestContext): ReturnType<typeof makePlace> {
  const made = makePlace('')
  t.after(() => made.remove())
  writeFileSync(
    join(made.directory, 'aliases'),
    'root: alice\nall: alice, bob\nloop: loop2\nloop2: loop\naway: ann@x.example\nhole: /dev/null\n',
  )
  return made
}

test('-d USER: Delivered-To', t => {
  const { config, maildir } = place(t)
  assert.deepEqual(run(['-c', config, '-d', 'Alice']), { status: 0, stderr: '' })
  assert.equal(only(maildir('alice')), `Delivered-To: alice@ilnmors.internal\n${message}`)
})

test('-d follows aliases; several share the file', t => {
  const { config, maildir } = place(t)
  assert.equal(run(['-c', config, '-d', 'root@ilnmors.internal', '-f', 'a@x']).status, 0)
  assert.match(only(maildir('alice')), /^Return-Path: <a@x>\nDelivered-To: alice@ilnmors.internal\n/)
  assert.equal(run(['-c', config, '-d', 'all']).status, 0)
  assert.equal(only(maildir('bob')), message)
  assert.equal(run(['-c', config, '-d', 'hole']).status, 0)
})

const refusals = [
  ['an unknown user', ['-d', 'nobody'], 67, /no user nobody/],
  ['an alias that goes out', ['-d', 'away'], 69, /ann@x\.example/],
  ['aliases in circles', ['-d', 'loop'], 78, /circles/],
  ['a configuration that is not there', ['-c', '/nonexistent', '-d', 'alice'], 78, /\/nonexistent/],
  ['nowhere to deliver', [], 64, /either -d USER or --maildir DIR/],
  ['two places to deliver', ['-d', 'alice', '--maildir', 'x'], 64, /either/],
  ['an unknown option', ['--frob'], 64, /frob/],
  ['an operand', ['-d', 'alice', 'frob'], 64, /do not know what to do/],
  ['a sender that is two lines', ['-d', 'alice', '-f', 'a@x\nBcc: b@x'], 64, /no sender address/],
] as const

for (const [why, args, status, pattern] of refusals)
  test(`exit ${status}: ${why}`, t => {
    const { config, maildir } = place(t)
    const ended = run(['-c', config, ...args])
    assert.equal(ended.status, status, ended.stderr)
    assert.match(ended.stderr, pattern)
    assert.match(ended.stderr, /^mail-deliver: /)
    nothingIn(maildir('alice'))
  })

test('exit 65: a message that goes in circles', t => {
  const { config, maildir } = place(t)
  const looped = `Received: a\nDelivered-To: alice@ilnmors.internal\n${message}`
  assert.equal(run(['-c', config, '-d', 'alice'], looped).status, 65)
  nothingIn(maildir('alice'))
})

test('exit 66: nothing to read', t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  assert.equal(run(['--maildir', maildir], '').status, 66)
  nothingIn(maildir)
})

test('exit 75: an input that cannot be read', t => {
  const directory = temporaryDirectory(t)
  const maildir = join(directory, 'Maildir')
  const stdio: [number, 'pipe', 'pipe'] = [openSync(directory, 'r'), 'pipe', 'pipe']
  const { status, stderr } = spawnSync(process.execPath, [program, '--maildir', maildir], { stdio })
  assert.equal(status, 75, String(stderr))
  nothingIn(maildir)
})

test('exit 75: a file that may not grow (a short write, then an error) leaves nothing', t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  const script = 'ulimit -f 100; exec "$0" "$@"'
  const input = `A: 1\n\n${'x'.repeat(99)}\n`.repeat(3_000)
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', script, process.execPath, program, '--maildir', maildir],
    {
      input,
      encoding: 'utf8',
    },
  )
  assert.equal(status, 75, stderr)
  nothingIn(maildir)
})

test('exit 75: a full disk leaves nothing', t => {
  const directory = temporaryDirectory(t)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory]).status === 0
  if (!mounted) return t.skip('only root can mount a small file system')
  try {
    const maildir = join(directory, 'Maildir')
    const { status, stderr } = run(['--maildir', maildir], `A: 1\n\n${'x'.repeat(99)}\n`.repeat(5_000))
    assert.equal(status, 75)
    assert.match(stderr, /no space left/)
    nothingIn(maildir)
    assert.equal(run(['--maildir', maildir]).status, 0)
    assert.equal(only(maildir), message)
  } finally {
    spawnSync('umount', [directory])
  }
})

for (const signal of ['SIGKILL', 'SIGTERM'] as const)
  test(`${signal} in the middle of a message: nothing is delivered`, async t => {
    const maildir = join(temporaryDirectory(t), 'Maildir')
    const child = spawn(process.execPath, [program, '--maildir', maildir], {
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    child.stdin.on('error', () => {})
    child.stdin.write(`A: 1\n\n${'x'.repeat(99)}\n`.repeat(2_000))
    await until(() => files(maildir, 'tmp').some(name => statSync(join(maildir, 'tmp', name)).size > 65_000))
    const ended = new Promise(resolve => child.on('exit', resolve))
    child.kill(signal)
    await ended
    assert.deepEqual([files(maildir), files(maildir, 'cur')], [[], []])
  })

test('many at once, none lost', async t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  const one = (i: number) =>
    new Promise<number | null>(resolve => {
      const child = spawn(process.execPath, [program, '--maildir', maildir], {
        stdio: ['pipe', 'ignore', 'inherit'],
      })
      child.on('exit', resolve)
      child.stdin.end(`Subject: ${i}\n\nx\n`)
    })
  assert.deepEqual(await Promise.all(Array.from({ length: 8 }, (_, i) => one(i))), Array(8).fill(0))
  const subjects = files(maildir).map(
    name => readFileSync(join(maildir, 'new', name), 'latin1').split('\n')[0],
  )
  assert.deepEqual(
    subjects.sort(),
    Array.from({ length: 8 }, (_, i) => `Subject: ${i}`),
  )
})

test('root delivers as the owner of the place', t => {
  if (process.getuid?.() !== 0) return t.skip('only root can become somebody else')
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'home'))
  chownSync(join(directory, 'home'), 12_345, 23_456)
  chownSync(directory, 12_345, 23_456)
  const maildir = join(directory, 'home', 'Maildir')
  assert.equal(run(['--maildir', maildir]).status, 0)
  const { uid, gid } = statSync(join(maildir, 'new', files(maildir)[0] as string))
  assert.deepEqual([uid, gid], [12_345, 23_456])
})

/** A place with a way out. */
function outward(t: TestContext, script?: string): ReturnType<typeof makePlace> {
  const made = place(t)
  const settings = `[relay]\nhost = "smtp.x.example:465"\n[queue]\ndirectory = "${made.directory}/queue"\n`
  writeFileSync(made.config, `${readFileSync(made.config, 'utf8')}${settings}`)
  if (script !== undefined) {
    mkdirSync(join(made.maildir('alice'), '..'), { recursive: true })
    writeFileSync(join(made.maildir('alice'), '..', '.dovecot.sieve'), script)
  }
  return made
}

/** The envelopes and messages of the queue. */
function queued(
  directory: string,
): { readonly sender: string; readonly to: string[]; readonly text: string }[] {
  const mail = join(directory, 'queue', 'mail')
  const ids = files(mail, '.').filter(name => name.endsWith('.envelope'))
  return ids.sort().map(name => {
    const { sender, recipients } = JSON.parse(readFileSync(join(mail, name), 'utf8'))
    const text = readFileSync(join(mail, name.replace(/envelope$/, 'message')), 'latin1')
    return { sender, to: recipients.map(({ address }: { address: string }) => address), text }
  })
}

test('an alias that goes out is queued; one that goes both ways does both', t => {
  const { config, directory, maildir } = outward(t)
  assert.deepEqual(run(['-c', config, '-d', 'away', '-f', 'eve@y.example']), { status: 0, stderr: '' })
  assert.deepEqual(queued(directory), [{ sender: 'eve@y.example', to: ['ann@x.example'], text: message }])
  writeFileSync(join(directory, 'aliases'), 'both: alice, ann@x.example\n')
  assert.equal(run(['-c', config, '-d', 'both'], `Return-Path: <b@y.example>\n${message}`).status, 0)
  assert.equal(queued(directory)[1]?.sender, 'b@y.example')
  assert.match(only(maildir('alice')), /hello/)
})

test('a script: into a folder, and an answer into the queue', t => {
  const script = `require ["fileinto","mailbox","vacation"];
fileinto :create "Friends"; vacation :addresses "me@ilnmors.internal" "I am away";`
  const { config, directory, maildir } = outward(t, script)
  const input = `To: me@ilnmors.internal\n${message}`
  assert.deepEqual(run(['-c', config, '-d', 'alice', '-f', 'ann@x.example'], input), {
    status: 0,
    stderr: '',
  })
  assert.match(
    only(join(maildir('alice'), '.Friends')),
    /^Return-Path: <ann@x.example>\nDelivered-To: alice@/,
  )
  // Another process knows that the answer was given.
  assert.equal(run(['-c', config, '-d', 'alice', '-f', 'ann@x.example'], input).status, 0)
  assert.deepEqual(
    queued(directory).map(({ sender, to }) => [sender, to]),
    [['', ['ann@x.example']]],
  )
})

test('-m is where a script keeps; -r is what it sees of the address', t => {
  const script = `require ["envelope","subaddress","imap4flags"];
if envelope :detail "to" "shop" { addflag "\\\\Flagged"; }`
  const { config, maildir } = outward(t, script)
  assert.equal(
    run(['-c', config, '-d', 'alice', '-m', 'Shops', '-r', 'alice+shop@ilnmors.internal']).status,
    0,
  )
  const [name = ''] = files(join(maildir('alice'), '.Shops'), 'cur')
  assert.match(name, /:2,F$/)
})

test('a rejection: by mail, with -e by exit status 77', t => {
  const { config, directory, maildir } = outward(t, 'require "reject"; reject "not wanted";')
  const refused = run(['-c', config, '-d', 'alice', '-f', 'ann@x.example', '-e'])
  assert.deepEqual([refused.status, refused.stderr], [77, 'mail-deliver: not wanted\n'])
  assert.deepEqual(queued(directory), [])
  assert.equal(run(['-c', config, '-d', 'alice', '-f', 'ann@x.example']).status, 0)
  assert.deepEqual(queued(directory)[0]?.to, ['ann@x.example'])
  nothingIn(maildir('alice'))
})

for (const [policy, status] of [
  ['reject', 77],
  ['defer', 75],
] as const)
  test(`exit ${status}: a full mailbox, over_quota = "${policy}"`, t => {
    const { config, maildir } = outward(t)
    const more = `[deliver]\nover_quota = "${policy}"\n[mailbox]\nquota_messages = 1\n`
    writeFileSync(config, `${readFileSync(config, 'utf8')}${more}`)
    assert.equal(run(['-c', config, '-d', 'alice']).status, 0)
    const full = run(['-c', config, '-d', 'alice'])
    assert.deepEqual([full.status, /mailbox is full/.test(full.stderr)], [status, true])
    assert.match(only(maildir('alice')), /hello/)
  })

test('duplicates: a Message-ID that came before is dropped, by another process too', t => {
  const { config, maildir } = outward(t)
  writeFileSync(config, `${readFileSync(config, 'utf8')}[deliver]\nduplicates = "1h"\n`)
  const input = `Message-ID: <1@x>\n${message}`
  for (let i = 0; i < 2; i++) assert.equal(run(['-c', config, '-d', 'alice'], input).status, 0)
  assert.match(only(maildir('alice')), /hello/)
  assert.equal(run(['-c', config, '-d', 'bob'], input).status, 0)
  assert.match(only(maildir('bob')), /hello/)
})

test('--explain tells every step and does none', t => {
  const script = `require ["fileinto","mailbox","copy"];
if header :is "subject" "x" {
  redirect :copy "ann@x.example";
  fileinto :create "Lists";
}`
  const { config, directory, maildir } = outward(t, script)
  const { status, stdout } = spawnSync(
    process.execPath,
    [program, '-c', config, '-d', 'root', '-f', 'a@x', '--explain'],
    { input: message, encoding: 'utf8' },
  )
  assert.equal(status, 0)
  assert.deepEqual(
    stdout.split('\n').map(line => line.replaceAll(directory, 'DIR')),
    [
      `message: ${message.length} octets from <a@x>`,
      'alias: root leads to alice@ilnmors.internal',
      'alice@ilnmors.internal: script: .dovecot:2: header :is "subject" "x" → true ["x"]',
      'alice@ilnmors.internal: script: .dovecot:3: redirect :copy "ann@x.example"',
      'alice@ilnmors.internal: script: .dovecot:4: fileinto :create "Lists"',
      'alice@ilnmors.internal: action: .dovecot:3: redirect: from <a@x> to <ann@x.example>',
      'alice@ilnmors.internal: action: .dovecot:4: store: into Lists, which is made,',
      'alice@ilnmors.internal: file: DIR/home/alice/Maildir/.Lists/new/',
      '',
    ],
  )
  assert.equal(existsSync(maildir('alice')), false)
  assert.deepEqual(queued(directory), [])
})
