import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { editFile, UsersEdit } from '../../lib/auth/edit.js'
import { addAlias, removeAlias } from '../../lib/auth/edit-aliases.js'

const text = '# people\r\nalice:{PLAIN}a:1:2:Alice:/a:/sh:x=%h\n\nbroken line\nbob@other.internal:{PLAIN}b\n'

function edited(work: (edit: UsersEdit) => void, before = text): string {
  const edit = new UsersEdit(before, 'example.internal')
  work(edit)
  return edit.toString()
}

test('what is not touched stays as it was', () => {
  assert.equal(
    edited(() => {}),
    text,
  )
  assert.equal(
    edited(edit => edit.remove('ALICE@example.internal')),
    text.replace(/alice.*\n/, ''),
  )
})

test('add() appends, and refuses who is there', () => {
  assert.equal(
    edited(edit => edit.add('Carol', '{X}y', { home: '/c' })),
    `${text}carol@example.internal:{X}y::::/c::\n`,
  )
  assert.throws(() => edited(edit => edit.add('alice', '{X}y')), { exit: 73 })
  assert.throws(() => edited(edit => edit.add('a/b', '{X}y')), { exit: 65 })
  for (const gecos of ['a:b', 'a\nroot:x'])
    assert.throws(() => edited(edit => edit.add('dave', '{X}y', { gecos })), { exit: 65 })
})

test('setPassword() keeps the other fields', () => {
  assert.equal(
    edited(edit => edit.setPassword('alice', '{X}y')),
    text.replace('{PLAIN}a', '{X}y'),
  )
  assert.throws(() => edited(edit => edit.setPassword('nobody', '{X}y')), { exit: 67 })
})

test('setPassword() leaves app passwords, and no other password', () => {
  const before = 'a@x:{P}app:::::::\na@x:{P}1::::::\na@x:{P}2::::::\na@x:{P}app::::::postern_label=l\n'
  assert.equal(
    edited(edit => edit.setPassword('a@x', '{N}'), before),
    'a@x:{N}:::::::\na@x:{P}app::::::postern_label=l\n',
  )
  const onlyApp = 'a@x:{P}app:1:2::/h::postern_label=l\n'
  assert.equal(
    edited(edit => edit.setPassword('a@x', '{N}'), onlyApp),
    `a@x:{N}:1:2::/h::\n${onlyApp}`,
  )
})

test('app passwords stand behind their user, each under its own label', () => {
  const extra = new Map([['postern_label', 'my phone']])
  const once = edited(edit => edit.addAppPassword('alice', '{X}y', extra))
  assert.equal(once.split('\n')[2], 'alice:{X}y::::::postern_label=my%20phone')
  assert.throws(() => edited(edit => edit.addAppPassword('alice', '{X}z', extra), once), { exit: 73 })
  assert.equal(
    edited(edit => edit.removeAppPassword('alice', 'my phone'), once),
    text,
  )
  assert.throws(() => edited(edit => edit.removeAppPassword('alice', 'my phone')), { exit: 67 })
  assert.match(
    edited(edit => edit.noteUse('alice', '{X}y', '2026-03-15'), once),
    /postern_label=my%20phone postern_used=2026-03-15\n/,
  )
  assert.equal(
    edited(edit => edit.noteUse('alice', '{X}gone', '2026-03-15'), once),
    once,
  )
})

test('without a domain a bare name is a whole one', () => {
  const edit = new UsersEdit('alice:{X}\nalice@x:{Y}\n', '')
  assert.equal(edit.linesOf('alice').length, 1)
  edit.remove('alice')
  assert.equal(edit.toString(), 'alice@x:{Y}\n')
})

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-edit-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

test('editFile() makes a file that only its owner reads, and keeps the mode of one that is there', async t => {
  const file = join(directory(t), 'users')
  await editFile(file, before => `${before}one\n`)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  chmodSync(file, 0o646)
  await editFile(file, before => `${before}two\n`)
  assert.equal(statSync(file).mode & 0o777, 0o646)
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n')
})

