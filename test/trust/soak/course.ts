/** The whole way of a soak: laps under load, looks in between, the verdict. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../../relay/sink.js'
import { removeTree, until } from '../../support/world.js'
import { Chance } from '../ledger.js'
import { runLap, warm } from './lap.js'
import { openOf, read, table } from './meter.js'
import { accounts, daemons, fetcher, Suite, users } from './suite.js'

export interface Course {
  /** Where the daemons have all they have. */
  readonly folder: string
  /** How many messages in all; sessions and runs go with them. */
  readonly messages: number
  /** After how long to stop, for another time. */
  readonly minutes: number
  readonly say: (line: string) => void
}

/** About so many messages come in one lap. */
const perLap = 300
/** Looks at the daemons over the whole course, at most. */
const most = 40

/** @returns what is wrong; undefined when it is not at its end */
export async function soak(course: Course): Promise<{ faults: string[] } | undefined> {
  const suite = await Suite.at(course.folder)
  const { state } = suite
  const sink = await Sink.start({}, state.ports.sink)
  const began = performance.now()
  const before = state.seconds
  const laps = Math.ceil(course.messages / perLap)
  const looks = Math.min(most, laps)
  const scene = { suite, chance: new Chance(state.laps + 1), busy: new Set<string>() }
  try {
    if (state.laps === 0) await warm(scene)
    while (state.laps < laps) {
      await runLap(scene, state.laps++)
      if (Math.floor((state.laps * looks) / laps) > Math.floor(((state.laps - 1) * looks) / laps))
        await look(suite, sink)
      state.seconds = before + (performance.now() - began) / 1000
      if (performance.now() - began > course.minutes * 60_000) break
    }
    await drain(suite, sink)
  } catch (error) {
    await suite.end()
    throw error
  } finally {
    await sink.close()
    suite.keep()
  }
  course.say(`${state.laps} of ${laps} laps, ${Math.round(state.seconds)} s: ${told(state.done)}`)
  if (state.laps < laps) return undefined
  const { lines, growing } = table(state.readings)
  for (const line of lines) course.say(line)
  const faults = [...growing, ...state.faults, ...wrong(suite)]
  for (const fault of faults) course.say(fault)
  await suite.end()
  if (faults.length === 0) removeTree(course.folder)
  return { faults }
}

/** Waits until the sink has all that was sent, and nobody is connected. */
async function drain({ state }: Suite, sink: Sink): Promise<void> {
  const sent = () => (state.done['arrived'] ?? 0) + sink.received.length
  await until(() => sent() >= (state.done['sent'] ?? 0), 120_000)
  state.done['arrived'] = sent()
  sink.received.length = 0
  sink.commands.length = 0
}

/** Reads all daemons when what they had to do for the load is over. */
async function look(suite: Suite, sink: Sink): Promise<void> {
  await drain(suite, sink)
  const { readings, pids } = suite.state
  await Promise.all(
    daemons.map(async name => {
      await settled(pids[name])
      readings[name] = [...(readings[name] ?? []), await read(pids[name], suite.meters)]
    }),
  )
  const count = lost(suite)
  if (count !== undefined) suite.state.faults.push(`lap ${suite.state.laps}: ${count}`)
  suite.keep()
}

/** Sessions that ended without a word are noticed, and files and watches closed, in a moment. */
async function settled(pid: number): Promise<void> {
  let [last, since] = [-1, Date.now()]
  await until(() => {
    const now = openOf(pid).descriptors
    if (now !== last) [last, since] = [now, Date.now()]
    return Date.now() - since > 200
  }, 60_000)
}

function told(done: Readonly<Record<string, number>>): string {
  return Object.entries(done)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ')
}

/** What came less what was removed is what is there. */
function lost(suite: Suite): string | undefined {
  const { done } = suite.state
  let there = 0
  const folders = ['', '.Archive', ...accounts.map(name => `.${name}`)]
  for (const user of [...users, fetcher])
    for (const folder of folders)
      for (const part of ['new', 'cur'])
        try {
          there += readdirSync(join(suite.maildir(user), folder, part)).length
        } catch {
          // Nobody was in it yet.
        }
  const left = (done['in'] ?? 0) - (done['out'] ?? 0)
  return left === there ? undefined : `${left} messages should be left, and there are ${there}`
}

/** Errors that no client could cause. */
function wrong(suite: Suite): string[] {
  return daemons.flatMap(name =>
    suite
      .log(name)
      .split('\n')
      .filter(line => /level=error|^<3>|Unhandled|TypeError|MaxListeners|Warning:/.test(line))
      .slice(0, 5)
      .map(line => `${name}: ${line}`),
  )
}
