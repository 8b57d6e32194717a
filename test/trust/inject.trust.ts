/**
 * Each call to the file system that a delivery, an APPEND, a change of flags, an expunge and so on makes is failed once,
 * with each error it may have, and once is the last thing the process does. What was answered holds; what was refused
 * was refused for now only; the store is whole; and the same works when nothing fails any more. FAULTS=all has every
 * error, otherwise a few of them are chosen for each call.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { arm, disarm, errors, faultEnvironment, kinds } from './faults.js'
import {
  fresh,
  makeStage,
  type Outcome,
  others,
  program,
  type Scenario,
  type Stage,
  scenarios,
  strike,
  unlistedUids,
} from './scenarios.js'

const all = process.env['FAULTS'] === 'all'
const only = process.env['ONLY']

for (const scenario of [...scenarios, ...(all ? others : [])].filter(
  ({ name }) => !only || name.includes(only),
))
  test(`${scenario.name}: each call fails once`, async t => {
    const stage = await makeStage(tmpdir(), environment)
    const counts = new Map<string, number>()
    const wrong: string[] = []
    try {
      for (const kind of kinds)
        for (let at = 1, hit = true; hit && at < 200; at++) {
          // A call that comes is failed with its other errors too.
          const some = errors[kind].filter(error => error !== 'KILL')
          const chosen = all
            ? errors[kind]
            : [at % 2 === 0 ? 'KILL' : (some[(at >> 1) % some.length] as string)]
          for (const error of new Set(chosen)) {
            const what = `${kind} ${at} ${error}`
            const found = await attempt(stage, scenario, { kind, at, error })
            hit = found.hit
            if (!hit) break
            counts.set(found.outcome, (counts.get(found.outcome) ?? 0) + 1)
            if (found.wrong) wrong.push(`${what}: ${found.wrong}`)
          }
        }
    } finally {
      await strike(stage)
    }
    assert.ok(counts.size > 0, 'no call ever came')
    t.diagnostic([...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '))
    assert.deepEqual(wrong, [])
  })

function environment(directory: string): Readonly<Record<string, string>> {
  mkdirSync(join(directory, 'control'))
  return faultEnvironment(`${directory}/home:${directory}/queue`, join(directory, 'control'))
}

function controlOf({ directory }: Stage): string {
  return join(directory, 'control')
}

interface Fault {
  readonly kind: string
  readonly at: number
  readonly error: string
}

async function attempt(
  stage: Stage,
  scenario: Scenario,
  fault: Fault,
): Promise<{ hit: boolean; outcome: Outcome; wrong?: string }> {
  fresh(stage)
  stage.fault = ''
  await scenario.prepare(stage)
  const daemon = scenario.daemon && (await program(stage, scenario.daemon))
  stage.fault = `${fault.kind} ${fault.at} ${fault.error}`
  process.env['FAULT_TELL'] = '1'
  if (daemon) await arm(controlOf(stage), daemon, fault)
  const { outcome, text, promised } = await scenario.run(stage)
  const hit = daemon
    ? await disarm(controlOf(stage), daemon)
    : outcome === 'unknown' || text.includes(` at ${stage.directory}`)
  if (!hit) return { hit, outcome }
  if (daemon && fault.error === 'KILL') await daemon.stop()
  let wrong: string | undefined
  try {
    const unlisted = fault.error === 'KILL' ? undefined : await unlistedUids(stage)
    const state = await scenario.state(stage)
    const allowed =
      outcome === 'done'
        ? [scenario.after]
        : outcome === 'refused'
          ? [scenario.before]
          : [scenario.before, scenario.after]
    const isBetween = outcome !== 'done' && scenario.between?.test(state) === true
    const isUndone = scenario.undone?.test(state) === true
    if (!allowed.includes(state) && !isBetween && !isUndone)
      wrong = `answered "${text}", and the store has: ${state}`
    if (promised?.test(state) === false) wrong = `answered "${text}", and the store has only: ${state}`
    if (unlisted) wrong = unlisted
    if (outcome === 'wrong' || (outcome === 'unknown' && fault.error !== 'KILL')) wrong = `answered "${text}"`
    if (!wrong && daemon && fault.error !== 'KILL') wrong = await again(stage, scenario)
  } catch (error) {
    wrong = `answered "${text}", and ${error}`
  }
  return { hit, outcome, ...(wrong === undefined ? {} : { wrong }) }
}

/** With nothing failing any more, the same process does it as it should. */
async function again(stage: Stage, scenario: Scenario): Promise<string | undefined> {
  fresh(stage)
  stage.fault = ''
  await scenario.prepare(stage)
  const { outcome, text } = await scenario.run(stage)
  const state = await scenario.state(stage)
  return outcome === 'done' && state === scenario.after ? undefined : `afterwards "${text}": ${state}`
}
