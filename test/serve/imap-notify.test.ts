/** Who listens by NOTIFY knows in the end what there is, whatever others did, and without one command of its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ImapClient } from '../support/imap-client.js'
import { until } from '../support/world.js'
import { type ImapStage, imapStage } from './imap-stage.js'

const patience = 20_000
const message = Buffer.from('Subject: a\r\n\r\nb\r\n')

/** What somebody does to INBOX and Work, each from a session of its own. */
const change = fc.oneof(
  fc.record({ who: fc.nat(1), what: fc.constantFrom('append', 'file', 'expunge', 'copy', 'move', 'noop') }),
  fc.record({
    who: fc.nat(1),
    what: fc.constantFrom('+FLAGS (\\Deleted)', '-FLAGS (\\Deleted)', '+FLAGS (\\Seen)'),
  }),
)

async function make({ who, what }: { who: number; what: string }, actors: ImapClient[], stage: ImapStage) {
  const actor = actors[who] as ImapClient
  const [here, there] = who === 0 ? ['INBOX', 'Work'] : ['Work', 'INBOX']
  if (what === 'append') await actor.ok(`APPEND ${here}`, message)
  else if (what === 'file') stage.actions.message?.('alice', here, 'plain')
  else if (what === 'copy' || what === 'move') await actor.ok(`UID ${what} 1:3 ${there}`)
  else if (what.includes('FLAGS')) await actor.ok(`UID STORE 1:* ${what}`)
  else await actor.ok(what)
}

async function uidsOf(client: ImapClient): Promise<number[]> {
  const [line = ''] = (await client.ok('UID SEARCH ALL')).filter(each => each.startsWith('SEARCH'))
  return line.split(' ').slice(1).map(Number)
}

test('two listeners, two sessions that change things, and files that come', async () => {
  const stage = await imapStage()
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 3, maxLength: 25 }), async changes => {
        const login = () => ImapClient.login(stage.port, 'alice', 'wonderland')
        const [first, second, near, far] = await Promise.all([login(), login(), login(), login()])
        await first.command('CREATE Work')
        await first.ok('SELECT INBOX')
        await second.ok('SELECT Work')
        await near.ok('SELECT INBOX')
        near.uids.splice(0, near.uids.length, ...(await uidsOf(near)))
        await near.ok(
          'NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange)) (mailboxes Work (MessageNew MessageExpunge))',
        )
        let status = ''
        far.onUntagged = line => {
          // What is told at once has HIGHESTMODSEQ; what follows has not, without CONDSTORE.
          if (line.startsWith('STATUS Work')) status = line.replace(/ HIGHESTMODSEQ \d+/, '')
        }
        await far.ok('NOTIFY SET STATUS (mailboxes Work (MessageNew MessageExpunge FlagChange))')
        near.listen()
        far.listen()
        for (const each of changes) await make(each, [first, second], stage)
        await first.ok('NOOP')
        const truth = await uidsOf(first)
        await until(() => JSON.stringify(near.uids) === JSON.stringify(truth), patience).catch(() =>
          assert.deepEqual([near.uids, near.trouble], [truth, undefined]),
        )
        const [now = ''] = await second.ok('STATUS Work (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)')
        await until(() => status === now, patience).catch(() => assert.equal(status, now))
        for (const client of [first, second, near, far]) client.close()
      }),
      { numRuns: 8, endOnFailure: true },
    )
    assert.deepEqual(
      stage.lines.filter(line => line.includes('notify-failed')),
      [],
    )
  } finally {
    await stage.close()
  }
})
