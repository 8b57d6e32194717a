/** Threads: small mailboxes, what the RFC says step by step, and what nobody should send. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { threadText } from '../../lib/imap/commands/thread.js'
import { Columns } from '../../lib/mailbox/columns.js'
import { linkReferences } from '../../lib/mailbox/references.js'
import type { ThreadAlgorithm } from '../../lib/message/query.js'
import { Pacer } from '../../lib/sys/pacer.js'
import { bareMaildir, openInbox, put } from './support.js'

const hour = 3_600_000

interface Case {
  readonly why: string
  /** Subject, Message-ID, references, and hours after the first day. */
  readonly messages: readonly (readonly [subject: string, id: string, references: string, hour: number])[]
  readonly references: string
  readonly refs: string
  readonly ordered: string
}

const cases: readonly Case[] = [
  { why: 'nothing', messages: [], references: '', refs: '', ordered: '' },
  {
    why: 'a conversation',
    messages: [
      ['x', 'a', '', 0],
      ['Re: x', 'b', 'a', 1],
      ['Re: x', 'c', 'a b', 2],
      ['Re: x', 'd', 'a', 3],
    ],
    references: '(1 (2 3)(4))',
    refs: '(1 (2 3)(4))',
    ordered: '(1 (2)(3)(4))',
  },
  {
    why: 'siblings are ordered by date, threads too',
    messages: [
      ['y', 'y', '', 9],
      ['x', 'a', '', 5],
      ['Re: x', 'b', 'a', 8],
      ['Re: x', 'c', 'a', 7],
    ],
    references: '(2 (4)(3))(1)',
    refs: '(2 (4)(3))(1)',
    ordered: '(2 (4)(3))(1)',
  },
  {
    why: 'REFS: threads by the newest message',
    messages: [
      ['x', 'a', '', 0],
      ['y', 'b', '', 1],
      ['Re: x', 'c', 'a', 2],
    ],
    references: '(1 3)(2)',
    refs: '(2)(1 3)',
    ordered: '(1 3)(2)',
  },
  {
    why: 'the one that is answered is not there',
    messages: [
      ['Re: x', 'b', 'gone', 0],
      ['Re: y', 'c', 'gone', 1],
    ],
    references: '((1)(2))',
    refs: '((1)(2))',
    ordered: '(1)(2)',
  },
  {
    why: 'one that answers nobody there is no child',
    messages: [['Re: x', 'b', 'gone older gone', 0]],
    references: '(1)',
    refs: '(1)',
    ordered: '(1)',
  },
  {
    why: 'who is not there between two is left out',
    messages: [
      ['x', 'a', '', 0],
      ['Re: x', 'c', 'a b', 1],
    ],
    references: '(1 2)',
    refs: '(1 2)',
    ordered: '(1 2)',
  },
  {
    why: 'a reply without references belongs to its subject',
    messages: [
      ['Re: x', 'b', '', 0],
      ['[list] x', 'a', '', 1],
      ['Fwd: x', 'c', '', 2],
    ],
    references: '(2 (1)(3))',
    refs: '(1)(2)(3)',
    ordered: '(1 (2)(3))',
  },
  {
    why: 'two of the same subject are siblings of nobody',
    messages: [
      ['x', 'a', '', 0],
      ['x', 'b', '', 1],
      ['Re: x', 'c', '', 2],
      ['x', 'd', '', 3],
    ],
    references: '((1)(2)(3)(4))',
    refs: '(1)(2)(3)(4)',
    ordered: '(1 (2)(3)(4))',
  },
  {
    why: 'dummies of one subject become one',
    messages: [
      ['Re: x', 'a', 'g1', 0],
      ['Re: z', 'b', 'g1', 1],
      ['Re: x', 'c', 'g2', 2],
      ['Re: z', 'd', 'g2', 3],
      ['x', 'e', '', 4],
    ],
    references: '((1)(2)(3)(4)(5))',
    refs: '((1)(2))((3)(4))(5)',
    ordered: '(1 (3)(5))(2 4)',
  },
  {
    why: 'an empty subject joins nothing',
    messages: [
      ['', 'a', '', 0],
      ['Re:', 'b', '', 1],
    ],
    references: '(1)(2)',
    refs: '(1)(2)',
    ordered: '(1 2)',
  },
  {
    why: 'a loop',
    messages: [
      ['x', 'a', 'b', 0],
      ['y', 'b', 'a', 1],
      ['z', 'c', 'a b a', 2],
    ],
    references: '(2 1 3)',
    refs: '(2 1 3)',
    ordered: '(1)(2)(3)',
  },
  {
    why: 'oneself',
    messages: [
      ['x', 'a', 'a', 0],
      ['y', 'b', 'b a', 1],
    ],
    references: '(2 1)',
    refs: '(2 1)',
    ordered: '(1)(2)',
  },
  {
    why: 'of two with one Message-ID the first has it',
    messages: [
      ['x', 'a', '', 0],
      ['y', 'a', '', 1],
      ['z', 'b', 'a', 2],
      ['w', '', '', 3],
    ],
    references: '(1 3)(2)(4)',
    refs: '(2)(1 3)(4)',
    ordered: '(1)(2)(3)(4)',
  },
  {
    why: 'what a message says of itself counts more',
    messages: [
      ['x', 'a', '', 0],
      ['y', 'b', '', 1],
      ['z', 'd', 'a c', 2],
      ['w', 'c', 'b', 3],
    ],
    references: '(1)(2 4 3)',
    refs: '(1)(2 4 3)',
    ordered: '(1)(2)(3)(4)',
  },
]

