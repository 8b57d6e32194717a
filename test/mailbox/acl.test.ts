import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type AclEntry,
  allRights,
  changeAcl,
  formatAcl,
  parseAcl,
  readAcl,
  rightsOf,
} from '../../lib/mailbox/acl.js'

test('lines as Dovecot writes them', () => {
  const text = '# who\nowner lrwstipekxa\nanyone lr\n"user=two words" lrs :foo\n-user=bob w\ngroup=staff\n\n'
  assert.deepEqual(parseAcl(text), [
    { identifier: 'owner', negative: false, rights: 'lrwstipekxa' },
    { identifier: 'anyone', negative: false, rights: 'lr' },
    { identifier: 'user=two words', negative: false, rights: 'lrs' },
    { identifier: 'user=bob', negative: true, rights: 'w' },
    { identifier: 'group=staff', negative: false, rights: '' },
  ])
})

test('what is written is read again, and nothing makes the reader throw', () => {
  const entry = fc
    .record({
      identifier: fc.string({ minLength: 1 }).filter(text => !/[\n\r]/.test(text) && !text.startsWith('-')),
      negative: fc.boolean(),
      rights: fc.subarray([...allRights]).map(rights => rights.join('')),
    })
    .map(each => ({ ...each }))
  fc.assert(
    fc.property(fc.array(entry), fc.string(), (entries, text) => {
      parseAcl(text)
      assert.deepEqual(parseAcl(formatAcl(entries)), entries)
    }),
  )
})

test('the most particular entry counts, less what is taken away', () => {
  const rows: [file: string, isOwner: boolean, rights: string][] = [
    ['', true, allRights],
    ['', false, ''],
    ['anyone lr', false, 'lr'],
    ['anyone lr', true, allRights],
    ['anyone lr\nuser=me lrw', false, 'lrw'],
    ['user=me lrw\nanyone lrx', false, 'lrw'],
    ['user=you lrw', false, ''],
    ['authenticated l\nanyone lr', false, 'l'],
    ['owner lr', true, 'lr'],
    ['owner lr', false, ''],
    ['owner lr\nuser=me l', true, 'l'],
    ['user=me lrw\n-user=me w', false, 'lr'],
    ['-anyone a', true, 'lrwstipekx'],
    ['group=x lr', false, ''],
  ]
  const isNamed = (name: string) => name === 'me'
  for (const [file, isOwner, rights] of rows)
    assert.equal(rightsOf(parseAcl(file), { isOwner, isNamed }), rights, JSON.stringify([file, isOwner]))
})

test('changes are made one after the other, and what nobody said is not there', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-'))
  t.after(() => rmSync(directory, { recursive: true }))
  assert.equal(readAcl(directory), undefined)
  writeFileSync(join(directory, 'dovecot-acl'), 'user=old l\n')
  const add = (identifier: string) => (entries: readonly AclEntry[]) => [
    ...entries,
    { identifier, negative: false, rights: 'l' },
  ]
  await Promise.all(['user=a', 'user=b', 'user=c'].map(each => changeAcl(directory, add(each))))
  assert.equal(
    readFileSync(join(directory, 'dovecot-acl'), 'utf8'),
    'user=old l\nuser=a l\nuser=b l\nuser=c l\n',
  )
})
