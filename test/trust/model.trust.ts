/**
 * Several of our processes, Dovecot, mbsync, mblaze and a program that renames files act on one Maildir at random; a
 * model says what may be seen (model-book.ts). What is planned comes from a seed; what happens at once is up to the
 * machine. SEED, SECONDS and CAST (all, ours, dovecot) may be given; KEEP=1 keeps the Maildir also when all is well.
 *
 * The short form plays the same few rounds each time, one deed after the other: what two programs do at the same
 * moment is for the whole form (`npm run model`), where a failure is looked into rather than run again.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { noDovecot } from '../support/dovecot.js'
import { has } from '../support/program.js'
import { Ledger } from './ledger.js'
import { Book } from './model-book.js'
import { folders } from './model-copy.js'
import { delivery, mblaze, mutt } from './model-files.js'
import { imap } from './model-imap.js'
import { type Actor, type Deed, planRound, type Round, sessionNames } from './model-plan.js'
import { Session } from './model-session.js'
import { Constants, type Doing, note, type Stage } from './model-stage.js'
import { survey } from './model-survey.js'
import { mbsync, pop3 } from './model-sync.js'
import { type Cast, World } from './model-world.js'
import { Uids } from './uids.js'

const isWhole = ['ROUNDS', 'SECONDS', 'SEED'].some(name => process.env[name] !== undefined)
const seconds = Number(process.env['SECONDS'] ?? 240)
const seed = Number(process.env['SEED'] ?? (isWhole ? Date.now() % 1_000_000 : 1))
/** Rounds of the short form. */
const few = 8
const casts = (process.env['CAST']?.split(',') ?? ['all', 'ours']) as Cast[]

const missing = ['mbsync', 'mdeliver', 'mflag'].find(program => !has(program))
const skip = noDovecot() || (missing !== undefined && `${missing} is not installed`)

const doings: Readonly<Record<Actor, Doing>> = {
  ...(Object.fromEntries(sessionNames.map(name => [name, imap])) as Record<
    (typeof sessionNames)[number],
    Doing
  >),
  delivery,
  pop3,
  mblaze,
  mutt,
  mbsync,
}

for (const cast of casts)
  test(`${cast} on one Maildir, ${isWhole ? `${seconds} s` : `${few} rounds in turn`} (seed ${seed})`, {
    skip,
  }, async t => {
    const world = await World.start(cast)
    const stage = await stageOf(world)
    let isWell = false
    try {
      const end = performance.now() + seconds * 1000
      const faults = await survey(stage)
      let number = 0
      for (; faults.length === 0 && (isWhole ? performance.now() < end : number < few); number++) {
        const round = planRound(seed, number)
        await play(stage, isWhole ? round : { ...round, mode: 'in turn' }, number)
        note(stage, '', '-- survey')
        faults.push(...(await survey(stage)), ...complaints(stage))
      }
      const told = [...stage.ledger.done].map(([what, count]) => `${what} ${count}`).sort()
      t.diagnostic(`${number} rounds; ${told.join(', ')}`)
      const theirs = [...stage.book.excused].map(([what, count]) => `${what} ${count}`).join(', ')
      if (theirs !== '') t.diagnostic(`Dovecot's own doing: ${theirs}`)
      isWell = faults.length === 0
      if (!isWell) explain(stage, faults, number)
      assert.deepEqual(faults, [])
    } finally {
      for (const session of stage.sessions.values()) session.close()
      await world.stop()
      if (isWell && !process.env['KEEP']) world.remove()
    }
  })

async function stageOf(world: World): Promise<Stage> {
  const stage: Stage = {
    world,
    book: new Book(),
    ledger: new Ledger(seed),
    uids: new Map(world.servers.map(server => [server, new Uids()])),
    constants: new Constants(),
    sessions: new Map(),
    history: [],
  }
  for (const name of sessionNames) stage.sessions.set(name, new Session(stage, name, world.serverOf(name)))
  const [first] = stage.sessions.values()
  for (const folder of folders) if (folder !== 'INBOX') await first?.say(`CREATE ${folder}`)
  return stage
}

/** One round: all actors at once, or one deed after the other. */
async function play(stage: Stage, { mode, deeds }: Round, number: number): Promise<void> {
  note(stage, '', `-- round ${number}, ${mode}`)
  if (mode === 'in turn') for (const deed of deeds) await act(stage, deed)
  else {
    const lanes = new Map<Actor, Deed[]>()
    for (const deed of deeds) lanes.set(deed.actor, [...(lanes.get(deed.actor) ?? []), deed])
    await Promise.all(
      [...lanes.values()].map(async lane => {
        for (const deed of lane) await act(stage, deed)
      }),
    )
  }
}

async function act(stage: Stage, deed: Deed): Promise<void> {
  const { done } = stage.ledger
  done.set(deed.what, (done.get(deed.what) ?? 0) + 1)
  try {
    await doings[deed.actor](stage, deed)
  } catch (error) {
    stage.book.faults.push(`${deed.actor}: ${deed.what}: ${(error as Error).stack}`)
  }
}

/** What Dovecot says of folders that others delete under its hands. */
const deleted = /^dovecot: .*(?:\/\.Temp2?\/|Mailbox Temp2?:)/

/** What the programs logged that they should not. */
function complaints({ world }: Stage): string[] {
  return world
    .news()
    .filter(line => !deleted.test(line))
    .filter(line =>
      /level=error|level=warning|^<[0-4]>|stack|Unhandled|TypeError|Error|Panic|Warning/.test(line),
    )
}

function explain(stage: Stage, faults: readonly string[], number: number): void {
  const { directory, maildir, cast } = stage.world
  const file = join(directory, 'history')
  writeFileSync(file, `${stage.history.join('\n')}\n${faults.join('\n')}\n`)
  const last = ['-- round', '-- survey'].map(mark => stage.history.findLastIndex(line => line.includes(mark)))
  process.stderr.write(
    `${stage.history.slice(...last).join('\n')}\n${faults.join('\n')}\n` +
      `${faults.length} faults in round ${number}; again with SEED=${seed} CAST=${cast}; all commands are in ${file},\n` +
      `the Maildir is ${maildir}\n`,
  )
}
