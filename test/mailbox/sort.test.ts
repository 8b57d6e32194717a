/** Sorting: the order itself, and the columns it reads. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeHeadline } from '../../lib/mailbox/headline.js'
import { Ids } from '../../lib/mailbox/ids.js'
import { ordered } from '../../lib/mailbox/sort.js'
import { Texts } from '../../lib/mailbox/texts.js'
import { readHeader } from '../../lib/message/header.js'
import type { SortField, SortKey } from '../../lib/message/query.js'
import { Pacer } from '../../lib/sys/pacer.js'
import { add, bareMaildir, openInbox, put } from './support.js'

const by = (field: SortField, reverse = false): SortKey => ({ field, reverse })
const all = { kind: 'all' } as const

test('ordered() sorts as a stable sort does', async () => {
  const number = fc.oneof(
    fc.integer({ min: -5, max: 5 }),
    fc.integer(),
    fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(number), fc.boolean(), async (numbers, reverse) => {
      const positions = Uint32Array.from(numbers, (_, i) => i)
      const sorted = await ordered(positions, Float64Array.from(numbers), reverse, new Pacer())
      const wanted = numbers
        .map((value, i) => ({ value, i }))
        .sort((a, b) => (reverse ? b.value - a.value : a.value - b.value) || a.i - b.i)
      assert.deepEqual(
        [...sorted],
        wanted.map(({ i }) => i),
      )
    }),
  )
})

function number(texts: Texts, text: string): number {
  const octets = Buffer.from(text)
  return texts.add(octets, 0, octets.length)
}

test('texts keep their order when more are added', async () => {
  const texts = new Texts()
  const numbers = ['b', '', 'd', 'b'].map(text => number(texts, text))
  assert.deepEqual(numbers, [1, 0, 2, 1])
  assert.deepEqual([...(await texts.ranks(new Pacer()))], [0, 1, 2])
  assert.deepEqual(
    ['a', 'c', '', '😀', '\uffee'].map(text => number(texts, text)),
    [3, 4, 0, 5, 6],
  )
  assert.deepEqual([...(await texts.ranks(new Pacer()))], [0, 2, 4, 1, 3, 6, 5])
})

test('ten thousand texts are ranked as they are sorted', async () => {
  const texts = new Texts()
  const words = Array.from({ length: 10_000 }, (_, i) => `T${(i * 7919) % 10_007}`)
  const numbers = words.map(text => number(texts, text))
  const ranks = await texts.ranks(new Pacer())
  const byRank: string[] = []
  for (const [i, number] of numbers.entries()) byRank[ranks[number]! - 1] = words[i]!
  assert.deepEqual(byRank, words.toSorted())
})

test('Message-IDs have a number each', () => {
  const ids = new Ids()
  assert.equal(ids.add([0, 0]), 0)
  const numbers = Array.from({ length: 1_000 }, (_, i) => ids.add([i & 63, i + 1]))
  assert.equal(new Set(numbers).size, 1_000)
  assert.deepEqual(
    Array.from({ length: 1_000 }, (_, i) => ids.add([i & 63, i + 1])),
    numbers,
  )
})

const headline = (text: string) => makeHeadline(readHeader(Buffer.from(text, 'latin1')))

test('a headline holds what is sorted by', () => {
  const made = headline(
    'Subject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nFrom: "A, b" <c@d>\nTo: group: x@y;\nCc: k@l\nDate: Tue, 3 Mar 2020 23:30:00 -0800\nMessage-ID: <1@x>\nReferences: <2@x> <3@x>\nIn-Reply-To: <4@x>\n\n',
  )
  assert.equal(made.isReply, true)
  assert.equal(made.sent, Date.UTC(2020, 2, 4, 7, 30) / 1000)
  assert.equal(made.references.length, 2)
  assert.deepEqual(made.texts.slice(1), ['C', 'GROUP', 'K', 'A, B', 'GROUP'])
})

test('a header without anything has a headline', () => {
  const made = headline('\n')
  assert.deepEqual(made.texts, ['', '', '', '', '', ''])
  assert.ok(Number.isNaN(made.sent))
  assert.deepEqual([made.id, made.references], [[0, 0], []])
})

test('of References the first and the last hundred count', () => {
  const ids = Array.from({ length: 500 }, (_, i) => `<${i}@x>`)
  const made = headline(`References: ${ids.join('\n ')}\n\n`)
  const one = (id: string) => headline(`Message-ID: ${id}\n\n`).id
  assert.equal(made.references.length, 100)
  assert.deepEqual(made.references[0], one('<0@x>'))
  assert.deepEqual(made.references[1], one('<401@x>'))
  assert.deepEqual(made.references.at(-1), one('<499@x>'))
})

test('a mailbox is sorted, and sorted again when it has changed', async () => {
  const root = bareMaildir()
  put(root, 'cur/1.a:2,', 'Subject: b\n\n', Date.UTC(2020, 0, 1))
  put(root, 'cur/2.b:2,', 'Subject: Re: a\n\n', Date.UTC(2020, 0, 3))
  put(root, 'cur/3.c:2,', 'Subject: c\nDate: 1 Jan 2000 00:00:00 +0000\n\n', Date.UTC(2020, 0, 2))
  const mailbox = await openInbox(root)
  const view = await mailbox.select()
  const sorted = (...order: SortKey[]) => mailbox.sort(all, order, view)
  assert.deepEqual(await sorted(by('subject')), [2, 1, 3])
  assert.deepEqual(await sorted(by('date')), [3, 1, 2])
  assert.deepEqual(await sorted(by('date', true)), [2, 1, 3])
  assert.deepEqual(await sorted(by('arrival')), [1, 3, 2])
  assert.deepEqual(await sorted(by('from'), by('subject', true)), [3, 1, 2])
  await add(mailbox, 'Subject: [x] aa\r\n\r\n')
  view.sync({ expunge: true })
  assert.deepEqual(await sorted(by('subject')), [2, 4, 1, 3])
  await mailbox.remove([1])
  assert.deepEqual(await sorted(by('subject')), [2, 4, 3], 'who is gone is in no result')
  view.sync({ expunge: true })
  assert.deepEqual(await sorted(by('subject', true)), [3, 4, 2])
  view.close()
  mailbox.close()
})
