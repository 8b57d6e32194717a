/** The beginning of what messages say. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { previewOf } from '../../lib/message/preview.js'
import { scanMessage } from '../../lib/message/structure.js'

function preview(text: string | Buffer): string {
  const octets = Buffer.isBuffer(text) ? text : Buffer.from(text)
  return previewOf(octets, scanMessage(octets))
}

const html = 'Content-Type: text/html; charset=utf-8\n\n'
const cases = [
  ['Subject: a\n\nHello\r\n  there\n', 'Hello there', 'space is space'],
  ['Subject: a\n\n', '', 'nothing'],
  ['Subject: a\n\n> one\n> two\n', '> one > two', 'only a quotation'],
  ['Subject: a\n\n> one\nMine\n-- \nme\n', 'Mine', 'neither quotation nor signature'],
  [`${html}<style>x</style><p>a<br>b</p>`, 'a b', 'HTML'],
  [`${html}\u200b\u00ad\u034f<p>&zwnj;a`, 'a', 'what fills previews of others'],
  ['Content-Type: image/png\n\nxyz', '', 'no text'],
  [
    'Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<i>h</i>\n--b\n\np\n--b--\n',
    'p',
    'of alternatives the plain one, wherever it stands',
  ],
  [
    'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nno\n--b\n\nyes\n--b--\n',
    'yes',
    'no attachment',
  ],
  [
    'Content-Type: multipart/mixed; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<i>h</i>\n--b--\n',
    'h',
    'a part that says nothing is passed over',
  ],
] as const
for (const [message, expected, why] of cases)
  test(`previewOf() - ${why}`, () => assert.equal(preview(message), expected))

test('previewOf() reads Korean in EUC-KR', () =>
  assert.match(preview(readFileSync('fixtures/messages/korean-euc-kr.eml')), /[가-힣]{2}/))

test('previewOf() cuts between characters, never within one', () => {
  const told = preview(`Content-Type: text/plain; charset=utf-8\n\n${'😀'.repeat(300)}`)
  assert.equal([...told].length, 200)
  assert.equal(told, '😀'.repeat(200))
})

test('previewOf() gives at most 200 characters on one line for any octets', () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), octets => {
      const told = preview(
        Buffer.concat([Buffer.from('Content-Type: text/plain; charset=utf-8\n\n'), octets]),
      )
      assert.ok([...told].length <= 200)
      assert.doesNotMatch(told, /[\x00-\x1f\x7f]/)
    }),
  ))
