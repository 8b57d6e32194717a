import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareNames, parentsOf, patternTest } from '../../lib/imap/pattern.js'

const cases = [
  // pattern  name        matches
  ['*', 'a.b', true],
  ['%', 'a.b', false],
  ['%', 'ab', true],
  ['a.%', 'a.b', true],
  ['a.%', 'a.b.c', false],
  ['a.*', 'a.b.c', true],
  ['%.%', 'a.b', true],
  ['*b', 'a.b', true],
  ['*b*', 'a.bc', true],
  ['a%', 'a', true],
  ['', 'a', false],
  ['inbox', 'INBOX', true],
  ['In%', 'INBOX', true],
  ['inbox.%', 'INBOX.a', true],
  ['inboxes', 'INBOXES', false],
  ['a', 'A', false],
  ['%*%', 'a.b.c', true],
  ['일*', '일본', true],
] as const

for (const [pattern, name, expected] of cases)
  test(`"${pattern}" ${expected ? 'matches' : 'does not match'} "${name}"`, () =>
    assert.equal(patternTest(pattern)(name), expected))

test('patterns mean what the same regular expression means', () =>
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '%'), maxLength: 8 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 }),
      (pattern, name) => {
        const source = pattern.replace(/[.*%]/g, char =>
          char === '.' ? '\\.' : char === '*' ? '.*' : '[^.]*',
        )
        assert.equal(patternTest(pattern)(name), new RegExp(`^${source}$`).test(name))
      },
    ),
  ))

test('a pattern of nothing but wildcards and near misses is decided', () => {
  const name = 'a'.repeat(250)
  assert.equal(patternTest(`${'*a%a'.repeat(100)}b`)(name), false)
  assert.equal(patternTest('*'.repeat(100_000))(name), false)
})

test('parentsOf() names every level above', () => {
  assert.deepEqual(parentsOf('a.b.c'), ['a', 'a.b'])
  assert.deepEqual(parentsOf('a'), [])
})

test('INBOX comes first, and a mailbox before those below it', () =>
  assert.deepEqual(['b', 'a.c', 'a b', 'INBOX', 'a', 'INBOX.x'].sort(compareNames), [
    'INBOX',
    'INBOX.x',
    'a',
    'a.c',
    'a b',
    'b',
  ]))