async function told(messages: Case['messages'], algorithm: ThreadAlgorithm): Promise<string> {
  const root = bareMaildir()
  for (const [i, [subject, id, references, at]] of messages.entries()) {
    const date = new Date(Date.UTC(2026, 0, 1) + at * hour).toUTCString()
    const lines = [
      `Subject: ${subject}\nDate: ${date}\n`,
      id && `Message-ID: <${id}@x>\n`,
      references &&
        `References: ${references
          .split(' ')
          .map(each => `<${each}@x>`)
          .join(' ')}\n`,
    ]
    put(root, `cur/${1000 + i}.m:2,`, `${lines.join('')}\n`)
  }
  const mailbox = await openInbox(root)
  const view = await mailbox.select()
  const text = await threadText(await mailbox.thread({ kind: 'all' }, algorithm, view), uid => uid)
  view.close()
  mailbox.close()
  return text
}

for (const { why, messages, references, refs, ordered } of cases)
  test(`threads: ${why}`, async () => {
    assert.equal(await told(messages, 'references'), references, 'REFERENCES')
    assert.equal(await told(messages, 'refs'), refs, 'REFS')
    assert.equal(await told(messages, 'orderedsubject'), ordered, 'ORDEREDSUBJECT')
  })

test('threads are written as RFC 5256 §4 shows them', async () => {
  const threads = {
    uids: [2, 3, 6, 4, 23, 44, 7, 96, 0, 3, 5],
    parents: [-1, -1, 1, 2, 3, 2, 5, 6, -1, 8, 8],
  }
  assert.equal(await threadText(threads, uid => uid), '(2)(3 6 (4 23)(44 7 96))((3)(5))')
})

/** Columns of messages that have numbers for Message-IDs. */
function columnsOf(messages: readonly { id: number; references: readonly number[] }[]): Columns {
  const columns = new Columns(1)
  columns.follow(messages.map((_, i) => i + 1))
  const number = (id: number) => (id === 0 ? 0 : columns.numbers.add([id, 7]))
  const references: number[] = []
  for (const [row, message] of messages.entries()) {
    columns.rows.ids[row] = number(message.id)
    columns.rows.referenceStarts[row] = references.length
    columns.rows.referenceCounts[row] = message.references.length
    references.push(...message.references.map(number))
  }
  columns.references = Uint32Array.from(references)
  return columns
}

