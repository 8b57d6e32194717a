import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeCharset, decodeUnlabelled } from '../../lib/message/charset.js'

const texts = [
  // label, octets in hex, text
  ['ks_c_5601-1987', '94ee208c63b9e6b0a2c7cf', '뷁 똠방각하'],
  ['euc-kr', '8c63', '똠'],
  ['EUC_KR', '8c63', '똠'],
  ['cp949', '8c63', '똠'],
  ['UHC', '8c63', '똠'],
  ['windows-949', '8c63', '똠'],
  ['ms949', '8c63', '똠'],
  ['shift_jis', '93fa967b', '日本'],
  ['cp932', '93fa967b', '日本'],
  ['gb2312', 'd6d0cec4', '中文'],
  ['GB18030', '8139ee39', '㐀'],
  ['big5', 'adbb', '香'],
  ['Big5-HKSCS', '9def', '嘅'],
  ['koi8-r', 'f0d2c9d7c5d4', 'Привет'],
  ['windows-1251', 'cff0e8e2e5f2', 'Привет'],
  ['cp1251', 'cff0e8e2e5f2', 'Привет'],
  ['cp850', '82', 'é'],
  ['ibm850', '82', 'é'],
  ['iso-8859-1', 'e99394', 'é“”'],
  ['ISO_8859-1', '93', '“'],
  ['latin1', '93', '“'],
  ['windows-1252', '80', '€'],
  ['iso-8859-15', 'a4', '€'],
  ['iso8859-15', 'a4', '€'],
  ['macintosh', '8e', 'é'],
  ['utf-8', 'efbbbfc3a9', 'é'],
  ['UTF8', 'c3a9', 'é'],
  ['utf-8*en', 'c3a9', 'é'],
  ['"utf-8"', 'c3a9', 'é'],
  ['utf-8', 'c3a9c3', 'é\ufffd'],
  ['utf-16be', '00e9', 'é'],
  ['utf-16', 'feff00e9', 'é'],
  // What says nothing: UTF-8, else windows-1252
  ['us-ascii', 'c3a9', 'é'],
  ['us-ascii', 'e9', 'é'],
  ['x-unknown', 'c3a9', 'é'],
  ['unknown-8bit', 'e9', 'é'],
  ['base64', 'c3a9', 'é'],
  ['no-such-charset', 'c3a9', 'é'],
  ['__proto__', 'e9', 'é'],
  ['constructor', 'e9', 'é'],
  ['', 'e9', 'é'],
] as const
for (const [label, hex, text] of texts)
  test(`${label || 'no label'}: ${hex} is ${text}`, () =>
    assert.equal(decodeCharset(Buffer.from(hex, 'hex'), label), text))

const sevenBit = [
  ['iso-2022-kr', '\x1b$)C\x0eGQ1[\x0f ABC \x0e8^@O\x0f\n\x0e5QB0\x0f \x0eAY\x0f', '한글 ABC 메일\n둘째 줄'],
  ['iso-2022-kr', '\x1b$)C\x0eGQ\nAY', '한\nAY'],
  ['iso-2022-jp', '\x1b$BF|K\\8l%F%9%H\x1b(B', '日本語テスト'],
  ['utf-7', 'Hi Mom -+Jjo--+ACE-', 'Hi Mom -☺-!'],
  ['us-ascii', 'plain', 'plain'],
  ['ks_c_5601-1987', 'plain \\ ~', 'plain \\ ~'],
] as const
for (const [label, octets, text] of sevenBit)
  test(`${label}: ${JSON.stringify(octets)}`, () =>
    assert.equal(decodeCharset(Buffer.from(octets, 'latin1'), label), text))

test('octets without a label that are not UTF-8 are what the hint says', () => {
  const octets = Buffer.from('c7d1b1db', 'hex')
  assert.equal(decodeUnlabelled(octets, 'ks_c_5601-1987'), '한글')
  assert.equal(decodeUnlabelled(octets), 'ÇÑ±Û')
  assert.equal(decodeUnlabelled(octets, 'no-such-charset'), 'ÇÑ±Û')
  assert.equal(decodeUnlabelled(Buffer.from('한글'), 'ks_c_5601-1987'), '한글')
  assert.equal(decodeCharset(octets, 'us-ascii', 'euc-kr'), '한글')
})

test('any octets with any label are text', () => {
  const label = fc.oneof(
    fc.string(),
    fc.constantFrom(
      ...texts.map(([name]) => name),
      ...sevenBit.map(([name]) => name),
      'utf-32',
      'hz-gb-2312',
      'iso-2022-cn',
    ),
  )
  fc.assert(
    fc.property(fc.uint8Array(), label, (octets, name) => {
      assert.equal(typeof decodeCharset(Buffer.from(octets), name), 'string')
    }),
    { numRuns: 2000 },
  )
})
