/** No script and no message makes the engine fail, hang or lose mail. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { registry, withSetting } from '../../lib/sieve/registry.js'
import { defaultSettings } from '../../lib/sieve/settings.js'
import { describe, run } from './cases.js'

const message =
  'From: a@b.example\nTo: c@d.example\nSubject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\nbody\n'

test('work has an end, and what has none is an error that keeps the message', () => {
  const slow = `require ["variables", "regex", "fileinto"]; set "a" "${'a'.repeat(1000)}"; fileinto "before";
    ${'if string :regex "${a}${a}${a}${a}" "^(([a-z])+.)+[A-Z]([a-z])+$" { discard; }\n'.repeat(200)}`
  const outcome = run(slow, message, { settings: withSetting(defaultSettings, 'max_work', '1000000') })
  assert.equal(outcome.status, 'runtime-error')
  assert.match(outcome.errors[0]?.message ?? '', /more work than one message may cost/)
  assert.deepEqual([outcome.implicitKeep, outcome.actions], [true, []])
})

test('variables cannot grow without end', () => {
  const doubling = `require "variables"; set "a" "0123456789abcdef"; ${'set "a" "${a}${a}";'.repeat(64)}`
  assert.equal(run(doubling, message).status, 'ok')
  const wide = `require ["variables", "fileinto"]; set "a" "${'x'.repeat(60_000)}"; fileinto "${'${a}'.repeat(1000)}";`
  assert.match(run(wide, message).errors[0]?.message ?? '', /a string grew too long/)
})

test('RFC 5229 §6: a value is cut where it is too long, never within a character', () => {
  const settings = withSetting(defaultSettings, 'variables_max_variable_size', '10')
  const script =
    'require ["variables", "fileinto"]; set "a" "123456789\u4e03"; fileinto "${a}"; set "b" "12345678\u00e9x"; fileinto "${b}"; set :quotewildcard "c" "1****************"; fileinto "${c}";'
  assert.equal(
    describe(run(script, message, { settings })),
    'store 123456789, store 12345678\u00e9, store 1\\*\\*\\*\\*',
  )
})

test('RFC 5229 §6: 128 variables, and an error where they are too many', () => {
  const script = (count: number) =>
    `require "variables"; ${Array.from({ length: count }, (_, i) => `set "v${i}" "x";`).join('')}`
  assert.deepEqual(run(script(128), message).errors, [])
  assert.equal(run(script(400), message).status, 'compile-error')
})

test('a script that is too large is not even read', () => {
  const settings = withSetting(defaultSettings, 'max_script_size', '100')
  assert.equal(run(`keep;${' '.repeat(200)}`, message, { settings }).status, 'compile-error')
})

test('RFC 5703 §3: loops in loops have an end, in included scripts too', () => {
  const loop = 'require ["foreverypart", "include"]; foreverypart { foreverypart { include "again"; } }'
  const again = 'require "foreverypart"; foreverypart { foreverypart { foreverypart { keep; } } }'
  const nested =
    'Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: multipart/mixed; boundary=d\n\n--d\n\nx\n--d--\n--c--\n--b--\n--a--\n'
  const outcome = run(loop, nested, { include: () => ({ name: 'again', text: again }) })
  assert.match(outcome.errors[0]?.message ?? '', /more than 4 deep/)
})

test('an error in a later script leaves what an earlier one did', () => {
  const first = 'require ["fileinto", "copy"]; fileinto :copy "first";'
  const second = 'require ["fileinto", "ihave"]; fileinto "second"; error "no";'
  const outcome = run([first, second], message)
  assert.equal(outcome.status, 'runtime-error')
  assert.deepEqual([outcome.implicitKeep, outcome.actions.length], [true, 1])
})

test('after each script the next runs only if the message is still to be kept', () => {
  const cases = [
    [['keep;', 'require "fileinto"; fileinto "a";'], 'store a'],
    [['require "fileinto"; fileinto "a";', 'discard;'], 'store a'],
    [['require ["fileinto", "copy"]; fileinto :copy "a";', 'discard;'], 'store a, discard'],
    [['discard;', 'keep;'], 'discard'],
    [['require "imap4flags"; addflag "x";', 'require "fileinto"; fileinto "a";'], 'store a (x)'],
    [['require "imap4flags"; keep :flags "x";', 'stop;'], 'implicit keep'],
    [['keep;', 'keep;'], 'store INBOX'],
    [['require "vacation"; vacation "a";', 'require "vacation"; vacation "b";'], 'vacation, implicit keep'],
    [['require "vacation"; vacation "a";', 'require "reject"; reject "b";'], 'vacation'],
    [['nonsense', 'discard;'], 'error'],
    [[], 'implicit keep'],
  ] as const
  for (const [scripts, expected] of cases)
    assert.equal(describe(run(scripts, message)), expected, String(scripts))
})

const words = [
  ...registry
    .offered({ ...defaultSettings, programs: true })
    .flatMap(({ commands = [], tests = [] }) => [...commands, ...tests].map(({ name }) => name)),
  ...(registry.core.commands ?? []).map(({ name }) => name),
  ...(registry.core.tests ?? []).map(({ name }) => name),
]
const tags = [
  ':is',
  ':contains',
  ':matches',
  ':regex',
  ':count "gt"',
  ':value "le"',
  ':all',
  ':localpart',
  ':comparator "i;octet"',
  ':index 1',
  ':last',
  ':mime',
  ':anychild',
  ':flags "a"',
  ':copy',
  ':create',
  ':over',
  ':under',
  ':originalzone',
  ':content "text"',
  ':raw',
  ':subject "s"',
  ':days 1',
  ':handle "h"',
  ':list',
]
const values = [
  '"subject"',
  '"to"',
  '"from"',
  '"*a*"',
  '"(a|b)*"',
  '""',
  '["from", "to"]',
  '["a", "${1}", "${v}"]',
  '"mailto:a@b.example"',
  '"a@b.example"',
  '"i;octet"',
  '5',
  '1K',
  '"date"',
  '"year"',
  '"\\\\Seen"',
  '"INBOX"',
  '"v"',
]

/** Sentences of the language, most of them nonsense. */
const { script } = fc.letrec<{ test: string; command: string; script: string }>(tie => ({
  test: fc
    .tuple(
      fc.constantFrom(...words),
      fc.array(fc.constantFrom(...tags), { maxLength: 2 }),
      fc.array(fc.constantFrom(...values), { maxLength: 3 }),
      fc.oneof(
        { maxDepth: 2 },
        fc.constant(''),
        tie('test'),
        fc.array(tie('test'), { minLength: 1, maxLength: 2 }).map(all => `(${all.join(', ')})`),
      ),
    )
    .map(([name, ...rest]) => [name, ...rest.flat()].join(' ')),
  command: fc
    .tuple(
      tie('test'),
      fc.oneof(
        { maxDepth: 2 },
        fc.constant(';'),
        tie('script').map(text => `{ ${text} }`),
      ),
    )
    .map(parts => parts.join(' ')),
  script: fc.array(tie('command'), { maxLength: 5 }).map(all => all.join('\n')),
}))