const link = (messages: readonly { id: number; references: readonly number[] }[]) => {
  const rows = Uint32Array.from(messages, (_, i) => i)
  return linkReferences({ columns: columnsOf(messages), rows, byDate: rows }, new Pacer())
}

/** Steps 1 to 3 word by word: parents by Message-ID, loops found by walking up. */
function slowly(messages: readonly { id: number; references: readonly number[] }[]): number[] {
  const parents = new Map<string, string>()
  const positions = new Map<string, number>()
  const isBelow = (node: string | undefined, above: string): boolean =>
    node === above || (node !== undefined && isBelow(parents.get(node), above))
  const join = (child: string, parent: string) => {
    if (!isBelow(parent, child)) parents.set(child, parent)
  }
  const nodes = messages.map(({ id, references }, position) => {
    const node = id === 0 || positions.has(`${id}`) ? `own ${position}` : `${id}`
    positions.set(node, position)
    for (const [i, reference] of references.entries())
      if (i > 0 && !parents.has(`${reference}`)) join(`${reference}`, `${references[i - 1]}`)
    const last = references.at(-1)
    if (last === undefined || parents.get(node) !== `${last}`) parents.delete(node)
    if (last !== undefined && !parents.has(node)) join(node, `${last}`)
    return node
  })
  const anchors = nodes.map(node => {
    let anchor = parents.get(node)
    while (anchor !== undefined && !positions.has(anchor) && parents.has(anchor)) anchor = parents.get(anchor)
    return anchor
  })
  return anchors.map(anchor => {
    if (anchor === undefined) return -1
    const position = positions.get(anchor)
    if (position !== undefined) return position
    // Of dummies it matters only who shares one.
    return anchors.filter(other => other === anchor).length > 1
      ? messages.length + anchors.indexOf(anchor)
      : -1
  })
}

test('links are what following the RFC word by word makes them', async () => {
  const id = fc.integer({ min: 1, max: 8 })
  const message = fc.record({
    id: fc.integer({ min: 0, max: 8 }),
    references: fc.array(id, { maxLength: 5 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 10 }), async messages => {
      const { above } = await link(messages)
      const firsts = new Map<number, number>()
      const named = [...above].map((parent, position) => {
        if (parent < messages.length) return parent
        if (!firsts.has(parent)) firsts.set(parent, messages.length + position)
        return firsts.get(parent) as number
      })
      assert.deepEqual(named, slowly(messages))
    }),
    { numRuns: 1_000 },
  )
})

const many = 100_000

test('a thread of a hundred thousand, each answering the one before', async () => {
  const { above } = await link(
    Array.from({ length: many }, (_, i) => ({ id: i + 1, references: i === 0 ? [] : [i] })),
  )
  assert.ok(above.every((parent, position) => parent === position - 1))
  const text = await threadText(
    { uids: Uint32Array.from(above, (_, i) => i + 1), parents: above },
    uid => uid,
  )
  assert.ok(text.startsWith('(1 2 3 ') && text.endsWith(` ${many})`))
})

test('a hundred thousand messages that come backwards', async () => {
  const { above } = await link(
    Array.from({ length: many }, (_, i) => ({
      id: many - i,
      references: i === many - 1 ? [] : [many - i - 1],
    })),
  )
  assert.ok(above.every((parent, position) => parent === (position === many - 1 ? -1 : position + 1)))
})

test('a hundred thousand messages, each of which would close a loop over all others', async () => {
  const messages = Array.from({ length: many }, (_, i) => ({
    id: i + 1,
    references: i === 0 ? [] : [i, 1, i],
  }))
  const { above } = await link(messages)
  assert.ok(above.every((parent, position) => parent === position - 1))
})

test('a hundred thousand messages that nobody has, one after the other', async () => {
  const messages = Array.from({ length: many / 2 }, (_, i) => ({
    id: 0,
    references: [many + i, many + i + 1],
  }))
  const { above, dummies } = await link(messages)
  assert.equal(dummies, 1)
  assert.ok(above.every(parent => parent === messages.length))
})
