import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Mailbox } from '../../lib/mailbox/mailbox.js'
import type { View } from '../../lib/mailbox/view.js'
import { Flag } from '../../lib/message/flags.js'
import type { SearchKey } from '../../lib/message/query.js'
import { add, bareMaildir, files, openInbox, put } from './support.js'

const day = (year: number, month: number, date: number) => Date.UTC(year, month - 1, date) / 86_400_000
const at = (year: number, month: number, date: number, hour = 0, minute = 0) =>
  Date.UTC(year, month - 1, date, hour, minute)

/** Octets that are no UTF-8 stand as \xNN. */
const messages: readonly { text: string; flags?: string[]; date?: number }[] = [
  {
    text: 'From: Alice Ängström <alice@example.org>\nTo: bob@example.net\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus K=\nDate: Tue, 3 Mar 2020 23:30:00 -0800\n\nHello World\n',
    flags: ['\\Seen', 'Work'],
    date: at(2020, 3, 5),
  },
  {
    text: 'From: bob@example.net\nCc: Carol <carol@example.org>\nSubject: =?ks_c_5601-1987?B?sKG0ww==?= =?utf-8?B?6rCA?=\nDate: Wed, 4 Mar 2020 07:30:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\npreamble secret\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n7JWI64WV7ZWY7IS47JqUIMOJY2xhaXI=\n--b\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>caf=E9 <b>br=\noken</b> &amp; tea</p><style>hidden</style>\n--b--\n',
    flags: ['\\Flagged'],
    date: at(2020, 3, 6, 23, 59),
  },
  {
    text: 'Subject: attached\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee below\n--b\nContent-Type: application/octet-stream; name="budget.xls"\nContent-Transfer-Encoding: base64\n\naGlkZGVuIHRyZWFzdXJl\n--b\nContent-Type: message/rfc822\n\nSubject: inner subject\nX-Inner: yes\n\ninner body\n--b--\n',
    date: at(2020, 3, 7),
  },
  {
    text: 'X-Empty:\nX-Long: first\n second\n\n',
    flags: ['\\Deleted', '\\Answered', '\\Draft'],
    date: at(2020, 3, 8),
  },
  { text: 'Subject: raw \xe9\xe8\nDate: nonsense\n\nt\xe9st\n', date: at(2020, 3, 9) },
]

let inbox: Mailbox
let view: View

before(async () => {
  inbox = await openInbox(bareMaildir())
  for (const { text, flags, date } of messages) {
    const delivery = await inbox.begin()
    await delivery.write(
      Buffer.from(text, 'latin1').includes(0xe9) ? Buffer.from(text, 'latin1') : Buffer.from(text),
    )
    await inbox.append([{ delivery, flags: flags ?? [], ...(date === undefined ? {} : { date }) }])
  }
  view = await inbox.select()
})

after(() => {
  view.close()
  inbox.close()
})

