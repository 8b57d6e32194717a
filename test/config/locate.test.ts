import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { locate, type Path } from '../../lib/config/locate.js'

const text = `# a comment with key = 1
a = 1
b.c = "x # no comment"   # a comment
list = [
  "one", # a comment, with ] in it
  "two",
  { k = 1, l = { m = 2 } },
]
long = """
[no.table]
nokey = 1 \\""" still in
"""
after = '''x'''''
[t]
"quoted key" = 1
'literal.key' = 2
"\\u0061b" = 3
[t.sub.deep]
z = 1
[[many]]
z = 1
[many.inner]
z = 1
[[many.items]]
q = 1
[[many]]
z = 2
[[many.items]]
q = 2
[[many.items]]
q = 3
`
const cases: readonly (readonly [Path, number | undefined])[] = [
  [['a'], 2],
  [['b', 'c'], 3],
  [['list'], 4],
  [['list', 0], 5],
  [['list', 1], 6],
  [['list', 2, 'k'], 7],
  [['list', 2, 'l', 'm'], 7],
  [['long'], 9],
  [['after'], 13],
  [['t'], 14],
  [['t', 'quoted key'], 15],
  [['t', 'literal.key'], 16],
  [['t', 'ab'], 17],
  [['t', 'missing'], 14],
  [['t', 'sub', 'deep', 'z'], 19],
  [['many', 0, 'z'], 21],
  [['many', 0, 'inner', 'z'], 23],
  [['many', 0, 'items', 0, 'q'], 25],
  [['many', 1, 'z'], 27],
  [['many', 1], 26],
  [['many', 1, 'items', 1, 'q'], 31],
  [['many', 1, 'items', 1, 'missing'], 30],
  [['missing'], undefined],
  [['nokey'], undefined],
]
test('the text of the cases is TOML', () => assert.doesNotThrow(() => parse(text)))
for (const [path, line] of cases)
  test(`locate() ${path.join('.')}`, () => assert.equal(locate(text)(path), line))

test('locate() finds every key of any document in the line where it stands', () => {
  const key = fc.oneof(
    fc.stringMatching(/^[a-z_-]{1,5}$/),
    fc.string({ maxLength: 4 }).filter(text => text !== '__proto__'),
  )
  const { value } = fc.letrec<{ value: unknown }>(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer(),
      fc.boolean(),
      fc.string({ unit: 'binary' }),
      fc.array(fc.integer(), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3 }),
      fc.array(fc.dictionary(key, tie('value'), { maxKeys: 3 }), { maxLength: 3 }),
    ),
  }))
  fc.assert(
    fc.property(fc.dictionary(key, value, { maxKeys: 4 }), document => {
      const text = stringify(document)
      const lines = text.split('\n')
      const lineOf = locate(text)
      const visit = (value: unknown, path: Path) => {
        if (typeof value !== 'object' || value === null) return
        for (const [name, each] of Object.entries(value)) {
          const step = Array.isArray(value) ? Number(name) : name
          const line = lineOf([...path, step])
          assert.ok(line !== undefined, `${JSON.stringify([...path, step])} is nowhere`)
          const shown = lines[line - 1] ?? ''
          if (typeof step === 'string' && /^[\w-]+$/.test(step)) assert.ok(shown.includes(step), shown)
          visit(each, [...path, step])
        }
      }
      visit(parse(text), [])
    }),
  )
})
