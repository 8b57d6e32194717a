/** What happened to the names of mailboxes between two looks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameChanges } from '../../lib/imap/listing.js'

const cases = [
  ['nothing', { a: '1', b: '' }, { a: '1', b: '' }, {}, []],
  ['an id that is given later is no event', { a: '' }, { a: '1' }, {}, []],
  ['one comes, and the one above it is told', { a: '1' }, { a: '1', 'a.b': '2' }, {}, ['a', 'a.b']],
  ['one goes', { a: '1', b: '2' }, { a: '1' }, {}, ['b']],
  ['another of the same name', { a: '1' }, { a: '2' }, {}, ['a']],
  ['a new name', { a: '1' }, { b: '1' }, { b: 'a' }, []],
  ['what is below is not told', { a: '1', 'a.b': '2' }, { c: '1', 'c.b': '2' }, { c: 'a' }, []],
  ['nor is what has no id', { a: '1', 'a.b': '' }, { c: '1', 'c.b': '3' }, { c: 'a' }, []],
  ['one moved out of another', { a: '1', 'a.b': '2' }, { a: '1', b: '2' }, { b: 'a.b' }, []],
  ['two change places', { a: '1', b: '2' }, { a: '2', b: '1' }, {}, ['a', 'b']],
] as const
for (const [why, before, after, renamed, others] of cases)
  test(`nameChanges() - ${why}`, () => {
    const found = nameChanges(new Map(Object.entries(before)), new Map(Object.entries(after)))
    assert.deepEqual([Object.fromEntries(found.renamed), found.others], [renamed, others])
  })
