/** Reading scripts: what is a token, what is a command, and all that is wrong at once. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileScript } from '../../lib/sieve/compile.js'
import { parse } from '../../lib/sieve/parser.js'
import { print } from '../../lib/sieve/print.js'
import { Problems } from '../../lib/sieve/problem.js'
import { defaultSettings } from '../../lib/sieve/settings.js'
import type { Argument, CommandNode, StringNode, TestNode } from '../../lib/sieve/syntax.js'

function errorsOf(text: string): string[] {
  const { errors } = compileScript({ name: 'test', text }, defaultSettings)
  return errors.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

/** Each: a script, and how each of its errors begins. */
const wrong: readonly (readonly [string, ...string[]])[] = [
  ['keep;'],
  ['\ufeffkeep;'],
  ['KEEP; StOp;'],
  ['keep', '1:5 expected ; or a block after keep, found the end of the script'],
  ['keep;;', '1:6 expected a command, found ";"'],
  ['"abc";', '1:1 expected a command, found a string'],
  ['keep }', '1:6 expected ; or a block after keep, found "}"', '1:6 this } closes nothing'],
  ['if true {', '1:9 this block has no end'],
  ['if true { keep', '1:9 this block has no end', '1:15 expected ; or a block after keep'],
  ['/* keep;', '1:1 this comment has no end'],
  ['redirect "a@b.example', '1:10 this string has no end'],
  ['redirect text:\nabc\n', '1:10 this text has no end'],
  [
    'redirect text: abc\n.\n;',
    '1:10 text: must be followed by the end of the line',
    '2:1 "." has no meaning',
  ],
  ['size :over 10KB;', '1:1 attempted to use test', '1:12 10KB is no number'],
  ['if size :over 99999999999999999999 {}', '1:15 the number 99999999999999999999 is too large'],
  ['keep $$$;', '1:6 "$$$" has no meaning'],
  ['redirect "a\0b@c.example";', '1:10 a string may not hold a NUL', '1:10 the redirect command:'],
  ['require ["fileinto" "copy"];', '1:21 expected , or ] in the list of strings, found a string'],
  ['require [];', '1:10 expected a string in the list, found "]"'],
  ['require ["a",];', '1:14 expected a string in the list, found "]"'],
  ['if anyof(true,) {}', '1:15 expected a test, found ")"'],
  ['if true, false {}', '1:8 expected ; or a block after if, found ","'],
  ['else {}', '1:1 else must follow if or elsif'],
  ['if true {} keep; elsif true {}', '1:18 elsif must follow if or elsif'],
  ['if true {} else {} else {}', '1:20 else must follow if or elsif'],
  ['if true keep;', '1:1 the if command requires a block', '1:9 missing semicolon after the true test'],
  ['keep {}', '1:1 the keep command takes no block'],
  ['if keep {}', "1:4 attempted to use command 'keep' as test"],
  ['true;', "1:1 attempted to use test 'true' as command"],
  ['frobnicate "x";', "1:1 unknown command 'frobnicate'"],
  ['if frobnicate "x" {}', "1:4 unknown test 'frobnicate'"],
  ['fileinto "x";', '1:1 the command \'fileinto\' needs require "fileinto"'],
  ['keep; require "fileinto";', '1:7 require must stand before all other commands'],
  ['if true { require "fileinto"; }', '1:11 require must stand before all other commands'],
  ['require "no-such-thing";', '1:9 require: there is no extension "no-such-thing"'],
  ['keep "x";', '1:6 the keep command takes no positional argument(s)'],
  ['redirect;', '1:1 the redirect command requires 1 positional argument(s), but 0 is/are specified'],
  [
    'redirect 5;',
    '1:10 the redirect command expects a string as argument 1 (address), but a number was found',
  ],
  ['redirect ["a@b.example"];', '1:10 the redirect command expects a string'],
  [
    'redirect :copy "a@b.example";',
    '1:10 the tagged argument \':copy\' of the redirect command needs require "copy"',
  ],
  ['if header :nonsense "a" "b" {}', "1:11 unknown tagged argument ':nonsense' for the header test"],
  ['if header :is :contains "a" "b" {}', "1:15 unexpected second match type ':contains'"],
  ['if header :is :is "a" "b" {}', "1:15 ':is' is given twice"],
  ['if header "a" :is "b" {}', "1:15 unexpected tagged argument ':is' while expecting"],
  ['if header :comparator "a" "b" {}', '1:4 the header test requires 2 positional'],
  ['if header :comparator :is "a" "b" {}', '1:11 the :comparator tag of the header test needs a string'],
  ['if header :comparator "i;x" "a" "b" {}', '1:11 there is no comparator "i;x"'],
  [
    'if header :comparator "i;ascii-numeric" "a" "b" {}',
    '1:11 the comparator "i;ascii-numeric" needs require',
  ],
  [
    'if header 1 2 {}',
    '1:11 the header test expects a string list',
    '1:13 the header test expects a string list',
  ],
  [
    'if address "subject" "x" {}',
    "1:12 the address test: the header field 'subject' is not allowed for the address test",
  ],
  ['if size 5 {}', '1:4 the size test needs :over or :under'],
  ['if size :over :under 5 {}', "1:15 unexpected second limit ':under'"],
  ['if not (true) {}', '1:4 the not test requires one test, but a list'],
  ['if anyof true {}', '1:4 the anyof test requires a list of tests'],
  ['require "envelope"; if envelope "nothing" "x" {}', "1:33 the envelope has no part 'nothing'"],
  // What the author forgot is guessed.
  ['require "fileinto"; fileinto "frop"\nkeep;', '2:1 missing semicolon after the fileinto command'],
  ['require "fileinto"; fileinto "frup"\ntrue;', '2:1 the fileinto command accepts no sub-tests'],
  [
    'if address matches "from" "*frop*" { stop; }',
    '1:4 the address test requires 2',
    "1:12 missing colon before the 'matches' tag",
  ],
]

