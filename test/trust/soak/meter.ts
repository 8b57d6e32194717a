/** What a process holds, and whether it holds more and more. */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../support/world.js'

/** What is looked at: octets of memory, and counts. */
export const kinds = [
  'heap',
  'external',
  'resident',
  'descriptors',
  'kept',
  'threads',
  'watches',
  'timers',
] as const
export type Kind = (typeof kinds)[number]
export type Reading = Readonly<Record<Kind, number>>

/** Growth that is none: a share of what was there, and so much besides. */
const slack: Readonly<Record<Kind, { readonly share: number; readonly floor: number }>> = {
  heap: { share: 0.1, floor: 1.5 * 2 ** 20 },
  external: { share: 0.1, floor: 2 ** 20 },
  resident: { share: 0.1, floor: 12 * 2 ** 20 },
  // A thread has five, and lives for fifteen seconds after its work.
  descriptors: { share: 0, floor: 12 },
  threads: { share: 0, floor: 2 },
  // Mailboxes stay known for five minutes, here and on the threads that search them.
  kept: { share: 0.5, floor: 60 },
  watches: { share: 0, floor: 2 },
  timers: { share: 0, floor: 4 },
}

/** Reads a process that has loaded preload.ts. @param folder where it says what its heap holds */
export async function read(pid: number, folder: string): Promise<Reading> {
  const path = join(folder, `${pid}.json`)
  rmSync(path, { force: true })
  process.kill(pid, 'SIGUSR2')
  await until(() => existsSync(path), 30_000)
  const { heap, external, timers } = JSON.parse(readFileSync(path, 'utf8')) as Reading
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const line = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
  return {
    heap,
    external,
    timers,
    resident: line('VmRSS') * 1024,
    threads: line('Threads'),
    ...openOf(pid),
    watches: watchesOf(pid),
  }
}

/** How much is open, files of mailboxes that are kept open counted apart. */
export function openOf(pid: number): { descriptors: number; kept: number } {
  let [descriptors, kept] = [0, 0]
  for (const fd of readdirSync(`/proc/${pid}/fd`))
    try {
      if (/\/postern\.(?:text|cache)/.test(readlinkSync(`/proc/${pid}/fd/${fd}`))) kept++
      else descriptors++
    } catch {
      // Closed meanwhile.
    }
  return { descriptors, kept }
}

function watchesOf(pid: number): number {
  let sum = 0
  for (const name of readdirSync(`/proc/${pid}/fdinfo`))
    try {
      sum += readFileSync(`/proc/${pid}/fdinfo/${name}`, 'latin1').split('\ninotify ').length - 1
    } catch {
      // Closed meanwhile.
    }
  return sum
}

export interface Trend {
  /** Medians of the second quarter of the time, and of the last. */
  readonly early: number
  readonly late: number
  readonly grows: boolean
}

/** Compares the last quarter with the second: in the first everything is loaded, compiled, and filled to its bound. */
export function trend(kind: Kind, values: readonly number[]): Trend {
  const quarter = values.length / 4
  const early = median(values.slice(Math.floor(quarter), Math.max(Math.floor(2 * quarter), 1)))
  const late = median(values.slice(Math.floor(3 * quarter)))
  const { share, floor } = slack[kind]
  return { early, late, grows: late > early * (1 + share) + floor }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}

/**
 * Looks from which on these say anything: until then memory goes up with what is compiled, filled once and set aside,
 * and threads come and go.
 */
const enough = 40
const slow: readonly Kind[] = ['heap', 'external', 'resident', 'threads']

/** One line for each process and kind, those that grow marked. */
export function table(readings: Readonly<Record<string, readonly Reading[]>>): {
  lines: string[]
  growing: string[]
} {
  const lines = [['daemon', ...kinds].map((title, i) => title.padEnd(i === 0 ? 10 : 15)).join('')]
  const growing: string[] = []
  for (const [name, series] of Object.entries(readings)) {
    let line = name.padEnd(10)
    for (const kind of kinds) {
      const { early, late, grows } = trend(
        kind,
        series.map(each => each[kind]),
      )
      const isMemory = kind === 'heap' || kind === 'external' || kind === 'resident'
      const say = (value: number) => (isMemory ? (value / 2 ** 20).toFixed(1) : String(value))
      const cell = `${say(early)} > ${say(late)}`
      if (grows && (!slow.includes(kind) || series.length >= enough)) growing.push(`${name}: ${kind} ${cell}`)
      line += (grows ? `${cell} !` : cell).padEnd(15)
    }
    lines.push(line.trimEnd())
  }
  return { lines, growing }
}
