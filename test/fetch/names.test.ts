import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseFolders, isMeant, localName } from '../../lib/fetch/names.js'

const folder = (path: string, delimiter = '/', specialUse?: string) => ({
  path,
  delimiter,
  selectable: true,
  ...(specialUse !== undefined && { specialUse }),
})

const locals = [
  ['INBOX', '/', 'INBOX'],
  ['Inbox/Work', '/', 'INBOX.Work'],
  ['[Gmail]/Sent Mail', '/', '[Gmail].Sent Mail'],
  ['받은편지함/업무', '/', '받은편지함.업무'],
  ['v1.2/a', '/', 'v1\u20242.a'],
  ['a/b.c', '.', 'a\u2044b.c'],
  ['/a//b/', '/', 'a.b'],
  ['a\x07b', '/', 'a_b'],
  ['flat.name', '', 'flat\u2024name'],
  ['\u1112\u1161\u11ab', '/', '한'],
] as const
for (const [path, delimiter, name] of locals)
  test(`localName() of ${JSON.stringify(path)}`, () => assert.equal(localName({ path, delimiter }), name))

const meant = [
  ['INBOX', 'inbox', true],
  ['Work', 'work', false],
  ['Work/2026', 'Work/*', true],
  ['Work', 'Work/*', false],
  ['a+b', 'a+b', true],
  ['aab', 'a+b', false],
] as const
for (const [path, pattern, is] of meant)
  test(`isMeant() ${path} by ${pattern}: ${is}`, () => assert.equal(isMeant(folder(path), pattern), is))

test("isMeant() takes Gmail's English names, and special uses, for localised folders", () => {
  const sent = folder('[Gmail]/보낸편지함', '/', '\\Sent')
  assert.ok(isMeant(sent, '[Gmail]/Sent Mail'))
  assert.ok(isMeant(sent, '\\Sent'))
  assert.ok(!isMeant(sent, '[Gmail]/All Mail'))
  assert.ok(!isMeant(folder('Elsewhere/보낸', '/', '\\Sent'), '[Gmail]/Sent Mail'))
})

test('chooseFolders() includes, excludes, renames, and puts INBOX first', () => {
  const folders = [folder('Work'), folder('INBOX'), folder('Spam', '/', '\\Junk'), folder('Work/Old')]
  const choices = { folders: [{ from: 'Spam', to: 'Junk' }, '*'], exclude: ['Work/*'] }
  assert.deepEqual(
    chooseFolders(folders, choices).map(({ remote, local }) => [remote.path, local]),
    [
      ['INBOX', 'INBOX'],
      ['Work', 'Work'],
      ['Spam', 'Junk'],
    ],
  )
})

test('chooseFolders() refuses two folders that would become one by accident', () => {
  const folders = [folder('a/b'), folder('a.b', '')]
  assert.throws(
    () => chooseFolders([folder('Inbox'), folder('INBOX')], { folders: ['*'], exclude: [] }),
    /both become INBOX/,
  )
  assert.equal(chooseFolders(folders, { folders: ['*'], exclude: [] }).length, 2)
})
