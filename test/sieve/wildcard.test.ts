/** The patterns of `:matches`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchWildcard, parseWildcard } from '../../lib/sieve/wildcard.js'

function match(pattern: string, text: string): string[] | undefined {
  const value = [...text]
  return matchWildcard(parseWildcard(pattern), value, () => {})?.map(([start, end]) =>
    value.slice(start, end).join(''),
  )
}

const table: readonly (readonly [pattern: string, text: string, wildcards: readonly string[] | undefined])[] =
  [
    ['', '', []],
    ['', 'x', undefined],
    ['*', '', ['']],
    ['?', '', undefined],
    ['?', '😀', ['😀']],
    ['*<*@*', 'Knitting <list@example.com>', ['Knitting ', 'list', 'example.com>']],
    ['coyote@**.com', 'coyote@ACME.Example.com', ['', 'ACME.Example']],
    ['?*frop*', 'frop.......frop.........frop....', ['f', 'rop.......', '.........frop....']],
    ['*?op*', 'klopfropstroptop', ['k', 'l', 'fropstroptop']],
    ['*?op', 'klopfropstroptop', ['klopfropstrop', 't']],
    ['*fr??*top', 'klopfropstroptop', ['klop', 'o', 'p', 'strop']],
    ['a\\*b', 'a*b', []],
    ['a\\*b', 'axb', undefined],
    ['\\?\\\\', '?\\', []],
    ['a\\', 'a\\', []],
    ['\\x', 'x', []],
    ['*ab*ab', 'ab', undefined],
    ['*ab*ab', 'abab', ['', '']],
  ]

for (const [pattern, text, wildcards] of table)
  test(`"${pattern}" on "${text}"`, () => assert.deepEqual(match(pattern, text), wildcards))

test('what matches is the text with the wildcards put back', () => {
  const pieces = fc.array(fc.constantFrom('*', '?', 'a', 'b', 'ab'), { maxLength: 8 })
  fc.assert(
    fc.property(pieces, fc.stringMatching(/^[ab]{0,12}$/), (words, text) => {
      const found = match(words.join(''), text)
      const expression = words.map(word => (word === '*' ? '.*' : word === '?' ? '.' : word)).join('')
      assert.equal(found !== undefined, new RegExp(`^${expression}$`).test(text))
      if (!found) return
      let next = 0
      assert.equal(words.map(word => (word === '*' || word === '?' ? found[next++] : word)).join(''), text)
    }),
  )
})

test('many stars cost no more than length times length', () => {
  let work = 0
  matchWildcard(parseWildcard(`${'*a'.repeat(100)}b`), [...'a'.repeat(5000)], count => {
    work += count
  })
  assert.ok(work <= 5000 * 201, String(work))
})
