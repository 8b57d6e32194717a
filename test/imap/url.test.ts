/** IMAP URLs in relative form. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseMessageUrl } from '../../lib/imap/url.js'

const good = [
  ['/INBOX/;UID=20', 'INBOX', undefined, 20, 'BODY[]'],
  ['/inbox;UIDVALIDITY=385759045/;uid=20/;section=HEADER', 'INBOX', 385_759_045, 20, 'BODY[HEADER]'],
  ['/a.b;UID=1;SECTION=1.2.MIME', 'a.b', undefined, 1, 'BODY[1.2.MIME]'],
  ['/%EB%B3%B4%20x/;UID=1', '보 x', undefined, 1, 'BODY[]'],
  ['/;UID=7/;SECTION=TEXT', undefined, undefined, 7, 'BODY[TEXT]'],
  [';UID=7', undefined, undefined, 7, 'BODY[]'],
  ['/a/;UID=7/;SECTION=HEADER.FIELDS%20(To%20Cc)', 'a', undefined, 7, 'BODY[HEADER.FIELDS (To Cc)]'],
] as const
for (const [text, mailbox, uidValidity, uid, label] of good)
  test(`parseMessageUrl() ${text}`, () => {
    const url = parseMessageUrl(text)
    assert.deepEqual(
      [url?.mailbox, url?.uidValidity, url?.uid, url?.section.label],
      [mailbox, uidValidity, uid, label],
    )
  })

test('parseMessageUrl() reads a piece of a section', () => {
  assert.deepEqual(parseMessageUrl('/a/;UID=7/;PARTIAL=10.20')?.section.partial, { offset: 10, length: 20 })
  assert.equal(parseMessageUrl('/a/;UID=7/;SECTION=1/;PARTIAL=10')?.section.partial?.offset, 10)
})

for (const text of [
  '',
  'INBOX;UID=1',
  '/INBOX',
  '/INBOX/;UID=0',
  '/INBOX/;UID=1/;SECTION=X',
  '/INBOX/;UID=1/;SECTION=1]',
  '/%zz/;UID=1',
  'imap://host/INBOX/;UID=1',
  '//host/INBOX/;UID=1',
  '/INBOX;UIDVALIDITY=0/;UID=1',
  '/INBOX/;UID=1;EXPIRE=2030-01-01T00:00:00Z;URLAUTH=anonymous:internal:0',
])
  test(`parseMessageUrl() refuses "${text}"`, () => assert.equal(parseMessageUrl(text), undefined))

test('parseMessageUrl() takes any text, and not long for it', () =>
  fc.assert(fc.property(fc.string({ maxLength: 500 }), text => void parseMessageUrl(`/${text};UID=1`))))