test('editFile() leaves a file alone when nothing changes or the work fails', async t => {
  const file = join(directory(t), 'users')
  writeFileSync(file, 'same\n')
  const { ino } = statSync(file)
  await editFile(file, before => before)
  await editFile(file, () => undefined)
  await assert.rejects(
    editFile(file, () => {
      throw new Error('no')
    }),
    /no/,
  )
  assert.equal(statSync(file).ino, ino)
  assert.deepEqual(readdirSync(join(file, '..')), ['users'])
})

test('editFile() follows a link, and does not replace it', async t => {
  const path = directory(t)
  writeFileSync(join(path, 'real'), 'a')
  symlinkSync('real', join(path, 'link'))
  await editFile(join(path, 'link'), before => `${before}b`)
  assert.equal(readFileSync(join(path, 'real'), 'utf8'), 'ab')
})

test('editFile() says what cannot be written', async t => {
  const path = directory(t)
  await assert.rejects(
    editFile(join(path, 'none/users'), () => 'x'),
    { exit: 73 },
  )
})

test('ten editors at once lose nothing', async t => {
  const file = join(directory(t), 'users')
  const numbers = Array.from({ length: 10 }, (_, i) => i)
  await Promise.all(numbers.map(i => editFile(file, before => `${before}${i}\n`)))
  assert.deepEqual(readFileSync(file, 'utf8').trim().split('\n').map(Number).sort(), numbers)
})

const aliases = '# lists\nsales: alice,\n  bob # both\n\n"odd name": x\nsales@x.org: \\alice, /dev/null\n'
const changes = [
  // what, function, result
  ['a new alias', () => addAlias('', 'sales', ['a', 'b@c']), 'sales: a, b@c\n'],
  ['after a line without its end', () => addAlias('a: b', 'c', ['d']), 'a: b\nc: d\n'],
  [
    'more for an alias',
    () => addAlias(aliases, 'SALES', ['Bob', 'carol']),
    aliases.replace(/sales: alice,\n.*/, 'sales: alice, bob, carol'),
  ],
  ['what it goes to already', () => addAlias('a: B@X.org\n', 'a', ['b@x.ORG']), 'a: B@X.org\n'],
  ['a name in quotes', () => addAlias('', 'odd: "name"', ['x']), '"odd: \\"name\\"": x\n'],
  ['a whole alias gone', () => removeAlias(aliases, 'sales'), aliases.replace(/sales: alice,\n.*\n/, '')],
  [
    'one of two gone',
    () => removeAlias(aliases, 'sales', ['BOB']),
    aliases.replace(/sales: alice,\n.*/, 'sales: alice'),
  ],
  ['the last one gone', () => removeAlias('a: b\n', 'a', ['b']), ''],
  [
    'special targets',
    () => removeAlias(aliases, 'Sales@X.org', ['/dev/null']),
    aliases.replace(', /dev/null', ''),
  ],
] as const
for (const [what, work, result] of changes) test(`aliases: ${what}`, () => assert.equal(work(), result))

const wrong = [
  [() => addAlias('', 'a', ['|program']), 65],
  [() => addAlias('', 'a', ['/var/mail/x']), 65],
  [() => addAlias('', 'a', [':include:/x']), 65],
  [() => addAlias('', 'a', ['b, c']), 65],
  [() => addAlias('', 'a', ['b\nroot: x']), 65],
  [() => addAlias('', 'a', ['']), 65],
  [() => addAlias('', 'a\nb', ['x']), 65],
  [() => addAlias('', '', ['x']), 65],
  [() => removeAlias(aliases, 'none'), 67],
  [() => removeAlias(aliases, 'sales', ['none']), 67],
] as const
for (const [work, exit] of wrong)
  test(`aliases: ${String(work).slice(6)} is refused`, () => assert.throws(work, { exit }))
