import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { expandHome } from '../../lib/auth/home.js'
import { formatName, parseName } from '../../lib/auth/name.js'
import { formatLine, parsePasswdFile } from '../../lib/auth/passwd-file.js'
import { Users } from '../../lib/auth/users.js'
import { Log } from '../../lib/sys/log.js'

/** Opens a users file of this text. */
async function open(t: TestContext, text: string | undefined, watch = false) {
  const directory = mkdtempSync(join(tmpdir(), 'postern-users-'))
  const file = join(directory, 'users')
  if (text !== undefined) writeFileSync(file, text)
  const lines: string[] = []
  const log = new Log({ write: line => lines.push(line), journal: true })
  const home = '/srv/%d/%n'
  const users = await Users.open({ file, home, domain: 'Example.internal', log, watch })
  t.after(async () => {
    await users.close()
    rmSync(directory, { recursive: true })
  })
  return { users, file, lines }
}

test('Users.find() compares without case, and understands the first domain', async t => {
  const { users } = await open(t, 'Alice:{PLAIN}a\nbob@Other.Internal:{PLAIN}b\njosé:{PLAIN}c\n')
  assert.equal(users.find('ALICE')?.name, 'alice@example.internal')
  assert.equal(users.find('alice@EXAMPLE.internal.')?.name, 'alice@example.internal')
  assert.equal(users.find('bob@other.internal')?.local, 'bob')
  assert.equal(users.find('jose\u0301')?.name, 'jos\u00e9@example.internal')
  for (const nobody of ['bob', 'alice@other.internal', '', '@', '@example.internal', 'alice@', 'alice@a@b'])
    assert.equal(users.find(nobody), undefined, nobody)
  assert.deepEqual(
    [...users].map(user => user.local),
    ['alice', 'bob', 'josé'],
  )
})

test('Users reads every field of a Dovecot passwd-file', async t => {
  const { users } = await open(
    t,
    '# comment\n\n:ignored\nalice:{PLAIN}a:1000:1001:Alice A.,,:/home/alice:/bin/sh:userdb_quota_rule=*:storage=1G allow_nets=10.0.0.0/8,local\n' +
      'bob\tx:{PLAIN}\r\nbob:{PLAIN}b\r\ncarol:\ndave:{PLAIN}d::::relative/path\nerin:{PLAIN}e::::::nologin userdb_home=/e\n',
  )
  const alice = users.find('alice')
  assert.deepEqual(alice, {
    name: 'alice@example.internal',
    local: 'alice',
    domain: 'example.internal',
    home: '/home/alice',
    uid: 1000,
    gid: 1001,
    fullName: 'Alice A.',
    extra: new Map([
      ['userdb_quota_rule', '*:storage=1G'],
      ['allow_nets', '10.0.0.0/8,local'],
    ]),
  })
  assert.deepEqual(users.passwords(alice as never)[0]?.networks, ['10.0.0.0/8', 'local'])
  const [bob, carol, dave, erin] = ['bob', 'carol', 'dave', 'erin'].map(name => users.find(name))
  assert.equal(bob && users.passwords(bob)[0]?.stored, '{PLAIN}b')
  assert.deepEqual(carol && users.passwords(carol), [])
  assert.equal(dave?.home, '/srv/example.internal/dave')
  assert.equal(erin?.home, '/e')
  assert.deepEqual(erin && users.passwords(erin), [])
})

test('a broken line is skipped with a warning, and the others work', async t => {
  const { users, lines } = await open(t, 'half a li\nal/ice:{PLAIN}a\n../x:{PLAIN}\nbob:{PLAIN}b\ncut:{ARG')
  assert.deepEqual(
    [...users].map(user => user.local),
    ['bob', 'cut'],
  )
  assert.deepEqual(
    lines.map(line => /event=(\S+).* line=(\d)/.exec(line)?.slice(1).join(' ')),
    ['users-file-line-skipped 1', 'users-file-line-skipped 2', 'users-file-line-skipped 3'],
  )
})

test('networks that cannot be read let nobody in', async t => {
  const { users, lines } = await open(t, 'alice:{PLAIN}a::::::allow_nets=10.0.0.0/99\n')
  const alice = users.find('alice')
  assert.deepEqual(alice && users.passwords(alice), [])
  assert.match(lines.join(''), /line=1 .*10\.0\.0\.0\/99/)
})

test('several lines of a user are several passwords; the first tells the rest', async t => {
  const { users } = await open(
    t,
    'alice:{PLAIN}a::::/first\nbob:{PLAIN}b\nALICE:{PLAIN}c::::/second::postern_label=my%20phone postern_protocols=IMAP,smtp postern_used=2026-03-15\n',
  )
  const alice = users.find('alice')
  assert.equal(alice?.home, '/first')
  const [own, phone] = users.passwords(alice as never)
  assert.equal(own?.label, undefined)
  assert.deepEqual(phone, {
    stored: '{PLAIN}c',
    label: 'my phone',
    protocols: new Set(['imap', 'smtp']),
    networks: undefined,
    used: '2026-03-15',
  })
})

