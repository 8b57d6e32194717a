/** Scripts within scripts: RFC 6609. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '../../lib/sieve/context.js'
import { contextOf, describe, run } from './cases.js'

/** Scripts by `personal/NAME` and `global/NAME`. */
function library(scripts: Readonly<Record<string, string>>): Partial<Context> {
  return {
    include: (location, name) => {
      const text = scripts[`${location}/${name}`]
      return text === undefined ? undefined : { name: `${location}/${name}`, text }
    },
  }
}

const message = 'From: boss@example.com\nSubject: Make money\n\nx\n'

/** A script, the scripts it includes, and what comes of it; `error: …` is how the error begins. */
const table: readonly (readonly [
  what: string,
  script: string,
  scripts: Record<string, string>,
  expected: string,
])[] = [
  [
    'RFC 6609 §3.2: several, of both places',
    'require ["include"]; include :personal "always_allow"; include :global "spam_tests"; include :personal "spam_tests";',
    {
      'personal/always_allow':
        'if address :is "from" "boss@example.com" { keep; } elsif address :is "from" "ceo@example.com" { keep; }',
      'global/spam_tests':
        'require "fileinto"; if header :contains "Subject" "Make money" { fileinto "global"; }',
      'personal/spam_tests': 'require "fileinto"; fileinto "personal";',
    },
    'store INBOX, store global, store personal',
  ],
  [
    'RFC 6609 §3.4.1: global variables are shared, others are not',
    `require ["fileinto", "include", "variables", "relational"];
     global "test"; global "test_mailbox";
     set "test" "$$"; set "mine" "outer"; include "subject_tests";
     set "test" "Make money"; include "subject_tests";
     if string :count "eq" "\${test_mailbox}" "1" { fileinto "\${test_mailbox} \${mine}"; stop; }`,
    {
      'personal/subject_tests': `require ["include", "variables"]; global ["test", "test_mailbox"]; set "mine" "inner";
        if header :contains "Subject" "\${test}" { set "test_mailbox" "spam-\${test}"; }`,
    },
    'store spam-Make money outer',
  ],
  [
    'RFC 6609 §3.4.2: the namespace global names the same variables',
    `require ["variables", "include", "fileinto"]; global "a"; set "global.a" "1"; include "s"; fileinto "\${a}\${global.b}";`,
    { 'personal/s': 'require ["variables", "include"]; set "global.b" "${global.a}2";' },
    'store 112',
  ],
  [
    'RFC 6609 §3.3: return ends the included script, stop ends all',
    'require ["include", "fileinto"]; include "r"; fileinto "after return"; include "s"; fileinto "after stop";',
    {
      'personal/r': 'require ["include", "fileinto"]; fileinto "r"; return; fileinto "no";',
      'personal/s': 'require "fileinto"; fileinto "s"; stop;',
    },
    'store r, store after return, store s',
  ],
  [
    'RFC 6609 §3.3: return in the main script is stop',
    'require "include"; return; discard;',
    {},
    'implicit keep',
  ],
  [
    'RFC 6609 §3.2: :once',
    'require ["include", "variables", "fileinto"]; include :once "s"; include :once "s"; include "s"; fileinto "${global.n}";',
    { 'personal/s': 'require ["include", "variables"]; set "global.n" "${global.n}x";' },
    'store xx',
  ],
  [
    'RFC 6609 §3.2: a script that is not there',
    'require "include"; include "none";',
    {},
    'error: there is no personal script "none"',
  ],
  ['RFC 6609 §3.2: :optional', 'require "include"; include :optional "none"; discard;', {}, 'discard'],
  [
    'RFC 6609 §3.1: no recursion',
    'require "include"; include "a";',
    { 'personal/a': 'require "include"; include "b";', 'personal/b': 'require "include"; include "a";' },
    'error: the personal script "a" includes itself',
  ],
  [
    'RFC 6609 §3.2: :once is no recursion',
    'require "include"; include :once "a"; discard;',
    { 'personal/a': 'require "include"; include :once "a";' },
    'discard',
  ],
  [
    'RFC 6609 §3.2: each script has its own require',
    'require ["include", "fileinto"]; include "a";',
    { 'personal/a': 'fileinto "x";' },
    'error: the personal script "a" cannot be included: personal/a: line 1, column 1',
  ],
  [
    'RFC 6609 §3.5: header changes are seen on both sides',
    'require ["include", "editheader", "fileinto"]; addheader "X-A" "1"; include "a"; if exists "x-b" { fileinto "b"; }',
    {
      'personal/a':
        'require ["editheader", "fileinto"]; if exists "x-a" { fileinto "a"; } addheader "X-B" "2";',
    },
    'store a, store b',
  ],
]

for (const [what, script, scripts, expected] of table)
  test(what, () => {
    const outcome = run(script, message, library(scripts))
    const error = outcome.errors[0]?.message ?? ''
    if (expected.startsWith('error: ')) assert.ok(error.startsWith(expected.slice(7)), error)
    else assert.equal(describe(outcome), expected, error)
  })

test('RFC 6609 §3.1: nesting has an end', () => {
  const scripts = Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [`personal/s${i}`, `require "include"; include "s${i + 1}";`]),
  )
  const outcome = run('require "include"; include "s0";', message, library(scripts))
  assert.match(outcome.errors[0]?.message ?? '', /more than 10 scripts include each other/)
})

test('an error in an included script is told with its own name and line', () => {
  const scripts = { 'global/g': 'require "ihave";\nerror "no";' }
  const outcome = run('require "include";\n\n\ninclude :global "g";', message, library(scripts))
  assert.deepEqual(
    outcome.errors.map(({ script, line, message }) => [script, line, message]),
    [['global/g', 2, 'no']],
  )
})

const wrong = [
  ['require "include"; global "a";', 'global needs require "variables"'],
  ['require ["include", "variables"]; set "a" "1"; global "a";', 'the variable a was used before'],
  ['require ["include", "variables"]; global "1";', '"1" cannot be the name of a variable'],
  ['require ["include", "variables"]; set "global.12" "x";', '"global.12": this cannot be the name'],
  ['require ["variables"]; set "global.a" "x";', '"global.a": no variable of global. can be set'],
  [
    'require ["include", "variables"]; include "${a}";',
    'the script name of the include command may not depend',
  ],
  ['require "include"; include "../evil";', 'the include command: "../evil" cannot be the name of a script'],
  ['require "include"; include :personal :global "a";', "unexpected second location ':global'"],
] as const

for (const [script, expected] of wrong)
  test(`${script} is refused`, () => {
    const message = run(script, '').errors[0]?.message ?? ''
    assert.ok(message.startsWith(expected), message)
  })

test('without anybody to ask there are no scripts to include', () => {
  assert.equal(run('require "include"; include "x";', message, contextOf()).status, 'runtime-error')
})
