/** Addresses in MAIL and RCPT, as written by everything that sends mail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { needsUtf8, nullPath, parseForwardPath, parsePath, parseReversePath } from '../../lib/smtp/path.js'
import { SmtpError } from '../../lib/smtp/reply.js'

const paths = [
  // written                      local         domain             address
  ['alice@here.example', 'alice', 'here.example', 'alice@here.example'],
  ['Alice@Here.Example', 'Alice', 'Here.Example', 'Alice@Here.Example'],
  ['alice@here.example.', 'alice', 'here.example', 'alice@here.example'],
  ['postmaster', 'postmaster', '', 'postmaster'],
  ['a..b.@docomo.example', 'a..b.', 'docomo.example', 'a..b.@docomo.example'],
  ['alice+shop=x@here.example', 'alice+shop=x', 'here.example', 'alice+shop=x@here.example'],
  ['"alice"@here.example', 'alice', 'here.example', 'alice@here.example'],
  ['"a b"@here.example', 'a b', 'here.example', '"a b"@here.example'],
  ['"a\\"b\\\\c"@here.example', 'a"b\\c', 'here.example', '"a\\"b\\\\c"@here.example'],
  ['"a@b>c"@here.example', 'a@b>c', 'here.example', '"a@b>c"@here.example'],
  ['@a.example,@b.example:alice@here.example', 'alice', 'here.example', 'alice@here.example'],
  ['monit@OPNsense.localdomain', 'monit', 'OPNsense.localdomain', 'monit@OPNsense.localdomain'],
  ['root@my_nas', 'root', 'my_nas', 'root@my_nas'],
  ['alice@[192.0.2.1]', 'alice', '[192.0.2.1]', 'alice@[192.0.2.1]'],
  ['alice@[IPv6:fd00::1]', 'alice', '[IPv6:fd00::1]', 'alice@[IPv6:fd00::1]'],
  ['홍길동@한국.example', '홍길동', '한국.example', '홍길동@한국.example'],
  [`${'x'.repeat(200)}@here.example`, 'x'.repeat(200), 'here.example', `${'x'.repeat(200)}@here.example`],
] as const

for (const [text, local, domain, address] of paths)
  test(`parsePath() ${text.slice(0, 60)}`, () =>
    assert.deepEqual(parsePath(text), { local, domain, address }))

const nonsense = [
  ' ',
  '@',
  '@here.example',
  'alice@',
  'alice@here..example',
  'alice@.example',
  'alice@here.example..',
  'a b@here.example',
  'a"b@here.example',
  'alice@here@example',
  '"alice@here.example',
  '"a"b@here.example',
  '""@here.example',
  '"a\x00b"@here.example',
  'alice\x7f@here.example',
  'alice@[]',
  'alice@[1.2.3.4',
  'alice@here.exa mple',
  'alice@here.example>',
  `alice@${'x'.repeat(256)}`,
]

for (const text of nonsense)
  test(`parsePath() ${JSON.stringify(text.slice(0, 60))} is none`, () =>
    assert.equal(parsePath(text), undefined))

test('parseReversePath() <> is nobody', () => assert.equal(parseReversePath('FROM:<>').path, nullPath))

test('parseReversePath() reads parameters, whatever their case', () => {
  const { parameters } = parseReversePath('FROM:<a@x.example>  size=10 BODY=8BITMIME smtputf8 auth=a+3Db')
  assert.deepEqual(
    [...parameters],
    [
      ['SIZE', '10'],
      ['BODY', '8BITMIME'],
      ['SMTPUTF8', ''],
      ['AUTH', 'a+3Db'],
    ],
  )
})

test('parseForwardPath() <> is refused', () =>
  assert.throws(() => parseForwardPath('TO:<>'), { code: 501, status: '5.1.3' }))

test('needsUtf8()', () => {
  assert.equal(needsUtf8(parsePath('a@x.example') as never), false)
  assert.equal(needsUtf8(parsePath('é@x.example') as never), true)
})

test('a path is read, or refused with 501, and what was read reads the same again', () => {
  const pieces = fc.constantFrom(
    'a',
    '@',
    '.',
    '<',
    '>',
    '"',
    '\\',
    ' ',
    ':',
    ',',
    '[',
    ']',
    '=',
    'é',
    '\t',
    '\x7f',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), array => {
      try {
        const { path } = parseForwardPath(`TO:${array.join('')}`)
        assert.deepEqual(parseForwardPath(`TO:<${path.address}>`).path, path)
        assert.doesNotMatch(path.address, /[\x00-\x1f\x7f]/)
      } catch (error) {
        if (!(error instanceof SmtpError)) throw error
        assert.equal(error.code, 501)
      }
    }),
    { numRuns: 5_000 },
  )
})