for (const [script, ...expected] of wrong)
  test(`errors of ${JSON.stringify(script)}`, () => {
    const found = errorsOf(script)
    assert.equal(found.length, expected.length, found.join('\n'))
    for (const [i, beginning] of expected.entries())
      assert.ok(found[i]?.startsWith(beginning), `${found[i]} begins with ${beginning}`)
  })

test('all errors are told, in the order of the script, whichever pass found them', () => {
  const lines = errorsOf('foo;\nkeep $;\nredirect "x";\nif true { bar; }\n/*').map(
    error => error.split(':')[0],
  )
  assert.deepEqual(lines, ['1', '2', '3', '4', '5'])
})

test('a require that cannot be read does not make every word unknown', () => {
  assert.deepEqual(errorsOf('require ["fileinto" "copy"];\nfileinto :copy "x";').length, 1)
})

test('RFC 5228 §2.10.7: fifteen levels of blocks and of test lists, and no end of them is an error', () => {
  const blocks = (count: number) => 'if true {'.repeat(count) + '}'.repeat(count)
  const tests = (count: number) => `if ${'anyof('.repeat(count)}true${')'.repeat(count)} {}`
  for (const make of [blocks, tests]) {
    assert.deepEqual(errorsOf(make(15)), [])
    assert.equal(errorsOf(make(40)).length, 1)
    assert.ok(errorsOf(make(100_000)).length > 0)
  }
})

test('RFC 5228 §2.4.1: numbers from 0 to 2147483647, and sizes of quantifiers', () => {
  for (const number of ['0', '2147483647', '1k', '1K', '2M', '1G', '0099'])
    assert.deepEqual(errorsOf(`if size :over ${number} {}`), [])
})

const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,10}$/).filter(text => text !== 'text')
const at = fc.constant({ line: 1, column: 1 })
const value = fc.string({ unit: 'grapheme' }).map(text =>
  text
    .replaceAll('\0', '')
    .replace(/\r?\n/g, '\r\n')
    .replace(/\r(?!\n)/g, ''),
)
const string: fc.Arbitrary<StringNode> = fc.oneof(
  fc.record({ kind: fc.constant('string' as const), value, multiline: fc.constant(false), at }),
  fc.record({
    kind: fc.constant('string' as const),
    value: fc.array(value).map(lines => lines.map(line => `${line.replaceAll('\r\n', '')}\r\n`).join('')),
    multiline: fc.constant(true),
    at,
  }),
)
const argument: fc.Arbitrary<Argument> = fc.oneof(
  string,
  fc.record({ kind: fc.constant('number' as const), value: fc.nat(), at }),
  fc.record({ kind: fc.constant('tag' as const), name, at }),
  fc.record({
    kind: fc.constant('list' as const),
    values: fc.array(string, { minLength: 1, maxLength: 4 }),
    at,
  }),
)
const { commands } = fc.letrec<{ test: TestNode; command: CommandNode; commands: CommandNode[] }>(tie => ({
  test: fc
    .record({
      name,
      args: fc.array(argument, { maxLength: 4 }),
      tests: fc.oneof({ maxDepth: 3 }, fc.constant([]), fc.array(tie('test'), { maxLength: 3 })),
      listed: fc.boolean(),
      at,
    })
    .map(node => ({ ...node, listed: node.tests.length > 1 || (node.listed && node.tests.length > 0) })),
  command: fc
    .tuple(tie('test'), fc.oneof({ maxDepth: 3 }, fc.constant(undefined), tie('commands')))
    .map(([node, block]) => ({ ...node, block, broken: false })),
  commands: fc.array(tie('command'), { maxLength: 4 }),
}))

/** A script without its places. */
function shape(commands: readonly CommandNode[]): unknown {
  return JSON.parse(JSON.stringify(commands, (key, value) => (key === 'at' ? undefined : value)))
}

test('what is printed parses to the same script', () => {
  fc.assert(
    fc.property(commands, script => {
      const problems = new Problems('test')
      const again = parse(print(script), problems)
      assert.deepEqual(problems.errors, [])
      assert.deepEqual(shape(again), shape(script))
    }),
  )
})

test('no text makes the parser fail, and what it cannot read it says', () => {
  const pieces = fc.constantFrom(
    ...[
      'keep',
      ';',
      '{',
      '}',
      '(',
      ')',
      '[',
      ']',
      ',',
      '"',
      '\\',
      'text:',
      '\n',
      '.',
      ':tag',
      '5K',
      '#',
      '/*',
      '*/',
    ],
    ...['if', 'require', 'true', 'anyof', ' ', '\r\n', 'x', '${a}', '\0', '\ud800', 'é'],
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), words => {
      const { errors } = compileScript({ name: 'test', text: words.join('') }, defaultSettings)
      for (const { line, column, message } of errors)
        assert.ok(line >= 1 && column >= 1 && message.length > 0)
    }),
  )
})

for (const [what, piece] of [
  ['braces', '} '],
  ['commands', 'l} '],
  ['garbage', '; '],
] as const)
  test(`a script of nothing but wrong ${what} is given up, not read to its end`, () => {
    const problems = new Problems('test')
    const commands = parse(piece.repeat(300_000), problems)
    assert.equal(problems.count, 1_000)
    assert.ok(commands.length <= 1_000)
  })
