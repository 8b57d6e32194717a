import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { readHeader } from '../../lib/message/header.js'
import { scanMessage } from '../../lib/message/structure.js'
import { formatReport, type ReportInput, returnsFull } from '../../lib/queue/bounce.js'
import type { Envelope, Recipient } from '../../lib/queue/entry.js'

const at = Date.UTC(2026, 2, 15, 4, 41, 2)
const header = Buffer.from(
  'From: a@x.internal\nMessage-ID: <1@x.internal>\nSubject: =?UTF-8?B?7ZWc6riA?=\n\n',
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
  international: {
    envelope: { ...envelope, sender: '가@x.internal' },
    recipients: [{ ...failed, address: '나@예시.한국' }],
  },
}

for (const [name, more] of Object.entries(reports))
  test(`formatReport() ${name}`, () => {
    const input = { ...base, ...more }
    const { head, tail } = formatReport(input)
    const text = `${head}${header}${input.full ? body : ''}${tail}`
    const golden = `fixtures/reports/${name}.eml`
    if (process.env['UPDATE']) writeFileSync(golden, text)
    assert.equal(text, readFileSync(golden, 'utf8'))
    const { type, subtype, parts } = scanMessage(Buffer.from(text))
    assert.equal(`${type}/${subtype}`.toLowerCase(), 'multipart/report')
    assert.equal(parts.length, 3)
  })

test('what a server says cannot add a field, or end one', () => {
  const said = {
    at,
    code: 550,
    status: '5.0.0',
    text: `no\r\nAction: delivered\n\n--=_x\n${'x '.repeat(3000)}`,
  }
  const { head } = formatReport({ ...base, recipients: [{ ...failed, said }] })
  assert.equal(head.match(/^Action:/gm)?.length, 1)
  assert.ok(head.split('\n').every(line => line.length < 998))
  const status = head.slice(head.indexOf('message/delivery-status'))
  assert.equal(status.split('\n\n').length, 5)
})

test('a Message-ID that is none is not repeated', () => {
  const { head } = formatReport({ ...base, header: Buffer.from('Message-ID: <a b>\r\nX: y\n\n') })
  assert.equal(readHeader(Buffer.from(head)).first('references'), undefined)
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
