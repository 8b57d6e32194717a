/** Regular expressions: POSIX's meaning, in linear time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchRegex } from '../../lib/sieve/regex/match.js'
import { compileRegex } from '../../lib/sieve/regex/program.js'
import { RegexError } from '../../lib/sieve/regex/syntax.js'

function find(pattern: string, text: string, ignoreCase = false): string[] | undefined {
  const found = matchRegex(compileRegex(pattern, ignoreCase), text, true, () => {})
  return (
    found &&
    Array.from({ length: found.length / 2 }, (_, i) =>
      text.slice(Math.max(found[i * 2] ?? 0, 0), Math.max(found[i * 2 + 1] ?? 0, 0)),
    )
  )
}

const table: readonly (readonly [pattern: string, text: string, ...groups: string[]])[] = [
  ['abc', 'xabcx', 'abc'],
  ['^abc$', 'abc', 'abc'],
  ['^b', 'abc'],
  ['a.c', 'a\nc', 'a\nc'],
  ['a|b|cd', 'cd', 'cd'],
  ['(a|ab)(c|bcd)', 'abcd', 'abcd', 'a', 'bcd'],
  ['a*', 'aaa', 'aaa'],
  ['a+?', 'aaa', 'aaa'],
  ['(a)|b', 'b', 'b', ''],
  ['a{2,3}', 'aaaa', 'aaa'],
  ['a{2}', 'a'],
  ['a{,2}b', 'aaab', 'aab'],
  ['(ab){2,}', 'ababab', 'ababab', 'ab'],
  ['[a-c]+', 'xxabcd', 'abc'],
  ['[^a-c]+', 'abxyc', 'xy'],
  ['[]a]+', 'x]a]', ']a]'],
  ['[^]a]+', ']xy]', 'xy'],
  ['[a-]+', '-a-', '-a-'],
  ['[[:digit:][:upper:]]+', 'ab12CDe', '12CD'],
  ['[[=a=]]', 'a', 'a'],
  ['[[.-.]]', 'x-', '-'],
  ['[\\]', 'a\\', '\\'],
  ['\\.\\*', 'x.*', '.*'],
  ['\\bfoo\\b', 'a foo b', 'foo'],
  ['\\bfoo\\b', 'afoob'],
  ['\\Boo', 'foo', 'oo'],
  ['\\s\\S', 'a b', ' b'],
  ['*a', 'a', 'a'],
  ['()', 'x', '', ''],
  ['(|a)b', 'ab', 'ab', 'a'],
  ['x*', 'aaa', ''],
  ['서울', '나는 서울', '서울'],
  ['^.{2}$', '😀😀', '😀😀'],
  ['^[😀-😂]$', '😁', '😁'],
]

for (const [pattern, text, ...groups] of table)
  test(`/${pattern}/ in ${JSON.stringify(text)}`, () => assert.deepEqual(find(pattern, text) ?? [], groups))

test('a-z and A-Z are the same letters where asked, others are not', () => {
  assert.deepEqual(find('É[a-f]', 'ÉA', true), ['ÉA'])
  assert.equal(find('é', 'É', true), undefined)
})

for (const pattern of [
  '(',
  ')',
  'a)',
  '[',
  '[a',
  '[b-a]',
  '[[:nothing:]]',
  '[[.ab.]]',
  'a{2',
  'a{2,1}',
  'a{1001}',
  '{1}',
  '\\',
  '(a)\\1',
  '(((((a{1000}){1000}){1000}){1000}){1000})',
  'a{0}{1000}{1000}{1000}{1000}',
  '('.repeat(200),
  `a${'*'.repeat(1000)}`,
])
  test(`/${pattern.slice(0, 40)}/ is no expression`, () =>
    assert.throws(() => compileRegex(pattern, false), RegexError))

test('hostile patterns cost no more than length times length', () => {
  for (const pattern of [
    '(a+)+$',
    '(a|a)*$',
    '(a*)*b',
    '(.*)(.*)(.*)(.*)(.*)x',
    '(a?){50}a{50}',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
  ]) {
    let steps = 0
    const program = compileRegex(pattern, false)
    const text = 'a'.repeat(2000)
    matchRegex(program, text, true, count => {
      steps += count
    })
    assert.ok(steps <= (text.length + 1) * (program.instructions.length + 1), `${pattern}: ${steps}`)
  }
})

/** Patterns that JavaScript reads alike, without what POSIX sees otherwise (alternatives of several lengths). */
const atom = fc.constantFrom(
  'a',
  'b',
  'c',
  '.',
  '[ab]',
  '[^a]',
  'a?',
  'b*',
  '(a)',
  '(bc)*',
  'c+',
  'a{1,2}',
  '^',
  '$',
)

test('random patterns match where JavaScript says they do', () => {
  fc.assert(
    fc.property(
      fc.array(atom, { minLength: 1, maxLength: 6 }),
      fc.stringMatching(/^[abc]{0,12}$/),
      (atoms, text) => {
        const pattern = atoms.join('')
        const ours = find(pattern, text)?.[0]
        const theirs = new RegExp(pattern, 's').exec(text)
        assert.equal(ours !== undefined, theirs !== null, pattern)
        if (ours !== undefined && theirs)
          assert.ok(ours.length >= theirs[0].length, `${pattern}: the longest`)
      },
    ),
  )
})

test('no pattern makes the engine throw anything but a RegexError', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'ab()[]{}*+?|^$.\\-:=,12'), maxLength: 30 }),
      pattern => {
        try {
          find(pattern, 'aabbab')
        } catch (error) {
          assert.ok(error instanceof RegexError, String(error))
        }
      },
    ),
  )
})

test('letters that come again share what is known of them', () => {
  const { instructions } = compileRegex('4294967296'.repeat(400), true)
  const known = new Set(instructions.map(each => (each.op === 'set' ? each.has : undefined)))
  assert.equal(known.size, 6)
})