test('a missing file is empty, until it is made', async t => {
  const { users, file, lines } = await open(t, undefined)
  assert.equal(users.size, 0)
  assert.match(lines[0] ?? '', /users-file-missing/)
  writeFileSync(file, 'alice:{PLAIN}a\n')
  users.reload()
  assert.equal(users.size, 1)
})

test('a file that cannot be read is an error at the start, and keeps the old users later', async t => {
  const { users, file, lines } = await open(t, 'alice:{PLAIN}a\n')
  rmSync(file)
  users.reload()
  assert.equal(users.find('alice')?.local, 'alice')
  assert.match(lines.at(-1) ?? '', /event=users-file-unreadable/)
  const log = new Log({ write: () => {} })
  await assert.rejects(
    Users.open({ file: tmpdir(), home: '/%n', domain: 'x', log, watch: false }),
    (error: { exit?: number; message: string }) => error.exit === 78 && error.message.includes(tmpdir()),
  )
})

test('a changed file is taken over, whether written or renamed in, and told once', async t => {
  const { users, file } = await open(t, 'alice:{PLAIN}a\n', true)
  const changed = () =>
    new Promise<void>(resolve => {
      const stop = users.onChange(() => {
        stop()
        resolve()
      })
    })
  for (const name of ['bob', 'carol', 'dave']) {
    const next = changed()
    writeFileSync(`${file}.new`, `${name}:{PLAIN}b\n`)
    renameSync(`${file}.new`, file)
    await next
    assert.deepEqual(
      [...users].map(user => user.local),
      [name],
    )
  }
  const next = changed()
  writeFileSync(file, 'erin:{PLAIN}e\n')
  await next
  assert.deepEqual(
    [...users].map(user => user.local),
    ['erin'],
  )
})

const dangerous = [
  '/',
  '..',
  '.',
  '../x',
  'a/b',
  'a\\b',
  'a\0b',
  'a\nb',
  'a b',
  'a\u2028b',
  'a:b',
  '',
  'a..b',
  '\ud800',
]
for (const name of dangerous)
  test(`parseName() refuses ${JSON.stringify(name)} on either side`, () => {
    assert.equal(parseName(name, 'example.internal'), undefined)
    assert.equal(parseName(`${name}@example.internal`, ''), undefined)
    assert.equal(parseName(`alice@${name}`, ''), undefined)
  })

test('whatever is typed, a home stays where it belongs', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' })), fc.string(), (local, domain) => {
      const name = parseName(`${local}@${domain}`, 'example.internal')
      if (!name) return
      const home = expandHome('/srv/%d/%n', name)
      assert.equal(home, `/srv/${name.domain}/${name.local}`)
      assert.equal(join(home), home)
      assert.equal(home.split('/').length, 4)
      assert.deepEqual(parseName(formatName(name), 'other.internal'), name)
    }),
  )
})

test('parseName() compares domains in ASCII', () => {
  assert.equal(parseName('info@example.org..', ''), undefined)
  assert.deepEqual(parseName('info@메일.한국', ''), { local: 'info', domain: 'xn--h32bq4v.xn--3e0b707e' })
})

test('expandHome() puts names in', () => {
  const name = { local: 'alice', domain: 'x.org' }
  assert.equal(expandHome('/h/%u/%n/%d/100%%', name), '/h/alice@x.org/alice/x.org/100%')
  for (const template of ['/h/%x', '/h/%', 'relative/%n'])
    assert.throws(() => expandHome(template, name), { exit: 78 })
})

test('a line is written as it was read', () => {
  for (const text of [
    'alice:{PLAIN}a::::::',
    'alice:{PLAIN}a:1:2:g:/h:/bin/sh:userdb_mail=maildir:~/%n x',
    'alice:::::::postern_label=my%20phone:%25%C2%85 b=c',
  ])
    assert.equal(formatLine(parsePasswdFile(text)[0]?.line as never), text)
  const extra = parsePasswdFile('a:b::::::postern_label=%ff x=a%3Ab\n')[0]?.line?.extra
  assert.deepEqual([extra?.get('postern_label'), extra?.get('x')], ['%ff', 'a%3Ab'])
})

test('no text makes the reader throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(':', '\n', 'a', ' ', '=', '%', '#', '\r', '@') }), text => {
      const parsed = parsePasswdFile(text)
      assert.equal(parsed.map(each => each.text).join('\n'), text.replace(/\n$/, ''))
      for (const { line } of parsed)
        if (line) assert.deepEqual(parsePasswdFile(formatLine(line))[0]?.line, line)
    }),
  )
})
