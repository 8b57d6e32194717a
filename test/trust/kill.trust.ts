/**
 * kill -9 at random moments to every process of a suite under load: what was answered is there exactly once and whole,
 * no UID is given twice, no lock holds anybody up, and only tmp/ holds what is left over. ROUNDS and SEED may be given.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { cleanTmp } from '../../lib/maildir/maildir.js'
import { Sink } from '../relay/sink.js'
import { Fleet, users } from './fleet.js'
import { Ledger } from './ledger.js'
import { folders, type Stage, work } from './load.js'
import { survey } from './survey.js'
import { Uids } from './uids.js'

const rounds = Number(process.env['ROUNDS'] ?? 10)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Longest that a survey may take: a lock that nobody lets go holds it up for longer. */
const patience = 20_000

test(`${rounds} rounds of kill -9 under load (seed ${seed})`, async t => {
  const sink = await Sink.start()
  const fleet = await Fleet.start(sink.port)
  const ledger = new Ledger(seed)
  const stage: Stage = {
    fleet,
    ledger,
    uids: new Uids(),
    sink,
    sent: new Set(),
    provided: new Map(),
    halted: false,
  }
  try {
    await survey(stage)
    for (let round = 1; round <= rounds && ledger.faults.length === 0; round++) {
      await kills(stage)
      await inTime(survey(stage), `the survey of round ${round}`)
      if (ledger.faults.length > 0) t.diagnostic(`round ${round}`)
    }
    if (ledger.faults.length === 0) await last(stage)
    t.diagnostic(`${fleet.kills} kills; answered ${told(ledger.done)}; cut off ${told(ledger.cut)}`)
    t.diagnostic(
      `${stage.provided.size} messages fetched, ${stage.sent.size} sent, ${ledger.entries.size} are there`,
    )
    assert.deepEqual(ledger.faults, [])
    const wrong = fleet.logs
      .join('\n')
      .split('\n')
      .filter(line => /level=error|^<3>|stack|Unhandled|TypeError/.test(line))
    assert.deepEqual(wrong, [])
  } finally {
    if (process.env['TRUST_LOGS']) process.stderr.write(fleet.logs.join('\n'))
    await fleet.stop()
    await sink.close()
    if (!process.env['TRUST_KEEP']) fleet.remove()
  }
})

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([what, count]) => `${what} ${count}`)
    .sort()
    .join(', ')
}

/** One round: load for a moment, kill some or all of the processes, wait for what goes on, start them again. */
async function kills(stage: Stage): Promise<void> {
  const { fleet, ledger } = stage
  const { chance } = ledger
  stage.halted = false
  const working = work(stage)
  await delay(100 + chance.below(1_500))
  const all = chance.below(4) === 0
  const chosen = fleet.daemons.filter(() => all || chance.below(3) === 0)
  if (chance.below(2) === 0) fleet.killChild()
  for (const daemon of chosen) {
    await fleet.kill(daemon)
    if (chance.below(2) === 0) await delay(chance.below(200))
  }
  fleet.killChild()
  stage.halted = true
  await inTime(working, 'the clients')
  await fleet.up()
}

async function inTime(work: Promise<void>, what: string): Promise<void> {
  const late = delay(patience, 'late', { ref: false })
  if ((await Promise.race([work, late])) === 'late')
    throw new Error(`${what} took longer than ${patience} ms`)
}

/** In the end everything arrives, and what the dead left behind is cleaned away when it is old enough. */
async function last(stage: Stage): Promise<void> {
  const { fleet, ledger, provided, sent, sink } = stage
  for (let tries = 0; ; tries++) {
    const status = await fleet.run('mail-fetch', ['--once'])
    if (status === 0) break
    assert.ok(status === 75 && tries < 60, `mail-fetch ended with ${status}`)
    await delay(500)
  }
  for (let tries = 0; tries < 60 && missing(stage).length > 0; tries++) {
    await fleet.run('mail-relay', ['--once', '--all'])
    await delay(250)
  }
  await survey(stage)
  assert.deepEqual(missing(stage), [], 'taken, and not sent')
  const there = new Set<string>()
  for (const { text } of sink.received) there.add(/^X-Trust: (\S+)\r$/m.exec(text)?.[1] ?? '')
  assert.ok([...sent].every(id => there.has(id)))
  const { ImapClient } = await import('../support/imap-client.js')
  const client = await ImapClient.login(fleet.port('mail-imapd'), 'dave', 'pw')
  const count = Number(/^(\d+) EXISTS/m.exec((await client.ok('EXAMINE INBOX')).join('\n'))?.[1])
  client.close()
  assert.equal(count, provided.size, 'all that the provider has was fetched once')
  let left = 0
  for (const user of users)
    for (const folder of folders) {
      const maildir = folder === 'INBOX' ? fleet.maildir(user) : join(fleet.maildir(user), `.${folder}`)
      left += readdirSync(join(maildir, 'tmp')).length
      await cleanTmp(maildir, Date.now() + 37 * 3_600_000)
      assert.deepEqual(readdirSync(join(maildir, 'tmp')), [])
    }
  ledger.done.set('left in tmp', left)
}

function missing({ sent, sink }: Stage): string[] {
  const there = new Set(sink.received.map(({ text }) => /^X-Trust: (\S+)\r$/m.exec(text)?.[1] ?? ''))
  return [...sent].filter(id => !there.has(id))
}
