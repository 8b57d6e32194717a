/** Results that are kept up to date (RFC 5267 §4): a client that only follows what it is told always has them right. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomFrom } from '../support/generator.js'
import { ImapClient } from '../support/imap-client.js'
import { imapStage } from './imap-stage.js'

const random = randomFrom(5267)
const below = (limit: number) => Math.floor(random() * limit)

/** A result as the client has it. */
interface Kept {
  readonly command: string
  readonly uid: boolean
  tag: string
  numbers: number[]
}

function numbersOf(set: string): number[] {
  return set.split(',').flatMap(part => {
    const [first = 0, last = first] = part.split(':').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** What an ESEARCH response says is done to the result (§4.3.2): in the order in which it stands there. */
function apply(kept: Kept, items: string): void {
  for (const [, verb, pairs = ''] of items.matchAll(/(ADDTO|REMOVEFROM) \(([^)]*)\)/g))
    for (const [, position, set = ''] of pairs.matchAll(/(\d+) ([\d:,]+)/g)) {
      const numbers = numbersOf(set)
      const at = Number(position) - 1
      if (verb === 'ADDTO' && at < 0) kept.numbers = [...kept.numbers, ...numbers].sort((a, b) => a - b)
      else if (verb === 'ADDTO') kept.numbers.splice(at, 0, ...numbers)
      else if (at < 0) kept.numbers = kept.numbers.filter(number => !numbers.includes(number))
      else assert.deepEqual(kept.numbers.splice(at, numbers.length), numbers, kept.command)
    }
}

test('results follow whatever two sessions do', async () => {
  const stage = await imapStage()
  const [watching, acting] = [
    await ImapClient.login(stage.port, 'alice', 'wonderland'),
    await ImapClient.login(stage.port, 'alice', 'wonderland'),
  ]
  const append = () =>
    acting.ok(
      `APPEND INBOX${random() < 0.5 ? ' (\\Flagged)' : ''}`,
      Buffer.from(`Subject: ${below(20)}\r\nFrom: ${below(5)}@x\r\n\r\nx\r\n`),
    )
  try {
    for (let i = 0; i < 20; i++) await append()
    const list: Kept[] = [
      'UID SEARCH RETURN (UPDATE ALL) FLAGGED',
      'SEARCH RETURN (UPDATE ALL) NOT SEEN',
      'UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNDELETED',
      'SORT RETURN (UPDATE ALL) (REVERSE FROM SUBJECT) UTF-8 UNFLAGGED',
    ].map(command => ({ command, uid: command.startsWith('UID'), tag: '', numbers: [] }))
    watching.onUntagged = line => {
      const [, tag, items = ''] = /^ESEARCH \(TAG "(\w+)"\)(.*)$/.exec(line) ?? []
      const kept = list.find(each => each.tag === tag)
      if (kept) apply(kept, items)
      const [, gone] = /^(\d+) EXPUNGE/.exec(line) ?? []
      if (gone === undefined) return
      for (const each of list) {
        if (each.uid) continue
        assert.ok(!each.numbers.includes(Number(gone)), 'REMOVEFROM comes before EXPUNGE')
        each.numbers = each.numbers.map(number => (number > Number(gone) ? number - 1 : number))
      }
    }
    await watching.ok('SELECT INBOX')
    await acting.ok('SELECT INBOX')
    for (const kept of list) {
      const [line = ''] = await watching.ok(kept.command)
      kept.tag = /TAG "(\w+)"/.exec(line)?.[1] ?? ''
      kept.numbers = numbersOf(/ ALL ([\d:,]+)/.exec(line)?.[1] ?? '')
    }
    for (let step = 0; step < 80; step++) {
      const one = `${1 + below(acting.uids.length)}`
      const flag = ['\\Flagged', '\\Seen', '\\Deleted'][below(3)]
      const act = below(10)
      const session = random() < 0.3 ? watching : acting
      if (act < 2) await append()
      else if (act < 8)
        await session.ok(
          `STORE ${one}:${below(2) ? one : '*'} ${below(2) ? '+' : '-'}FLAGS${below(2) ? '' : '.SILENT'} (${flag})`,
        )
      else if (act < 9) await acting.ok('EXPUNGE')
      else await acting.ok(`COPY ${one} INBOX`)
      await acting.ok('NOOP')
      // While numbers are kept, what went is told by REMOVEFROM alone.
      if (below(3) === 0) await watching.ok('SEARCH ALL')
      await watching.ok('NOOP')
      for (const kept of list) {
        const [line = ''] = await watching.ok(kept.command.replace('UPDATE ', ''))
        const now = / ALL ([\d:,]+)/.exec(line)?.[1]
        assert.deepEqual(
          kept.numbers,
          now === undefined ? [] : numbersOf(now),
          `step ${step}: ${kept.command}`,
        )
      }
      if (acting.uids.length < 8) for (let i = 0; i < 5; i++) await append()
      await acting.ok('NOOP')
      await watching.ok('NOOP')
    }
  } finally {
    watching.close()
    acting.close()
    await stage.close()
  }
})
