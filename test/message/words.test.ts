import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import libmime from 'libmime'
import { encodeParameter, encodePhrase, encodeWords, foldField } from '../../lib/message/encode.js'
import { readHeader, unfold } from '../../lib/message/header.js'
import { parseParameterised } from '../../lib/message/parameters.js'
import { scanMessage } from '../../lib/message/structure.js'
import { decodeWords, parameterText } from '../../lib/message/words.js'

const words = [
  ['plain text', 'plain text'],
  ['=?UTF-8?B?7ZWc6riA?=', '한글'],
  ['=?utf-8?b?7ZWc6riA?=', '한글'],
  ['=?iso-8859-1?Q?a=E9_b?=', 'aé b'],
  // RFC 2047 §8
  ['(=?ISO-8859-1?Q?a?=)', '(a)'],
  ['=?ISO-8859-1?Q?a?= b', 'a b'],
  ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab'],
  ['=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=', 'ab'],
  ['=?ISO-8859-1?Q?a_b?=', 'a b'],
  ['=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=', 'a b'],
  ['x =?utf-8?Q?a?= y =?utf-8?Q?b?= z', 'x a y b z'],
  // A character cut in two
  ['=?utf-8?B?7ZU=?= =?utf-8?B?nA==?=', '한'],
  ['=?utf-8?Q?=ED=95?= =?UTF-8?B?nA==?=', '한'],
  ['=?utf-8?B?7ZWc6r?= =?utf-8?B?iA?=', '한글'.normalize()],
  ['=?ks_c_5601-1987?B?jGM=?=', '똠'],
  ['=?euc-kr?Q?=8C?= =?euc-kr?Q?=63?=', '똠'],
  ['=?ISO-2022-KR?B?GyQpQw5HUTFbDw==?=', '한글'],
  ['=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=', '日本'],
  ['=?utf-8*ko?Q?a?=', 'a'],
  // What the world sends
  ['=?utf-8?Q?a b?=', 'a b'],
  ['=?utf-8?Q?a?==?utf-8?Q?b?=', 'ab'],
  ['=?utf-8?Q?100%_=ZZ_=?=', '100% =ZZ ='],
  ['=?no-such?Q?=C3=A9?=', 'é'],
  ['=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
  ['=?utf-8?Q?abc', '=?utf-8?Q?abc'],
  ['=?utf-8?Q??=', ''],
  ['=?utf-8?B??= x', ' x'],
  ['=?utf-8?Q?a=0D=0AX:_b=00?=', 'a X: b '],
  ['한글 =?utf-8?Q?a?=', '한글 a'],
] as const
for (const [text, decoded] of words)
  test(`decodeWords() ${text}`, () => assert.equal(decodeWords(text), decoded))

test('decodeWords() of octets: UTF-8, or else what the hint says', () => {
  const mixed = Buffer.concat([Buffer.from('c7d1b1db', 'hex'), Buffer.from(' =?utf-8?Q?a?=')])
  assert.equal(decodeWords(mixed, 'euc-kr'), '한글 a')
  assert.equal(decodeWords(Buffer.from('한글 =?euc-kr?Q?=8C=63?=')), '한글 똠')
  assert.equal(decodeWords(Buffer.from('caf\xe9', 'latin1')), 'café')
})

test('a subject without a label is read by the charset of the text', () => {
  const octets = readFileSync('fixtures/messages/korean-euc-kr.eml')
  const header = readHeader(octets)
  const field = header.find('subject')
  const hint = parameterText(scanMessage(octets).parameters, 'charset')
  assert.ok(field)
  assert.equal(decodeWords(Buffer.from(header.binary(field), 'latin1'), hint), '안녕하세요, 뷁 메일')
  assert.equal(decodeWords(header.first('from') ?? ''), '"조광조" <cho@example.co.kr>')
})

const parameters = [
  ["x; filename*=UTF-8''%ed%95%9c%20a.txt", '한 a.txt'],
  ["x; filename*=euc-kr'ko'%8C%63.txt", '똠.txt'],
  ['x; filename*0*=UTF-8\'\'%ed%95; filename*1*=%9c; filename*2=".txt"', '한.txt'],
  ['x; filename*1=b; filename*0=a', 'ab'],
  ["x; filename=plain.txt; filename*=UTF-8''%ed%95%9c.txt", '한.txt'],
  ['x; filename="=?UTF-8?B?7ZWc?=.txt"', '한.txt'],
  ['x; filename*0="=?UTF-8?B?7Z"; filename*1="Wc?="', '한'],
  ['x; FileName="a.txt"', 'a.txt'],
  ['x; filename*=a.txt', 'a.txt'],
  ['x; filename=caf\xe9.txt', 'café.txt'],
  ['x; filename=\xc3\xa9.txt', 'é.txt'],
  ['x; name=y', undefined],
] as const
for (const [text, value] of parameters)
  test(`parameterText() ${text}`, () =>
    assert.equal(parameterText(parseParameterised(text).parameters, 'filename'), value))

const encoded = [
  ['plain text', 'plain text'],
  ['한글', '=?UTF-8?B?7ZWc6riA?='],
  ['René says hi', '=?UTF-8?Q?Ren=C3=A9_says_hi?='],
  ['looks =?like?=', '=?UTF-8?Q?looks_=3D=3Flike=3F=3D?='],
  ['two\r\nlines', 'two lines'],
] as const
for (const [text, words] of encoded)
  test(`encodeWords() ${JSON.stringify(text)}`, () => assert.equal(encodeWords(text), words))

const unicode = fc.string({
  unit: fc.oneof(
    fc.constantFrom('한', 'é', '😀', ' ', 'a', '=?', '_', '?=', '"'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
})
const line = unicode.map(text => text.replace(/[\x00-\x1f\x7f]+/g, ' '))

test('what encodePhrase() writes is decoded again, by libmime too, and no word is too long', () => {
  fc.assert(
    fc.property(line, text => {
      const words = encodePhrase(text)
      assert.equal(decodeWords(words), text)
      assert.equal(libmime.decodeWords(words), text)
      for (const word of words.split(' ')) assert.ok(word.length <= 75 && /^[\x21-\x7e]*$/.test(word))
    }),
  )
})

test('what encodeParameter() writes is decoded again', () => {
  fc.assert(
    fc.property(line, text => {
      const field = `attachment; ${encodeParameter('filename', text)}`
      assert.ok(/^[\x20-\x7e]*$/.test(field))
      if (!/=\?/.test(text))
        assert.equal(parameterText(parseParameterised(field).parameters, 'filename'), text)
    }),
  )
})

test('foldField() keeps the value and, where there are spaces, its lines short', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('word', 'a', '', 'x'.repeat(30), 'y'.repeat(100)), { maxLength: 40 }),
      words => {
        const field = foldField('Subject', words.join(' '))
        assert.ok(field.endsWith('\r\n') && !/\r\n[ \t]*\r\n/.test(field))
        assert.equal(unfold(field.slice('Subject:'.length)), words.join(' ').trim())
        for (const text of field.split('\r\n')) assert.ok(text.length <= 78 || text.includes('yyy'))
      },
    ),
  )
})

test('foldField() lets no value add a field', () =>
  assert.equal(foldField('Subject', 'a\r\nBcc: b\n\nbody\r'), 'Subject: a Bcc: b body\r\n'))

test('openings without ends, and labels without sense, do not make decoding slow', () => {
  for (const piece of ['=?', '=?a?q?', '=?a?b?x', '=?a?q?x?', '?=', "'", '&', '%', '='])
    decodeWords(`${piece.repeat(300_000)} =?${piece.repeat(100_000)}?q?x?=`)
  decodeWords(`=?${"'".repeat(300_000)}x?q?=ff?=`)
})

test('any text is decoded', () => {
  const text = fc.string({ unit: fc.constantFrom(...'=?_ bBqQa\r\n\0é', '=?utf-8?', '?=', 'Q?=ff') })
  fc.assert(
    fc.property(text, given => !/[\r\n\0]/.test(decodeWords(given) + decodeWords(Buffer.from(given)))),
    { numRuns: 2000 },
  )
})
