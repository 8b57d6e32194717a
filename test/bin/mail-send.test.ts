/** mail-send as programs call sendmail: arguments, input, exit statuses. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandPath } from '../support/program.js'
import { queuePlace } from './queue-place.js'

const isRoot = process.getuid?.() === 0
const body = 'Subject: x\n\nhello\n'

/** Arguments, input, sender, recipients, and what the message must be like. */
const calls: [string, string[], string, { from?: string; to?: string[]; like?: RegExp; unlike?: RegExp }][] =
  [
    [
      'recipients on the command line',
      ['a@example.org', 'b'],
      body,
      { to: ['a@example.org', 'b@x.internal'] },
    ],
    [
      'several in one word',
      ['a@example.org, b@example.org'],
      body,
      { to: ['a@example.org', 'b@example.org'] },
    ],
    ['-f', ['-f', 'app@x.internal', 'b'], body, { from: 'app@x.internal' }],
    ['-f beside, no domain', ['-fapp', 'b'], body, { from: 'app@x.internal' }],
    ['-f <>', ['-f', '<>', 'b'], body, { from: '' }],
    ['-r', ['-r', 'app@x.internal', 'b'], body, { from: 'app@x.internal' }],
    [
      'options behind an address',
      ['b', '-f', 'app@x.internal'],
      body,
      { from: 'app@x.internal', to: ['b@x.internal'] },
    ],
    ['-- ends the options', ['-i', '--', 'b'], body, { to: ['b@x.internal'] }],
    [
      '-t',
      ['-t'],
      `To: A <a@example.org>, b\nCc: grp: c@example.org;\nBcc: d@example.org\n${body}`,
      {
        to: ['a@example.org', 'b@x.internal', 'c@example.org', 'd@example.org'],
        like: /^To: A/m,
        unlike: /^Bcc/m,
      },
    ],
    [
      '-t and recipients too',
      ['-t', 'e@example.org'],
      `To: a@example.org\n${body}`,
      { to: ['e@example.org', 'a@example.org'] },
    ],
    [
      '-t of a message that was resent',
      ['-t'],
      `Resent-To: new@example.org\nTo: old@example.org\n${body}`,
      { to: ['new@example.org'] },
    ],
    [
      '-ti together',
      ['-ti'],
      `To: a@example.org\n${body}.\nmore\n`,
      { to: ['a@example.org'], like: /\n\.\nmore\n$/ },
    ],
    ['a dot ends the message', ['b'], `${body}.\nmore\n`, { like: /hello\n$/ }],
    ['a dot without a line end', ['b'], `${body}.`, { like: /hello\n$/ }],
    ['a dot in a line ends nothing', ['b'], `${body}.more\n..\n`, { like: /\n\.more\n\.\.\n$/ }],
    ['-oi', ['-oi', 'b'], `${body}.\nmore\n`, { like: /\n\.\nmore\n$/ }],
    [
      'CRLF',
      ['b'],
      'Subject: x\r\n\r\nhello\r\n.\r\nmore\r\n',
      { like: /^Subject: x\n\nhello\n$/m, unlike: /\r/ },
    ],
    ['-F', ['-F', 'Disk Guard', 'b'], body, { like: /^From: Disk Guard <\S+@x\.internal>$/m }],
    [
      '-F beyond ASCII',
      ['-F', '홍길동', 'b'],
      body,
      { like: /^From: =\?UTF-8\?B\?7ZmN6ri464\+Z\?= <\S+>$/m },
    ],
    [
      'what is missing is added',
      ['b'],
      body,
      {
        like: /^Received: by mail\.x\.internal [\s\S]*^Date: [\s\S]*^Message-ID: <[\s\S]*^To: undisclosed-recipients:;$/m,
      },
    ],
    [
      'what is there stays',
      ['b'],
      `From: z@y\nDate: then\nMessage-ID: <1@y>\nTo: b\n${body}`,
      { unlike: /Message-ID: <m|undisclosed/ },
    ],
    ['no header', ['b'], 'hello there\n', { like: /^$\n^hello there\n$/m }],
    ['no message at all', ['b'], '', { like: /^Received:/ }],
    [
      "mbox's line is dropped",
      ['b'],
      `From root Thu Jan  1 00:00:00 1970\n${body}`,
      { unlike: /^From root/m },
    ],
    [
      'options of others',
      [
        '-oem',
        '-odb',
        '-om',
        '-Am',
        '-Btype',
        '-v',
        '-U',
        '-G',
        '-n',
        '-h',
        '5',
        '-Ldisk',
        '-O',
        'X=y',
        '-x',
        '-m',
        '-em',
        'b',
      ],
      body,
      { to: ['b@x.internal'] },
    ],
  ]
for (const [what, args, input, { from, to, like, unlike }] of calls)
  test(`mail-send: ${what}`, t => {
    const place = queuePlace(t)
    assert.deepEqual(place.run('mail-send', args, input), { status: 0, stdout: '', stderr: '' })
    const [entry] = place.entries()
    assert.ok(entry)
    if (from !== undefined) assert.equal(entry.envelope.sender, from)
    if (to)
      assert.deepEqual(
        entry.envelope.recipients.map(({ address }) => address),
        to,
      )
    if (like) assert.match(entry.message, like)
    if (unlike) assert.doesNotMatch(entry.message, unlike)
    assert.equal(entry.envelope.size, Buffer.byteLength(entry.message))
  })