const settings = { ...withSetting(defaultSettings, 'max_work', '2000000'), programs: true }
const everything = `require [${registry
  .offered(settings)
  .map(({ name }) => `"${name}"`)
  .join(', ')}];\n`

test('scripts of any words come to an outcome', () => {
  fc.assert(
    fc.property(script, text => {
      const outcome = run(everything + text, message, { settings })
      assert.doesNotMatch(outcome.errors.map(({ message }) => message).join(), /internal error/)
      if (outcome.status !== 'ok') assert.ok(outcome.implicitKeep)
    }),
    { numRuns: 1500 },
  )
})

/** Commands that are right, in any order. */
const right = [
  'keep;', 'discard;', 'fileinto "${v}x";', 'fileinto :copy :create :flags "a b" "${1}y";', 'redirect "a@b.example";',
  'set "v" "${v}${0}a";', 'set :upper :length "v" "${v}";', 'addflag "${v}";', 'setflag ["\\\\Seen", "x"];', 'removeflag "v" "a";',
  'if header :matches "subject" "*a*" { set "v" "${2}"; }', 'if header :regex ["subject", "from"] "(a+)(.*)" { set "v" "${1}"; }',
  'if address :domain :contains ["from", "to"] "example" { addheader "X-A" "${v}"; }', 'addheader :last "X-B" "b";', 'deleteheader "X-A";',
  'deleteheader :index 1 :last :contains "Subject" "a";', 'if body :text :contains "body" { set "v" "body"; }', 'replace "${v}";', 'enclose :subject "s" "t";',
  'foreverypart { extracttext "v"; if header :mime :type "content-type" "text" { break; } }', 'foreverypart { replace "${v}"; }',
  'if date :zone "+0100" "date" "year" "2026" { stop; }', 'if size :over 100 { keep; }', 'if not exists "x-a" { vacation "${v}"; }', 'reject "${v}";',
  'notify "mailto:a@b.example";', 'if hasflag :count "gt" "1" { keep :flags "${v}"; }', 'if string :value "ge" "${v}" "b" { set "v" "b"; }', 'if duplicate { discard; }',
] // biome-ignore format: a list

const octets = fc.oneof(
  fc.constant(Buffer.from(message)),
  fc.uint8Array({ maxLength: 300 }).map(octets => Buffer.from(octets)),
  fc
    .array(
      fc.constantFrom(
        'Subject: a\n',
        'From: <a@b',
        'Content-Type: multipart/mixed; boundary=x\n',
        '\n',
        '--x\n',
        '--x--',
        '\r\n',
        ' fold\n',
        'Date: 1 Jan 2026\n',
        '\xff\0',
        'To: a@b.example,\n',
      ),
      { maxLength: 30 },
    )
    .map(lines => Buffer.from(lines.join(''), 'latin1')),
)

test('right scripts over any octets come to an outcome, and lose nothing silently', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...right), { maxLength: 12 }), octets, (commands, input) => {
      const outcome = run(everything + commands.join('\n'), input.toString('latin1'), { settings })
      assert.notEqual(outcome.status, 'compile-error', JSON.stringify(outcome.errors))
      assert.doesNotMatch(outcome.errors.map(({ message }) => message).join(), /internal error/)
      const kept =
        outcome.implicitKeep || outcome.actions.some(({ type }) => type !== 'vacation' && type !== 'notify')
      assert.ok(kept, 'kept, stored, sent on, refused or thrown away on purpose')
    }),
    { numRuns: 1500 },
  )
})
