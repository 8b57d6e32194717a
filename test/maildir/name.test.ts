import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  isMessageName,
  maskOf,
  parseName,
  pathOf,
  safeHost,
  timeOf,
  uniqueName,
  withMask,
  withSizes,
} from '../../lib/maildir/name.js'

const names = [
  // file name                unique               flags  S          W          why
  ['17.M1P2.host', '17.M1P2.host', '', undefined, undefined, 'in new/: no info'],
  ['17.M1P2.host:2,SF', '17.M1P2.host', 'SF', undefined, undefined, 'letters as they stand'],
  ['17.M1P2.host,S=12,W=13:2,', '17.M1P2.host,S=12,W=13', '', 12, 13, 'both sizes'],
  ['17.M1P2.host,W=13,S=12:2,', '17.M1P2.host,W=13,S=12', '', 12, 13, 'in any order'],
  ['17.M1P2.host,S=12:2,Sab', '17.M1P2.host,S=12', 'Sab', 12, undefined, 'keyword letters'],
  ['17.host,S=12x:2,S', '17.host,S=12x', 'S', undefined, undefined, 'not a number'],
  ['17.host,S=:2,S', '17.host,S=', 'S', undefined, undefined, 'no digits'],
  ['17.host:2,S,X=1', '17.host', 'S', undefined, undefined, 'a further set is not flags'],
  ['17.host:1,S', '17.host', '', undefined, undefined, 'another kind of info'],
  ['17.host:2,S,S=12', '17.host', 'S', undefined, undefined, 'a size after ":" is none'],
  ['17.host,S=99999999999999999999', '17.host,S=99999999999999999999', '', undefined, undefined, 'too big'],
] as const
for (const [name, unique, flags, storedSize, size, why] of names)
  test(`parseName() ${name}: ${why}`, () =>
    assert.deepEqual(parseName(name), {
      unique,
      flags,
      ...(storedSize === undefined ? {} : { storedSize }),
      ...(size === undefined ? {} : { size }),
    }))

const renames = [
  ['17.host', 8, '17.host:2,S', 'from new/'],
  ['17.host:2,S', 0, '17.host:2,', 'the last flag goes'],
  ['17.host:2,', 31, '17.host:2,DFRST', 'ASCII order'],
  ['17.host:2,S', 8 | 32 | 64, '17.host:2,Sab', 'keywords after flags'],
  ['17.host:2,PSX', 2, '17.host:2,FPX', 'unknown letters are kept, in order'],
  ['17.host:2,S,X=1', 4, '17.host:2,T,X=1', 'a further set is kept'],
  ['17.host:1,zz', 8, '17.host:2,S', 'info of another kind gives way'],
] as const
for (const [name, mask, expected, why] of renames)
  test(`withMask() ${name} with ${mask}: ${why}`, () => assert.equal(withMask(name, mask), expected))

test('withMask() and maskOf() are inverse for every mask', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fffffff }), fc.stringMatching(/^[PQUVX]{0,3}$/), (mask, odd) => {
      const name = withMask(`1.M2P3.host:2,${odd}`, mask)
      assert.equal(maskOf(name), mask)
      assert.equal(withMask(name, 0), `1.M2P3.host:2,${[...odd].sort().join('')}`)
    }),
  )
})

test('timeOf() orders by seconds as numbers, then by microseconds', () => {
  const sorted = [
    '999999999.M1P1.h',
    '1000000000.M5P1.h',
    '1000000000.M10P1.h',
    '1000000000.M999999P1.h',
    '1000000001.h',
  ]
  const times = sorted.map(timeOf)
  assert.deepEqual(
    [...times].sort((a, b) => a - b),
    times,
  )
  assert.deepEqual(['x', '', '.M', 'a.Mb'].map(timeOf), [0, 0, 0, 0])
  assert.equal(timeOf('1700000000.M123456P7.h'), 1_700_000_000_123_456)
})

test('uniqueName() never repeats, and rises, also when the clock stands still or steps back', () => {
  const seen = [uniqueName(5e15), uniqueName(5e15), uniqueName(4e15), uniqueName(5e15)]
  assert.equal(new Set(seen).size, 4)
  assert.deepEqual(
    [...seen].map(timeOf).sort((a, b) => a - b),
    seen.map(timeOf),
  )
  assert.match(seen[0]!, /^5000000000\.M0P\d+\./)
})

test('safeHost() leaves nothing in a name that would end a part of it', () => {
  assert.equal(safeHost('a/b:c,d'), 'a\\057b\\072c\\054d')
  assert.equal(safeHost(''), 'localhost')
})

test('isMessageName() refuses dot files, names that are all info, and line ends', () => {
  assert.deepEqual(['1.a', '.a', ':2,S', 'a\nb', 'a\rb'].map(isMessageName), [
    true,
    false,
    false,
    false,
    false,
  ])
})

test('pathOf() keeps octets that are no UTF-8', () => {
  assert.equal(pathOf('/x', 'plain'), '/x/plain')
  assert.deepEqual(pathOf('/é', 'a\xff'), Buffer.concat([Buffer.from('/é/a'), Buffer.from([0xff])]))
})

test('withSizes() writes what parseName() reads', () => {
  const { storedSize, size } = parseName(withSizes('1.M2P3.h', 10, 12))
  assert.deepEqual([storedSize, size], [10, 12])
})
