import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { decodeCharset } from '../../lib/message/charset.js'
import { readHeader } from '../../lib/message/header.js'
import { scanMessage } from '../../lib/message/structure.js'
import { formatReport, type ReportInput, returnsFull } from '../../lib/queue/bounce.js'
import type { Envelope, Recipient } from '../../lib/queue/entry.js'

const at = Date.UTC(2026, 2, 15, 4, 41, 2)
const header = Buffer.from(
  'From: a@x.internal\nMessage-ID: <1@x.internal>\nSubject: =?UTF-8?Q?K=C3=A4se?=\n\n',
)
const failed: Recipient = {
  address: 'none@example.org',
  state: 'failed',
  due: at,
  attempts: 1,
  said: {
    at,
    code: 550,
    status: '5.1.1',
    text: 'no such user here, whatever you may think',
    host: 'mx.example.org',
  },
}
const envelope: Envelope = {
  arrived: at - 60_000,
  sender: 'a@x.internal',
  recipients: [failed],
  size: 200,
  wireSize: 210,
}
const base: ReportInput = {
  kind: 'failure',
  id: 'm5abcdef00test',
  envelope,
  recipients: [failed],
  to: 'a@x.internal',
  hostname: 'mail.x.internal',
  header,
  full: true,
  now: at,
  until: at + 432_000_000,
  unique: 'm5abcdef00test-1.unique',
}
const body = Buffer.from('body\n')

const reports: Record<string, Partial<ReportInput>> = {
  failure: {},
  headers: { full: false },
  delay: {
    kind: 'delay',
    full: false,
    recipients: [
      { ...failed, state: 'waiting', said: { at, code: 451, status: '4.4.1', text: 'cannot connect' } },
      { address: 'new@example.org', state: 'waiting', due: at, attempts: 0 },
    ],
  },
  success: {
    kind: 'success',
    full: false,
    envelope: { ...envelope, envid: 'QQ 1' },
    recipients: [
      {
        ...failed,
        state: 'relayed',
        original: 'rfc822;First@example.org',
        said: { at, code: 250, status: '2.0.0', text: 'taken', host: 'mx.example.org' },
      },
      {
        ...failed,
        address: 'here@x.internal',
        state: 'delivered',
        said: { at, code: 250, status: '2.0.0', text: 'delivered' },
      },
    ],
  },
  double: { double: true, to: 'postmaster@x.internal', envelope: { ...envelope, sender: '' } },
  korean: { header: Buffer.from('Subject: =?EUC-KR?B?x9Gx2w==?=\n\n') },
  international: {
    envelope: { ...envelope, sender: '가@x.internal' },
    recipients: [{ ...failed, address: '나@예시.한국' }],
  },
}

for (const [name, more] of Object.entries(reports))
  test(`formatReport() ${name}`, () => {
    const input = { ...base, ...more }
    const { head, tail } = formatReport(input)
    const octets = Buffer.concat([head, input.header, input.full ? body : Buffer.alloc(0), Buffer.from(tail)])
    const golden = `fixtures/reports/${name}.eml`
    if (process.env['UPDATE']) writeFileSync(golden, octets)
    assert.equal(octets.toString('latin1'), readFileSync(golden, 'latin1'))
    const { type, subtype, parts } = scanMessage(octets)
    assert.equal(`${type}/${subtype}`.toLowerCase(), 'multipart/report')
    assert.equal(parts.length, 3)
  })

/** The notification as a reader shows it, and its charset. */
function notificationOf(fields: string): { charset: string | undefined; text: string } {
  const { head } = formatReport({ ...base, header: Buffer.from(`${fields}\n\n`, 'latin1') })
  const [part] = scanMessage(head).parts
  const charset = part?.parameters.find(({ name }) => name === 'charset')?.value
  return { charset, text: decodeCharset(head.subarray(part?.bodyStart, part?.bodyEnd), charset) }
}

const senders: [string, string, RegExp, string][] = [
  ['Subject: x', 'utf-8', /This is the mail system/, 'nothing is known of the sender'],
  ['Content-Type: text/plain; charset=us-ascii', 'utf-8', /This is/, 'ASCII needs nothing else'],
  ['Content-Type: text/plain; charset="EUC-KR"', 'euc-kr', /메일 시스템입니다/, 'Korean by its charset'],
  ['Subject: =?ks_c_5601-1987?B?x9Gx2w==?=', 'ks_c_5601-1987', /제목: +한글\n/, 'a charset in encoded words'],
  [
    'Content-Type: text/plain; charset=euc-kr\nSubject: \xc7\xd1\xb1\xdb',
    'euc-kr',
    /제목: +한글\n/,
    'a subject of bare octets',
  ],
  ['From: =?UTF-8?B?7ZWc6riA?= <a@x.internal>', 'utf-8', /메일 시스템입니다/, 'Korean by a name'],
  ['Accept-Language: ko-KR, en-US', 'utf-8', /메일 시스템입니다/, 'Korean by wish'],
  ['Content-Language: en\nFrom: =?EUC-KR?B?x9Gx2w==?= <a@x>', 'euc-kr', /This is/, 'English by wish'],
  ['Content-Type: text/plain; charset=iso-8859-15', 'iso-8859-15', /This is/, "a Western program's charset"],
  [
    'Content-Type: text/plain; charset=iso-8859-15\nSubject: =?UTF-8?B?7ZWc6riA?=',
    'utf-8',
    /제목: +한글\n/,
    'a charset that has not all of the letters',
  ],
  ['Content-Type: text/plain; charset=no-such', 'utf-8', /This is/, 'a charset nobody knows'],
  ['Content-Type: text/plain; charset="a b"', 'utf-8', /This is/, 'a charset that is no word'],
]
for (const [fields, charset, pattern, why] of senders)
  test(`formatReport() in ${charset} - ${why}`, () => {
    const notification = notificationOf(fields)
    assert.equal(notification.charset, charset)
    assert.match(notification.text, pattern)
  })

test('what a server says cannot add a field, or end one', () => {
  const said = {
    at,
    code: 550,
    status: '5.0.0',
    text: `no\r\nAction: delivered\n\n--=_x\n${'x '.repeat(3000)}`,
  }
  const head = formatReport({ ...base, recipients: [{ ...failed, said }] }).head.toString()
  assert.equal(head.match(/^Action:/gm)?.length, 1)
  assert.ok(head.split('\n').every(line => line.length < 998))
  const status = head.slice(head.indexOf('message/delivery-status'))
  assert.equal(status.split('\n\n').length, 5)
})

test('a Message-ID that is none is not repeated', () => {
  const { head } = formatReport({ ...base, header: Buffer.from('Message-ID: <a b>\r\nX: y\n\n') })
  assert.equal(readHeader(head).first('references'), undefined)
})

const wishes: [Partial<Envelope>, 'failure' | 'delay', boolean, string][] = [
  [{}, 'failure', true, 'short and nothing asked'],
  [{ size: 200_000 }, 'failure', false, 'long and nothing asked'],
  [{ size: 200_000, ret: 'full' }, 'failure', true, 'long and asked for'],
  [{ ret: 'headers' }, 'failure', false, 'RET=HDRS'],
  [{ ret: 'full' }, 'delay', false, 'only failures bring it back whole'],
]
for (const [more, kind, expected, why] of wishes)
  test(`returnsFull() - ${why}`, () => assert.equal(returnsFull({ ...envelope, ...more }, kind), expected))