const all = [1, 2, 3, 4, 5]
const not = (key: SearchKey): SearchKey => ({ kind: 'not', key })
const cases: readonly [string, SearchKey, number[]][] = [
  ['all', { kind: 'all' }, all],
  [
    'sequence numbers',
    {
      kind: 'seq',
      set: [
        [4, 9],
        [1, 2],
        [2, 2],
      ],
    },
    [1, 2, 4, 5],
  ],
  [
    'overlapping ranges',
    {
      kind: 'uid',
      set: [
        [1, 4],
        [2, 2],
      ],
    },
    [1, 2, 3, 4],
  ],
  ['no numbers', { kind: 'uid', set: [] }, []],
  ['a flag', { kind: 'flag', flag: Flag.seen }, [1]],
  ['not a flag', not({ kind: 'flag', flag: Flag.seen }), [2, 3, 4, 5]],
  ['a keyword in any case', { kind: 'keyword', keyword: 'WORK' }, [1]],
  ['a keyword nobody has', { kind: 'keyword', keyword: 'play' }, []],
  ['recent', { kind: 'recent' }, all],
  [
    'and',
    {
      kind: 'and',
      keys: [
        { kind: 'body', value: 'hello' },
        { kind: 'flag', flag: Flag.seen },
      ],
    },
    [1],
  ],
  [
    'or',
    {
      kind: 'or',
      keys: [
        { kind: 'flag', flag: Flag.draft },
        { kind: 'from', value: 'BOB' },
      ],
    },
    [2, 4],
  ],
  ['from, without case', { kind: 'from', value: 'alice' }, [1]],
  ['from, 8-bit, without case', { kind: 'from', value: 'äNGSTRÖM' }, [1]],
  ['to', { kind: 'to', value: 'bob@' }, [1]],
  ['cc', { kind: 'cc', value: 'carol <carol@example.org>' }, [2]],
  ['bcc', { kind: 'bcc', value: 'x' }, []],
  ['subject, encoded word', { kind: 'subject', value: 'grüße AUS' }, [1]],
  ['subject, Korean in two charsets', { kind: 'subject', value: '가늘가' }, [2]],
  ['subject, in jamo', { kind: 'subject', value: '가늘'.normalize('NFD') }, [2]],
  ['subject, unlabelled 8-bit', { kind: 'subject', value: 'ÉÈ' }, [5]],
  ['an empty subject is in all', { kind: 'subject', value: '' }, all],
  ['header, folded', { kind: 'header', name: 'x-LONG', value: 'FIRST second' }, [4]],
  ['header that is there', { kind: 'header', name: 'x-empty', value: '' }, [4]],
  ['header of a message within is none', { kind: 'header', name: 'x-inner', value: '' }, []],
  ['body', { kind: 'body', value: 'hello world' }, [1]],
  ['body, not the header', { kind: 'body', value: 'alice' }, []],
  ['body, base64', { kind: 'body', value: '안녕하세요' }, [2]],
  ['body, composed or not', { kind: 'body', value: 'e\u0301clair' }, [2]],
  ['body, HTML in latin1, soft line end', { kind: 'body', value: 'CAFÉ broken & tea' }, [2]],
  ['body, not the style sheet', { kind: 'body', value: 'hidden' }, []],
  ['body, not what is attached', { kind: 'body', value: 'treasure' }, []],
  ['body, name of what is attached', { kind: 'body', value: 'BUDGET.xls' }, [3]],
  ['body, message within', { kind: 'body', value: 'inner body' }, [3]],
  ['body, header of a message within', { kind: 'body', value: 'x-inner: yes' }, [3]],
  ['body, unlabelled 8-bit', { kind: 'body', value: 'tést' }, [5]],
  ['an empty body is in all', { kind: 'body', value: '' }, all],
  ['text, header', { kind: 'text', value: 'alice' }, [1]],
  ['text, body', { kind: 'text', value: 'éclair' }, [2]],
  ['text, name of a field', { kind: 'text', value: 'x-empty' }, [4]],
  ['not text', not({ kind: 'text', value: 'subject' }), [4]],
  ['since', { kind: 'since', day: day(2020, 3, 6) }, [2, 3, 4, 5]],
  ['before', { kind: 'before', day: day(2020, 3, 6) }, [1]],
  ['on', { kind: 'on', day: day(2020, 3, 6) }, [2]],
  ['sentsince, in the zone of the message', { kind: 'sentsince', day: day(2020, 3, 4) }, [2]],
  ['sentbefore', { kind: 'sentbefore', day: day(2020, 3, 4) }, [1]],
  ['senton', { kind: 'senton', day: day(2020, 3, 3) }, [1]],
  ['savedon: today', { kind: 'savedsince', day: Math.floor(Date.now() / 86_400_000) - 1 }, all],
  ['savedbefore', { kind: 'savedbefore', day: day(2021, 1, 1) }, []],
  ['older', { kind: 'older', seconds: 3600 }, all],
  ['younger', { kind: 'younger', seconds: 3600 }, []],
  ['larger', { kind: 'larger', size: 300 }, [2, 3]],
  ['smaller, in wire octets', { kind: 'smaller', size: 40 }, [4]],
  ['modseq', { kind: 'modseq', modseq: 1 }, all],
]
for (const round of ['first', 'again, from the cache'])
  for (const [what, key, expected] of cases)
    test(`search for ${what} (${round})`, async () =>
      assert.deepEqual(await inbox.search(key, view), expected))

test('messages that are gone are in no result, whatever was asked', async () => {
  const root = bareMaildir()
  for (const i of [1, 2, 3]) put(root, `cur/${i}.M1P1.h:2,`, `Subject: ${i}\n\nbody\n`)
  const mailbox = await openInbox(root)
  const session = await mailbox.select()
  rmSync(join(root, files(root)[1]!))
  assert.deepEqual(await mailbox.search(not({ kind: 'body', value: 'nothing' }), session), [1, 3])
  await mailbox.remove([1])
  await mailbox.refresh()
  assert.deepEqual(await mailbox.search({ kind: 'seq', set: [[3, 3]] }, session), [3])
  assert.deepEqual(await mailbox.search({ kind: 'all' }, session), [3])
  session.close()
  mailbox.close()
})

test('a long header is searched to its end', async () => {
  const mailbox = await openInbox(bareMaildir())
  await add(
    mailbox,
    `${`X-Filler: ${'x'.repeat(70)}\r\n`.repeat(300)}Subject: far\r\nX-Last: here\r\n\r\nbody\r\n`,
  )
  const session = await mailbox.select()
  assert.deepEqual(await mailbox.search({ kind: 'subject', value: 'far' }, session), [1])
  assert.deepEqual(await mailbox.search({ kind: 'header', name: 'x-last', value: 'here' }, session), [1])
  assert.match(readFileSync(join(mailbox.directory, files(mailbox.directory)[0]!), 'latin1'), /far/)
  session.close()
  mailbox.close()
})
