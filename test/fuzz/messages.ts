/** Targets: everything that reads a message. */
import assert from 'node:assert/strict'
import { writeStructure } from '../../lib/imap/bodystructure.js'
import { OctetWriter } from '../../lib/imap/encode.js'
import { writeEnvelope } from '../../lib/imap/envelope.js'
import { formatAddress, parseAddress, parseAddressList, parseGroups } from '../../lib/message/address.js'
import { decodeCharset, decodeUnlabelled } from '../../lib/message/charset.js'
import { parseDate, parseDay, parseInternalDate } from '../../lib/message/date.js'
import { readHeader, unfold } from '../../lib/message/header.js'
import { plainText } from '../../lib/message/html.js'
import { joinSegments, parseParameterised } from '../../lib/message/parameters.js'
import { type Part, scanMessage } from '../../lib/message/structure.js'
import { decodeTransfer } from '../../lib/message/transfer.js'
import { toCrlf, toLf, wireSize } from '../../lib/message/wire.js'
import { decodeWords } from '../../lib/message/words.js'
import { demand, fixtures, texts } from './seeds.js'
import type { Target } from './targets.js'

const mails = () => [...fixtures('messages', '.eml'), ...fixtures('sieve/messages', '.eml')]
const mimeWords = [
  '\n--',
  '--\n',
  'Content-Type: multipart/mixed; boundary=',
  'Content-Type: message/rfc822\n\n',
  'boundary="a"',
  'Content-Transfer-Encoding: base64\n',
  'quoted-printable',
  'charset=utf-8',
  "*0*=utf-8''%41",
  '\r\n',
  '\n\n',
]

function check(part: Part, octets: Buffer, depth: number): void {
  demand(depth <= 101, 'no deeper than 100')
  demand(part.start <= part.bodyStart && part.bodyStart <= part.bodyEnd, 'offsets rise')
  demand(part.bodyEnd <= octets.length, 'within the message')
  for (const child of part.parts) {
    demand(child.start >= part.bodyStart && child.bodyEnd <= part.bodyEnd, 'a part within its parent')
    check(child, octets, depth + 1)
  }
  if (part.message) check(part.message, octets, depth + 1)
}

export const messageTargets: readonly Target[] = [
  {
    name: 'mime',
    seeds: mails,
    words: mimeWords,
    run(octets) {
      const part = scanMessage(octets)
      check(part, octets, 0)
      const out = new OctetWriter()
      writeStructure(out, part, true)
      for (const leaf of part.parts.slice(0, 20))
        decodeTransfer(octets.subarray(leaf.bodyStart, leaf.bodyEnd), leaf.encoding)
    },
  },
  {
    name: 'header',
    seeds: mails,
    words: ['\n ', '\r\n\t', ': ', 'From: ', 'Subject: ', 'Date: ', '=?utf-8?B?', '?=', '\n\n'],
    run(octets) {
      const header = readHeader(octets)
      for (const field of header.fields)
        demand(field.end <= octets.length && field.start <= field.end, 'in the block')
      for (const name of ['from', 'subject', 'x'])
        for (const value of header.all(name)) decodeWords(unfold(value))
      writeEnvelope(new OctetWriter(), header)
    },
  },
  {
    name: 'addresses',
    seeds: () =>
      texts(
        'a@b.example',
        '"Q \\" x" <a@b>, c@d',
        'g: a@b, c <d@e>;, f@g',
        '=?utf-8?q?=C3=A9?= <a@[1.2.3.4]>',
        '(comment (nested)) a . b @ c . d (x)',
        '<@r1,@r2:a@b>',
        '홍길동 <a@b>',
        'undisclosed-recipients:;',
      ),
    words: ['<', '>', '"', '(', ')', ';', ':', ',', '@', '\\', '=?utf-8?b?', '?=', '\r\n '],
    run(octets) {
      const text = octets.toString('utf8')
      for (const address of parseAddressList(text)) {
        const formatted = formatAddress(address)
        demand(!/[\r\n\0]/.test(formatted), `a line of its own: ${JSON.stringify(formatted)}`)
      }
      parseGroups(text)
      parseAddress(text)
    },
  },
  {
    name: 'words',
    seeds: () =>
      texts(
        '=?utf-8?B?7ZmN6ri464+Z?= =?utf-8?q?a_b=20?=',
        '=?iso-2022-kr?B?GyQpQw4=?=',
        '=?euc-kr?b?sKE=?= x',
        '=?x?Z??=',
        `text/plain; name*0*=utf-8''%ED%99; name*1=a; name="b\\"c"`,
        'attachment; filename="=?utf-8?B?4pi6?="',
      ),
    words: ['=?', '?=', '?B?', '?q?', '=', '_', "''", '*0*', '*=', '%', '"', ';'],
    run(octets) {
      decodeWords(octets)
      decodeWords(octets.toString('latin1'))
      joinSegments(parseParameterised(octets.toString('latin1')).parameters)
    },
  },
  {
    name: 'dates',
    seeds: () =>
      texts(
        'Thu, 1 Jan 2026 00:00:00 +0900',
        '1 Jan 26 0:0 GMT',
        'Thu Jan  1 00:00:00 2026',
        '01-Jan-2026 00:00:00 +0000',
        '2026-01-01T00:00:00Z',
        '1-Feb-2008',
      ),
    words: ['Jan', 'GMT', 'EST', '+0000', '-9999', '(x)', ':'],
    run(octets) {
      const text = octets.toString('latin1')
      for (const found of [parseDate(text), parseInternalDate(text)])
        if (found) demand(Number.isFinite(found.utc) && Number.isFinite(found.offset), 'a time is a number')
      parseDay(text)
    },
  },
  {
    name: 'charset',
    seeds: () =>
      texts(
        'utf-8 héllo',
        'euc-kr \xb0\xa1',
        'iso-2022-kr \x1b$)C\x0e!!\x0f',
        'iso-2022-jp \x1b$B$"\x1b(B',
        'utf-7 +AGE-',
      ),
    words: [
      'utf-8 ',
      'utf-16 ',
      'utf-7 ',
      'iso-2022-kr ',
      'gb18030 ',
      'shift_jis ',
      'unicode-1-1-utf-7 ',
      '\x1b',
      '\x0e',
    ],
    run(octets) {
      const space = octets.indexOf(32)
      decodeCharset(octets.subarray(space + 1), octets.toString('latin1', 0, Math.max(0, space)))
      decodeUnlabelled(octets)
    },
  },
  {
    name: 'html',
    seeds: () =>
      texts(
        '<p>a <b>b</b>&amp;&#x41;<br><script>x</script><style>y</style>',
        '<!-- x --><a href="http://x">y</a>',
      ),
    words: ['<', '>', '</', '<!--', '-->', '&', ';', '<script', '<style', '"', '&#', '<!'],
    run(octets) {
      plainText(octets.toString('utf8'))
    },
  },
  {
    name: 'transfer',
    seeds: () => texts('=3D=\r\nx=20', 'aGVsbG8=', 'aG Vs\r\nbG8', '=', '=X'),
    words: ['=', '=\r\n', '==', '\r', '\n'],
    run(octets) {
      for (const encoding of ['base64', 'quoted-printable', '7bit', 'x-uuencode'])
        decodeTransfer(octets, encoding)
      const wire = toCrlf(octets)
      assert.equal(wire.length, wireSize(octets))
      assert.deepEqual(toCrlf(toLf(wire)), toCrlf(toLf(octets)))
    },
  },
]
