import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outsideAddress, type Rewriting, rewriteSender } from '../../lib/relay/sender.js'

const gmail: Rewriting = { from: 'me@gmail.com', senders: new Map(), domain: 'x.internal' }
const mapped: Rewriting = {
  senders: new Map([
    ['root@pve.internal', 'me+pve@gmail.com'],
    ['@lab.internal', 'lab@gmail.com'],
  ]),
  domain: 'x.internal',
}

const addresses: [string, Rewriting, string, string][] = [
  ['root@pve.internal', gmail, 'me@gmail.com', 'the only address allowed'],
  ['', gmail, '', 'the null reverse-path stays'],
  ['Me@Gmail.com', gmail, 'Me@Gmail.com', 'its own address, in any case, stays as written'],
  ['root@pve.internal', { senders: new Map(), domain: 'x.internal' }, 'root@pve.internal', 'no rule'],
  ['Root@PVE.internal', mapped, 'me+pve@gmail.com', 'one address, compared without case'],
  ['a@lab.internal', mapped, 'lab@gmail.com', 'a domain'],
  ['a@sub.lab.internal', mapped, 'a@sub.lab.internal', 'not the domains below'],
  ['a@lab.internal', { ...mapped, from: 'me@gmail.com' }, 'lab@gmail.com', 'the map goes before from'],
  [
    'me2@gmail.com',
    { from: 'me@gmail.com', senders: new Map([['me2@gmail.com', 'me2@gmail.com']]), domain: 'x.internal' },
    'me2@gmail.com',
    'mapped to itself: allowed as it is',
  ],
]
for (const [address, rewriting, expected, why] of addresses)
  test(`outsideAddress() <${address}> - ${why}`, () =>
    assert.equal(outsideAddress(address, rewriting), expected))

const moved = (value: string) => `Reply-To: ${value}\nX-Original-From: ${value}\n`
const headers: [string, string, string][] = [
  [
    'From: root <root@pve.internal>\n',
    `From: root <me@gmail.com>\n${moved('root <root@pve.internal>')}`,
    'a name',
  ],
  [
    'From: root@pve.internal\n',
    `From: "root@pve.internal" <me@gmail.com>\n${moved('root@pve.internal')}`,
    'no name: the old address is one',
  ],
  ['From: root\n', `From: "root@x.internal" <me@gmail.com>\n${moved('root@x.internal')}`, 'no domain'],
  ['From: me@gmail.com\n', 'From: me@gmail.com\n', 'nothing to do'],
  ['Subject: x\n', 'Subject: x\n', 'no From'],
  [
    'From: =?UTF-8?B?7ZmN6ri464+Z?= <a@x.internal>\n',
    `From: =?UTF-8?B?7ZmN6ri464+Z?= <me@gmail.com>\n${moved('=?UTF-8?B?7ZmN6ri464+Z?= <a@x.internal>')}`,
    'encoded words are left alone',
  ],
  [
    'From: "Doe, J." <a@x.internal>\n',
    `From: "Doe, J." <me@gmail.com>\n${moved('"Doe, J." <a@x.internal>')}`,
    'quotes stay',
  ],
  [
    'From: a@x.internal\nReply-To: b@x.internal\n',
    'From: "a@x.internal" <me@gmail.com>\nReply-To: b@x.internal\nX-Original-From: a@x.internal\n',
    'a Reply-To is left alone',
  ],
  [
    'Sender: c@x.internal\nFrom: a <a@x.internal>\n',
    `From: a <me@gmail.com>\n${moved('a <a@x.internal>')}`,
    'Sender goes',
  ],
  [
    'FROM: a <a@x.internal>\r\nSubject: x\r\n',
    'From: a <me@gmail.com>\r\nSubject: x\r\nReply-To: a <a@x.internal>\r\nX-Original-From: a <a@x.internal>\r\n',
    'CRLF',
  ],
  [
    'From: a <a@x.internal>, b <b@x.internal>\n',
    `From: a <me@gmail.com>\n${moved('a <a@x.internal>, b <b@x.internal>')}`,
    'several senders',
  ],
]
for (const [before, expected, why] of headers)
  test(`rewriteSender() ${JSON.stringify(before)} - ${why}`, () => {
    const end = before.endsWith('\r\n') ? '\r\n' : '\n'
    assert.equal(rewriteSender(Buffer.from(before + end), gmail).toString(), expected + end)
  })

test('where nothing is rewritten a header stays as it is, several authors and all', () => {
  const header = Buffer.from('From: a@x.internal, b@y.internal\nSender: a@x.internal\n\n')
  assert.equal(rewriteSender(header, { senders: new Map(), domain: 'x.internal' }), header)
})

test('a name that is raw UTF-8 becomes encoded words', () => {
  const header = rewriteSender(Buffer.from('From: 홍길동 <a@x.internal>\n\n'), gmail).toString()
  assert.match(header, /^Reply-To: =\?UTF-8\?B\?7ZmN6ri464\+Z\?= <a@x.internal>$/m)
  assert.match(header, /^From: =\?UTF-8\?B\?7ZmN6ri464\+Z\?= <me@gmail.com>$/m)
})
