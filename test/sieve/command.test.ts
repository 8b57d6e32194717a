/** mail-sieve as scripts call it. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../support/world.js'
import { mailSieve } from './program.js'

const message = 'From: a@b.example\nTo: me@example.org\nSubject: Hello\n\nBody\n'

interface Sent {
  readonly from: string
  readonly to: readonly string[]
  readonly mailbox: string
}

interface Place {
  readonly directory: string
  write(name: string, text: string): string
  maildir(...folders: string[]): string
}

function place(t: TestContext): Place {
  const directory = temporaryDirectory(t)
  return {
    directory,
    write: (name, text) => {
      const path = join(directory, name)
      writeFileSync(path, text)
      return path
    },
    maildir: (...folders) => {
      const root = join(directory, 'Maildir')
      for (const folder of ['', ...folders.map(name => `.${name}`)])
        for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(root, folder, part), { recursive: true })
      return root
    },
  }
}

function stored(root: string, folder = ''): string[] {
  return ['new', 'cur'].flatMap(part => {
    const path = join(root, folder, part)
    return existsSync(path) ? readdirSync(path).map(name => readFileSync(join(path, name), 'utf8')) : []
  })
}

// biome-ignore lint/suspicious/noExplicitAny: JSON is whatever it is
function json(argv: readonly string[], input = ''): { status: number; value: any } {
  const { status, stdout } = mailSieve([...argv, '--json'], input)
  return { status, value: JSON.parse(stdout) }
}

test('check: every error with its line and message, and warnings', t => {
  const here = place(t)
  const right = here.write('right.sieve', 'require "editheader";\ndeleteheader "Received";\n')
  const wrong = here.write('wrong.sieve', 'keep\nfoo;\n\nbar;\n')
  const fine = json(['check', right])
  assert.equal(fine.status, 0)
  assert.deepEqual(Object.keys(fine.value), ['ok', 'errors', 'warnings'])
  assert.deepEqual([fine.value.ok, fine.value.errors, fine.value.warnings[0].line], [true, [], 2])
  const { status, value } = json(['check', wrong])
  assert.equal(status, 1)
  assert.deepEqual([value.ok, value.errors.map(({ line }: { line: number }) => line)], [false, [2, 4]])
  for (const error of value.errors) assert.match(error.message, /\(column 1\)$/)
  const text = mailSieve(['check', wrong])
  assert.match(text.stderr, /^wrong: line 2, column 1: /)
  assert.equal(text.stdout, '')
})

test('run: what would be done, and nothing is', t => {
  const here = place(t)
  const root = here.maildir()
  const script = here.write(
    's.sieve',
    'require ["fileinto", "imap4flags", "copy"]; fileinto :copy :flags "\\\\Seen x" "A"; redirect :copy "c@d.example";',
  )
  const { status, value } = json(['run', '--maildir', root, script], message)
  assert.equal(status, 0)
  assert.deepEqual(value, {
    status: 'ok',
    errors: [],
    implicitKeep: true,
    actions: [
      { type: 'store', mailbox: 'A', flags: ['\\Seen', 'x'] },
      { type: 'redirect', address: 'c@d.example' },
    ],
    sent: [],
  })
  assert.deepEqual(stored(root), [])
})

test('run --execute: stores go into the Maildir, what is sent comes back', t => {
  const here = place(t)
  const root = here.maildir('A')
  const script = here.write(
    's.sieve',
    'require ["fileinto", "imap4flags", "copy", "vacation"]; fileinto :copy :flags "\\\\Seen x" "A"; redirect :copy "c@d.example"; vacation "gone";',
  )
  const { value } = json(
    ['run', '--execute', '--maildir', root, '--from', 's@t.example', '--to', 'me@example.org', script],
    message,
  )
  assert.deepEqual(
    value.sent.map(({ from, to }: Sent) => [from, to]),
    [
      ['s@t.example', ['c@d.example']],
      ['', ['s@t.example']],
    ],
  )
  assert.match(value.sent[1].data, /\r\n\r\ngone\r\n$/)
  assert.deepEqual(stored(root), [message])
  assert.deepEqual(stored(root, '.A'), [message])
  const [name = ''] = readdirSync(join(root, '.A', 'cur'))
  assert.match(name, /:2,Sa$/)
  assert.equal(readFileSync(join(root, '.A', 'dovecot-keywords'), 'utf8'), '0 x\n')
})

test('run --execute: an action that fails undoes the others, and the message is kept as it came', t => {
  const here = place(t)
  const root = here.maildir('A')
  const script = here.write(
    's.sieve',
    'require ["fileinto", "editheader", "mailbox"]; addheader "X-New" "1"; fileinto "A"; fileinto :create "Made"; fileinto "FROP";',
  )
  const { status, value } = json(['run', '--execute', '--maildir', root, script], message)
  assert.equal(status, 1)
  assert.deepEqual([value.status, value.implicitKeep], ['action-error', true])
  assert.match(value.errors[0].message, /failed to store into mailbox 'FROP': .*does not exist/)
  assert.deepEqual([stored(root), stored(root, '.A'), stored(root, '.Made')], [[message], [], []])
  const invalid = here.write('i.sieve', 'require "fileinto"; fileinto "a/b";')
  assert.match(
    json(['run', '--execute', '--maildir', root, invalid], message).value.errors[0].message,
    /failed to store into mailbox 'a\/b': .*name/,
  )
})

test('run: errors', t => {
  const here = place(t)
  const compile = json(['run', here.write('c.sieve', 'nonsense;')], message)
  assert.deepEqual(
    [compile.status, compile.value.status, compile.value.implicitKeep],
    [1, 'compile-error', true],
  )
  const runtime = json(['run', here.write('r.sieve', 'require "ihave";\nerror "oh";')], message)
  assert.deepEqual(
    [runtime.status, runtime.value.status, runtime.value.errors],
    [1, 'runtime-error', [{ line: 2, message: 'oh (column 1)' }]],
  )
  const usage = mailSieve(['run', '--set', 'nothing=1', here.write('k.sieve', 'keep;')], message)
  assert.equal(usage.status, 64)
  assert.equal(mailSieve(['run'], message).status, 64)
  assert.equal(mailSieve(['run', '--nonsense', 'x'], message).status, 64)
  assert.equal(mailSieve(['run', join(here.directory, 'none.sieve')], message).status, 66)
})

test('run: envelope, scripts to include, settings, what was stored', t => {
  const here = place(t)
  mkdirSync(join(here.directory, 'personal'))
  mkdirSync(join(here.directory, 'global'))
  here.write('personal/p.sieve', 'require "fileinto"; fileinto "personal";')
  here.write('global/g.sieve', 'require "fileinto"; fileinto "global";')
  here.write('friends', 's@t.example\n')
  const script = here.write(
    's.sieve',
    'require ["include", "envelope", "fileinto", "extlists", "editheader", "vacation"]; include "p"; include :global "g"; if envelope "from" "" { fileinto "null"; } if envelope "auth" "me" { fileinto "auth"; } if envelope :list "to" ":addrbook:friends" { fileinto "friend"; } addheader "X-New" "1";',
  )
  const file = join(here.directory, 'stored.eml')
  const argv = [
    'run',
    '--from',
    '',
    '--to',
    's@t.example',
    '--orig-to',
    'o@t.example',
    '--auth',
    'me',
    '--include-personal',
    join(here.directory, 'personal'),
    '--include-global',
    join(here.directory, 'global'),
    '--lists',
    here.directory,
    '--stored',
    file,
    script,
  ]
  const { value } = json(argv, message)
  assert.deepEqual(
    value.actions.map(({ mailbox }: Sent) => mailbox),
    ['personal', 'global', 'null', 'auth', 'friend'],
  )
  assert.equal(readFileSync(file, 'utf8'), `X-New: 1\n${message}`)
  const limited = json(['run', '--set', 'sieve_max_actions=2', ...argv.slice(1)], message)
  assert.match(limited.value.errors[0].message, /total number of actions exceeds policy limit/)
})

test('run: several scripts in order', t => {
  const here = place(t)
  const scripts = ['require "imap4flags"; addflag "x";', 'require "fileinto"; fileinto "a";', 'discard;'].map(
    (text, i) => here.write(`${i}.sieve`, text),
  )
  const { value } = json(['run', ...scripts], message)
  assert.deepEqual(value.actions, [{ type: 'store', mailbox: 'a', flags: ['x'] }])
})

test('trace: each test and command with its line and what came of it', t => {
  const here = place(t)
  const script = here.write('s.sieve', 'if header :contains "subject" "hell" {\n  discard;\n}\n')
  const { stdout } = mailSieve(['trace', script], message)
  assert.deepEqual(stdout.split('\n').slice(0, 4), [
    's:1: if',
    's:1: header :contains "subject" "hell" → true ["Hello"]',
    's:2: discard',
    'discard',
  ])
  assert.equal(json(['trace', script], message).value.trace.length, 3)
})

test('extensions: what require accepts', () => {
  const { status, value } = json(['extensions'])
  assert.equal(status, 0)
  assert.ok(value.includes('fileinto') && value.includes('comparator-i;ascii-numeric'))
  const fewer = json(['extensions', '--set', 'sieve_extensions=fileinto'])
  assert.deepEqual(fewer.value, ['fileinto'])
})

test('filter: shows what it would do, and does it when told', t => {
  const here = place(t)
  const root = here.maildir('Work')
  for (const [i, subject] of ['one', 'two', 'spam', 'keep'].entries())
    writeFileSync(join(root, 'new', `170000000${i}.M1P1.x`), message.replace('Hello', subject))
  const script = here.write(
    's.sieve',
    'require ["fileinto", "copy", "imap4flags"]; if header "subject" "one" { fileinto "Work"; } elsif header "subject" "two" { fileinto :copy "Work"; addflag "\\\\Flagged"; } elsif header "subject" "spam" { discard; } else { redirect "a@b.example"; }',
  )
  const dry = mailSieve(['filter', '--maildir', root, script])
  assert.match(
    dry.stdout,
    /one: move to Work\n.*two: copy to Work, set the flags \\Flagged\n.*spam: move to Trash\n.*keep: not done here: redirect\n/,
  )
  assert.equal(stored(root).length, 4)
  const done = mailSieve(['filter', '--maildir', root, '--execute', script])
  assert.equal(done.status, 0)
  assert.deepEqual(
    [stored(root).length, stored(root, '.Work').length, stored(root, '.Trash').length],
    [2, 2, 1],
  )
})