test('mail-send: reports as -N, -R and -V ask for them', t => {
  const place = queuePlace(t)
  assert.equal(place.run('mail-send', ['-N', 'success,delay', '-Rhdrs', '-V', 'E1', 'b'], body).status, 0)
  const [{ envelope } = assert.fail()] = place.entries()
  assert.deepEqual(
    [envelope.recipients[0]?.notify, envelope.ret, envelope.envid],
    [['success', 'delay'], 'headers', 'E1'],
  )
})

const refusals: [string, string[], string, number][] = [
  ['nobody to send to', [], body, 64],
  ['-t and nobody named', ['-t'], body, 64],
  ['an unknown option', ['-Z', 'b'], body, 64],
  ['a value that is missing', ['-f'], body, 64],
  ['-bd', ['-bd'], '', 64],
  ['-N nonsense', ['-N', 'sometimes', 'b'], body, 64],
  ['no address', ['a b@'], body, 65],
  ['too large', ['b'], `${body}${'x'.repeat(80)}\n`.repeat(20_000), 65],
  ['no configuration', ['-C', '/nonexistent', 'b'], body, 78],
]
for (const [what, args, input, status] of refusals)
  test(`mail-send refuses with ${status}: ${what}`, t => {
    const place = queuePlace(t, undefined, '[smtpd]\nmax_message_size = "1M"\n')
    const ended = place.run('mail-send', args, input)
    assert.equal(ended.status, status, ended.stderr)
    assert.match(ended.stderr, /^mail-send: /)
    const mail = join(place.directory, 'queue', 'mail')
    assert.deepEqual(existsSync(mail) ? readdirSync(mail) : [], [])
  })

test("mail-send: what cannot be written is still the caller's (75)", t => {
  const place = queuePlace(t)
  writeFileSync(join(place.directory, 'queue'), 'a file where the queue should be')
  const { status } = place.run('mail-send', ['b'], body)
  assert.ok(status === 73 || status === 75, `${status}`)
})

test('mail-send: a user without rights drops the message, mail-relay delivers it', { skip: !isRoot }, t => {
  const place = queuePlace(t)
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  const nobody = 65534
  assert.deepEqual(place.run('mail-send', ['-f', 'app@x.internal', 'alice'], body, nobody), {
    status: 0,
    stdout: '',
    stderr: '',
  })
  const [dropped] = place.entries('drop')
  assert.equal(statSync(join(place.directory, 'queue', 'drop', `${dropped?.id}.message`)).uid, nobody)
  assert.equal(place.run('mail-queue', ['list'], '', nobody).status, 77)
  assert.equal(place.run('mail-send', ['-bp'], '', nobody).status, 77)
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  assert.match(place.inbox('alice')[0] ?? '', /Received: by mail\.x\.internal \(Postern, from userid 65534\)/)
  assert.deepEqual(readdirSync(join(place.directory, 'queue', 'drop')), [])
})

test("mail-send as root gives what it makes to the queue's owner", { skip: !isRoot }, t => {
  const place = queuePlace(t)
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  const mail = join(place.directory, 'queue', 'mail')
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  spawnSync('chown', ['-R', '65534:65534', join(place.directory, 'queue')])
  assert.equal(place.run('mail-send', ['b'], body).status, 0)
  for (const name of readdirSync(mail)) assert.equal(statSync(join(mail, name)).uid, 65534, name)
})

test('mail-send -bs speaks SMTP', t => {
  const place = queuePlace(t)
  const session = [
    'EHLO me',
    'MAIL FROM:<a@x.internal>',
    'RCPT TO:<b@example.org>',
    'DATA',
    'Subject: x',
    '',
    '..dot',
    '.',
    'QUIT',
  ]
  const { status, stdout } = place.run('mail-send', ['-bs'], session.map(line => `${line}\r\n`).join(''))
  assert.equal(status, 0)
  assert.match(
    stdout,
    /^220 [\s\S]*\r\n250 [^\r]*\r\n250 [^\r]*\r\n354 [^\r]*\r\n250 [^\r]*\r\n221 [^\r]*\r\n$/,
  )
  const [entry] = place.entries()
  assert.equal(entry?.envelope.sender, 'a@x.internal')
  assert.match(entry?.message ?? '', /\n\n\.dot\n$/)
})

test('mail-send -bv says where addresses lead', t => {
  const place = queuePlace(t)
  const { status, stdout } = place.run('mail-send', ['-bv', 'far', 'nobody', 'c@example.org'])
  assert.equal(status, 67)
  assert.match(
    stdout,
    /^far\.\.\. mailbox alice@x\.internal, relay far@example\.org\nnobody\.\.\. nobody here\nc@example\.org\.\.\. relay c@example\.org\n$/,
  )
})

test('mail-send goes by its other names', t => {
  const place = queuePlace(t)
  assert.equal(place.run('mail-send', ['b'], body).status, 0)
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  for (const [name, out] of [
    ['mailq', /^-Queue ID-[\s\S]*b@x\.internal/],
    ['newaliases', /^$/],
    ['sendmail', /^$/],
  ] as const) {
    const link = join(place.directory, name)
    symlinkSync(commandPath('mail-send'), link)
    chmodSync(commandPath('mail-send'), 0o755)
    const { status, stdout } = spawnSync(link, name === 'sendmail' ? ['c'] : [], {
      input: body,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], POSTERN_CONFIG: place.config },
    })
    assert.equal(status, 0, name)
    assert.match(stdout, out)
  }
  assert.equal(place.entries().length, 2)
})
