import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BadName, canonicalName, directoryOf, folderOf, parentsOf } from '../../lib/maildir/layout.js'

const folders = [
  // name           directory          in UTF-8
  ['INBOX', '', ''],
  ['inbox', '', ''],
  ['Sent', '.Sent', '.Sent'],
  ['A.B', '.A.B', '.A.B'],
  ['INBOX.Below', '.INBOX.Below', '.INBOX.Below'],
  ['Arché.Sub One', '.Arch&AOk-.Sub One', '.Arché.Sub One'],
  ['R&D', '.R&-D', '.R&D'],
  ['받은', '.&vBvHQA-', '.받은'],
  ['📬', '.&2D3c7A-', '.📬'],
] as const
for (const [name, mutf7, utf8] of folders)
  test(`directoryOf() ${name}`, () => {
    assert.deepEqual([directoryOf(name), directoryOf(name, 'utf8')], [mutf7, utf8])
    if (mutf7 !== '') assert.deepEqual([folderOf(mutf7), folderOf(utf8)], [name, name])
  })

const bad = [
  '',
  '.',
  '..',
  '...',
  'a..b',
  '.a',
  'a.',
  '/',
  '../../etc',
  'a/b',
  'a\0',
  'a\r\nb',
  '\x7f',
  '\udc00',
  'ä'.repeat(200),
]
for (const name of bad)
  test(`directoryOf() refuses ${JSON.stringify(name).slice(0, 24)}`, () =>
    assert.throws(() => directoryOf(name), BadName))

const entries = [
  'cur',
  'Sent',
  '.',
  '..',
  '..DOVECOT-TRASHED',
  '.a.',
  '.INBOX',
  '.inbox',
  '.a\ufffdb',
  '.a\nb',
]
for (const entry of entries)
  test(`folderOf() passes over ${JSON.stringify(entry)}`, () => assert.equal(folderOf(entry), undefined))

test('folderOf() takes what is no modified UTF-7 as it stands', () => {
  assert.equal(folderOf('.R&D'), 'R&D')
  assert.equal(folderOf('.&Jjo!'), '&Jjo!')
})

test('every name that is not refused comes back, and stays within the Maildir', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom('mutf7' as const, 'utf8' as const),
      (name, layout) => {
        let directory: string
        try {
          directory = directoryOf(name, layout)
        } catch (error) {
          assert.ok(error instanceof BadName)
          return
        }
        assert.doesNotMatch(directory, /\/|^\.?\.?$|\0/)
        // In UTF-8 a name may look like modified UTF-7 of another one.
        if (layout === 'mutf7') assert.equal(folderOf(directory), canonicalName(name))
      },
    ),
  )
})

test('parentsOf() names those above, innermost first', () => {
  assert.deepEqual(parentsOf('A.B.C'), ['A.B', 'A'])
  assert.deepEqual(parentsOf('A'), [])
})
