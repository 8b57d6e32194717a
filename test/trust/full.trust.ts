/**
 * A real file system that is full, or has no inodes left, or is read-only: what is asked then is refused for now, and
 * nothing is lost, cut or there twice; when there is space again, the same processes and sessions go on as if nothing
 * had been. A little is left each time, so that it ends at each step once. FAULTS=all leaves more amounts.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { removeTree } from '../support/world.js'
import {
  fresh,
  makeStage,
  others,
  type Scenario,
  type Stage,
  scenarios,
  strike,
  type Told,
  unlistedUids,
} from './scenarios.js'
import { type DiskKind, SmallDisk } from './small-disk.js'

const all = process.env['FAULTS'] === 'all'
const only = process.env['ONLY']

/** A way in which a disk takes no more; undoing it gives the space back. */
interface Trouble {
  readonly name: string
  readonly kind: DiskKind
  /** How much is left: blocks, or inodes. */
  readonly amounts: readonly number[]
  /** How many of them are tried for each scenario, where not all are. */
  readonly few: number
  /** 0 or 1: of the even, or the odd scenarios it leaves out, where not all are tried. */
  readonly leaves?: number
  /** What a refusal says. */
  readonly refusal: RegExp
  begin(disk: SmallDisk, amount: number): string | undefined
  end(disk: SmallDisk): void
}

const noSpace = /^(?:4\d\d 4\.\d\.\d|452 |NO \[(?:OVERQUOTA|UNAVAILABLE|LIMIT)\]|-ERR \[SYS\/TEMP\]|7[35] )/
const blocks = [0, 1, 2, 3, 4, 6, 8, 12, 20, 30, 40, 43, 44, 45, 46, 48]
const files = [0, 1, 2, 3, 4, 5, 6, 8]
const full = (kind: DiskKind): Trouble => ({
  name: `a full ${kind}`,
  kind,
  amounts: blocks,
  few: 2,
  refusal: /^(?:452 |NO \[(?:OVERQUOTA|UNAVAILABLE|LIMIT)\]|-ERR|75 )/,
  begin: (disk, amount) => void disk.fill(amount),
  end: disk => disk.release(),
})
const inodes = (kind: DiskKind): Trouble => ({
  ...full(kind),
  name: `a ${kind} without inodes`,
  amounts: files,
  few: 1,
  begin: (disk, amount) => void disk.exhaust(amount),
})

const troubles: readonly Trouble[] = [
  full('ext4'),
  { ...full('tmpfs'), leaves: 0 },
  inodes('ext4'),
  { ...inodes('tmpfs'), leaves: 1 },
  {
    name: 'a read-only ext4',
    kind: 'ext4',
    amounts: [0],
    few: 1,
    refusal: noSpace,
    begin: disk => disk.mode('ro'),
    end: disk => void disk.mode('rw'),
  },
]

for (const trouble of troubles)
  test(`${trouble.name}: nothing is lost, and all goes on afterwards`, async t => {
    const disk = SmallDisk.make(trouble.kind)
    if (typeof disk === 'string') return t.skip(disk)
    const stage = await makeStage(disk.directory)
    const wrong: string[] = []
    const counts = new Map<string, number>()
    try {
      for (const [number, scenario] of [...scenarios, ...others].entries()) {
        if (only && !scenario.name.includes(only)) continue
        if (!all && number % 2 === trouble.leaves) continue
        for (const amount of amountsFor(trouble, number)) {
          const begun = performance.now()
          const found = await attempt(stage, scenario, trouble, disk, amount)
          counts.set(found.outcome, (counts.get(found.outcome) ?? 0) + 1)
          if (process.env['FAULT_TELL'])
            t.diagnostic(
              `${scenario.name}, ${amount} left: ${Math.round(performance.now() - begun)} ms ${found.text.slice(0, 150)}`,
            )
          if (found.wrong) wrong.push(`${scenario.name}, ${amount} left: ${found.wrong}`)
        }
      }
      for (const [name, { log }] of stage.programs)
        for (const line of log.split('\n'))
          if (/stack|Unhandled|TypeError|SERVERBUG/.test(line)) wrong.push(`${name}: ${line}`)
    } finally {
      await strike(stage)
      disk.close()
    }
    t.diagnostic([...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '))
    assert.deepEqual(wrong, [])
  })

/** All, or some of them, others for each scenario. */
function amountsFor({ amounts, few }: Trouble, number: number): readonly number[] {
  if (all) return amounts
  return [
    ...new Set([
      0,
      ...Array.from({ length: few - 1 }, (_, i) => amounts[(number * 3 + i) % amounts.length] as number),
    ]),
  ]
}

interface Attempted extends Told {
  readonly wrong?: string
}

async function attempt(
  stage: Stage,
  scenario: Scenario,
  trouble: Trouble,
  disk: SmallDisk,
  amount: number,
): Promise<Attempted> {
  fresh(stage)
  await scenario.prepare(stage)
  const refused = trouble.begin(disk, amount)
  if (refused) return { outcome: 'wrong', text: '', wrong: refused }
  let told: Told
  try {
    told = await scenario.run(stage)
  } finally {
    trouble.end(disk)
  }
  const wrong = await judge(stage, scenario, trouble, told).catch(
    error => `answered "${told.text}", and ${error}`,
  )
  for (const user of [stage.user, stage.other]) removeTree(join(stage.directory, 'home', user))
  return { ...told, ...(wrong === undefined ? {} : { wrong }) }
}

/** @returns what is not as it should be */
async function judge(
  stage: Stage,
  scenario: Scenario,
  trouble: Trouble,
  told: Told,
): Promise<string | undefined> {
  const { outcome, text, promised } = told
  // UIDs that it tells after the trouble are on disk: another process will not give them again.
  const unlisted = await unlistedUids(stage)
  if (unlisted) return unlisted
  const state = await scenario.state(stage)
  if (outcome === 'wrong' || outcome === 'unknown') return `answered "${text}"`
  const isUndone = scenario.undone?.test(state) === true
  if (outcome === 'done')
    return state === scenario.after || isUndone
      ? undefined
      : `answered "${text}", and the store has: ${state}`
  if (!trouble.refusal.test(text.split(' | ').find(answer => answer[0] !== '2') ?? text))
    return `refused with "${text}"`
  if (state !== scenario.before && !scenario.between?.test(state))
    return `refused with "${text}", and the store has: ${state}`
  if (promised?.test(state) === false) return `answered "${text}", and the store has only: ${state}`
  if (state !== scenario.before && !scenario.resumes) return undefined
  const again = await scenario.run(stage)
  const then = await scenario.state(stage)
  return again.outcome === 'done' && then === scenario.after
    ? undefined
    : `afterwards "${again.text}": ${then}`
}
