import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  dayOf,
  formatDate,
  formatInternalDate,
  parseDate,
  parseDay,
  parseInternalDate,
} from '../../lib/message/date.js'

const dates = [
  // text, ISO in UTC, zone in minutes
  ['Fri, 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06', -360, 'RFC 5322'],
  ['Tue, 1 Jul 2003 10:52:37 +0200', '2003-07-01T08:52:37', 120, 'one digit'],
  ['1 Jul 2003 10:52:37 +0200', '2003-07-01T08:52:37', 120, 'no day name'],
  ['Tue, 01 Jul 2003 10:52 +0200', '2003-07-01T08:52:00', 120, 'no seconds'],
  ['21 Nov 97 09:55:06 GMT', '1997-11-21T09:55:06', 0, 'two digits of year (RFC 5322 A.6.2)'],
  ['21 Nov 07 09:55:06 GMT', '2007-11-21T09:55:06', 0, 'two digits of this century'],
  ['21 Nov 101 09:55:06 GMT', '2001-11-21T09:55:06', 0, 'three digits'],
  ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06', -360, 'space within the time'],
  [
    'Thu,\r\n  13\r\n    Feb\r\n 1969\r\n 23:32 -0330 (Newfoundland (Time))',
    '1969-02-14T03:02:00',
    -210,
    'folded',
  ],
  ['Tue, 15 Nov 1994 12:45:26 EST', '1994-11-15T17:45:26', -300, 'a named zone'],
  ['Tue, 15 Nov 1994 12:45:26 +0900 (KST)', '1994-11-15T03:45:26', 540, 'a zone named beside'],
  ['Tue, 15 Nov 1994 12:45:26 GMT+0900', '1994-11-15T03:45:26', 540, 'two zones'],
  ['Tue, 15 Nov 1994 12:45:26 +09:00', '1994-11-15T03:45:26', 540, 'a colon in the zone'],
  ['Tue, 15 Nov 1994 12:45:26 K', '1994-11-15T12:45:26', 0, 'a military zone means nothing (RFC 5322 §4.3)'],
  ['Tue, 15 Nov 1994 12:45:26 -0000', '1994-11-15T12:45:26', 0, 'zone not known'],
  ['Tue, 15 Nov 1994 12:45:26', '1994-11-15T12:45:26', 0, 'no zone'],
  ['Tue Nov 15 12:45:26 1994', '1994-11-15T12:45:26', 0, 'asctime'],
  ['Tue Nov 15 12:45:26 EST 1994', '1994-11-15T17:45:26', -300, 'date(1)'],
  ['Tue, 15-Nov-1994 12:45:26 GMT', '1994-11-15T12:45:26', 0, 'dashes'],
  ['Tue, 15-Nov-94 12:45:26 -0100', '1994-11-15T13:45:26', -60, 'dashes, two digits'],
  ['1994-11-15T12:45:26Z', '1994-11-15T12:45:26', 0, 'ISO 8601'],
  ['1994-11-15 12:45:26.123 +0900', '1994-11-15T03:45:26', 540, 'ISO order'],
  ['Tuesday, November 15, 1994 12:45:26 PM', '1994-11-15T12:45:26', 0, 'long names, noon'],
  ['15 Nov 1994 1:45:26 pm', '1994-11-15T13:45:26', 0, 'afternoon'],
  ['15 Nov 1994 12.45.26 +0000', '1994-11-15T12:45:26', 0, 'dots in the time'],
  ['31 Dec 1998 23:59:60 +0000', '1998-12-31T23:59:59', 0, 'a leap second'],
  ['15 Nov 1994', '1994-11-15T00:00:00', 0, 'no time'],
  ['31 Feb 1994 00:00:00 +0000', undefined, 0, 'no such day'],
  ['15 Nov 1994 25:00:00 +0000', undefined, 0, 'no such hour'],
  ['15 Nov 1994 10:99:00 +0000', undefined, 0, 'no such minute'],
  ['15 Foo 1994 10:00:00', undefined, 0, 'no such month'],
  ['yesterday', undefined, 0, 'words'],
  ['', undefined, 0, 'nothing'],
  ['Nov 15 12345678 10:00', undefined, 0, 'a year too long'],
  ['('.repeat(1000), undefined, 0, 'comments without end'],
] as const
for (const [text, iso, offset, why] of dates)
  test(`parseDate() ${why}: ${text.slice(0, 60)}`, () =>
    assert.deepEqual(parseDate(text), iso && { utc: Date.parse(`${iso}Z`), offset }))

const moment = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }).map(seconds => seconds * 1000)
const zone = fc.integer({ min: -24 * 60 + 1, max: 24 * 60 - 1 })

test('what formatDate() writes parseDate() reads', () => {
  const recent = fc.integer({ min: -30_000_000_000, max: 253_402_000_000 }).map(seconds => seconds * 1000)
  fc.assert(
    fc.property(recent, zone, (utc, offset) =>
      assert.deepEqual(parseDate(formatDate(utc, offset)), { utc, offset }),
    ),
  )
  assert.equal(formatDate(Date.UTC(1994, 10, 5, 13, 12, 31), -300), 'Sat, 5 Nov 1994 08:12:31 -0500')
})

test('what formatInternalDate() writes parseInternalDate() reads', () => {
  fc.assert(
    fc.property(moment, fc.integer({ min: 0, max: 14 * 60 }), (utc, offset) => {
      const inside = Math.min(utc, 253_402_200_000_000)
      assert.deepEqual(parseInternalDate(formatInternalDate(inside, offset)), { utc: inside, offset })
    }),
  )
  assert.equal(formatInternalDate(Date.UTC(1996, 6, 7, 9, 44, 25), -420), ' 7-Jul-1996 02:44:25 -0700')
})

for (const text of [
  '17-Jul-1996 02:44:25',
  '17-Jul-1996 24:44:25 -0700',
  '32-Jul-1996 02:44:25 -0700',
  '17-Jux-1996 02:44:25 -0700',
  '17-Jul-96 02:44:25 -0700',
  '17-Jul-1996 02:44:25 -0770',
  '"17-Jul-1996 02:44:25 -0700"',
])
  test(`parseInternalDate() refuses ${text}`, () => assert.equal(parseInternalDate(text), undefined))

test('parseDay() and dayOf() count the same days, whatever the zone', () => {
  assert.equal(parseDay('1-Feb-1970'), 31)
  assert.equal(parseDay('30-Feb-1970'), undefined)
  const evening = parseDate('31 Jan 1970 23:30:00 -0800')
  assert.equal(evening && dayOf(evening), 30)
  const morning = parseDate('1 Feb 1970 00:30:00 +0900')
  assert.equal(morning && dayOf(morning), 31)
})

test('parseDate() and the IMAP readers take any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789+-:.() ,\\nov', 'Nov', 'GMT') }), text => {
      const date = parseDate(text)
      assert.ok(date === undefined || Number.isFinite(date.utc))
      parseInternalDate(text)
      parseDay(text)
    }),
  )
})
