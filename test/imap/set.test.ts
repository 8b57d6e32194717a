import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  countOf,
  formatRanges,
  formatSet,
  hasStar,
  inRanges,
  intersection,
  largest,
  largestNamed,
  lowerBound,
  parseSet,
  rangesOf,
  resolveSet,
  savedResult,
  spansOf,
  without,
} from '../../lib/imap/set.js'

const uids = fc.uniqueArray(fc.integer({ min: 1, max: 200 })).map(list => list.sort((a, b) => a - b))
const range = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 }))

const sets = [
  // text          max   resolved
  ['1', 9, '1'],
  ['1:3,5', 9, '1:3,5'],
  ['5,1:3', 9, '1:3,5'],
  ['3:1', 9, '1:3'],
  ['1:3,2:6,7', 9, '1:7'],
  ['*', 9, '9'],
  ['*:4', 9, '4:9'],
  ['5:*', 3, '3:5'],
  ['*', 0, ''],
  ['2:*', 0, '1:2'],
  ['1:4294967295', 9, '1:4294967295'],
] as const

for (const [text, max, resolved] of sets)
  test(`resolveSet() ${text} with ${max} as the largest is ${resolved || 'nothing'}`, () =>
    assert.equal(formatRanges(resolveSet(parseSet(text)!, max)), resolved))

for (const text of [
  '',
  '0',
  '01',
  '1:',
  ':1',
  '1,',
  ',1',
  '1::2',
  '1:2:3',
  '4294967296',
  '-1',
  '1 ',
  'a',
  '$1',
])
  test(`parseSet() refuses "${text}"`, () => assert.equal(parseSet(text), undefined))

test('$ is the saved result', () => assert.equal(parseSet('$'), savedResult))

test('without() and intersection() are what they say', () =>
  fc.assert(
    fc.property(fc.array(range), fc.array(range), uids, (a, b, list) => {
      const [one, other] = [resolveSet(a, 0), resolveSet(b, 0)]
      const left = without(one, list)
      const both = intersection(one, other)
      for (let number = 1; number <= 201; number++) {
        assert.equal(inRanges(left, number), inRanges(one, number) && !list.includes(number))
        assert.equal(inRanges(both, number), inRanges(one, number) && inRanges(other, number))
      }
    }),
  ))

test('hasStar() and largestNamed() tell what a set says', () => {
  assert.equal(hasStar(parseSet('1:*')!), true)
  assert.equal(hasStar(parseSet('1:3')!), false)
  assert.equal(largestNamed(parseSet('2:7,*')!), 7)
  assert.equal(largestNamed(parseSet('*')!), 0)
})

test('a set of numbers comes back as it was', () =>
  fc.assert(
    fc.property(uids, list => {
      if (list.length === 0) return
      const back = resolveSet(parseSet(formatSet(list))!, 0)
      assert.deepEqual(back, rangesOf(list))
      assert.equal(countOf(back), list.length)
    }),
  ))

test('resolved sets hold what their parts hold, in order and apart', () =>
  fc.assert(
    fc.property(fc.array(range, { minLength: 1 }), parts => {
      const ranges = resolveSet(parts, 0)
      for (let number = 1; number <= 201; number++)
        assert.equal(
          inRanges(ranges, number),
          parts.some(([a, b]) => Math.min(a, b) <= number && number <= Math.max(a, b)),
        )
      for (let i = 1; i < ranges.length; i++) assert.ok(ranges[i]![0] > ranges[i - 1]![1] + 1)
    }),
  ))

test('spansOf() finds the members of a list that a set holds', () =>
  fc.assert(
    fc.property(uids, fc.array(range, { minLength: 1 }), (list, parts) => {
      const ranges = resolveSet(parts, 0)
      const found = [...spansOf(ranges, list)].flatMap(([from, to]) => list.slice(from, to))
      assert.deepEqual(
        found,
        list.filter(uid => inRanges(ranges, uid)),
      )
    }),
  ))

test('spansOf() of everything is one span, however large the numbers', () =>
  assert.deepEqual([...spansOf([[1, largest]], [3, 4, largest])], [[0, 3]]))

test('lowerBound() finds the first that is not smaller', () => {
  assert.equal(lowerBound([2, 4, 6], 4), 1)
  assert.equal(lowerBound([2, 4, 6], 5), 2)
  assert.equal(lowerBound([2, 4, 6], 7), 3)
})
