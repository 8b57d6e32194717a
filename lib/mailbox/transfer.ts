/** Messages that come into a mailbox with a UID at once: APPEND and COPY; MOVE is in move.ts. */
import { linkSync, renameSync, unlinkSync } from 'node:fs'
import type { Delivery } from '../maildir/maildir.js'
import { maskOf, pathOf, uniqueOf, withMask } from '../maildir/name.js'
import { syncDirectory } from '../sys/atomic.js'
import { describe, errorCode } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import type { FlagSet } from './flag-names.js'
import { discard, type Leaving, look, type Staged, stage } from './staging.js'
import type { State } from './state.js'
import { rescan } from './sync.js'

/** A message that waits to be put into a mailbox. */
export interface Appending {
  /** Begun in this mailbox, all octets written. */
  readonly delivery: Delivery
  readonly flags: readonly string[]
  /** INTERNALDATE in milliseconds; now when left out. */
  readonly date?: number
}

/** What went where (RFC 4315 §3): the nth source became the nth target. */
export interface Transfer {
  /** UIDVALIDITY of the mailbox the messages went to. */
  readonly validity: number
  readonly sources: number[]
  readonly targets: number[]
}

/** A file about to get a name in cur/ and a UID. */
export interface Arrival {
  /** Gives the file its name in cur/, which is synced afterwards. */
  place(flags: FlagSet): Promise<string>
  /** Takes the name away again; the file is removed when left out. */
  readonly takeBack?: (path: string | Buffer) => void
  readonly flags: readonly string[]
  readonly storedSize?: number
  readonly size?: number
  readonly date?: number
}

interface Job {
  readonly arrivals: readonly Arrival[]
  readonly resolve: (uids: number[]) => void
  readonly reject: (error: unknown) => void
}

const queues = new WeakMap<State, Job[]>()

/**
 * Puts messages into a mailbox, all or none. They, their names and their UIDs are on disk when this returns. Calls
 * that come while another writes are written together and share their syncs.
 *
 * @returns their UIDs
 */
export async function append(state: State, messages: readonly Appending[]): Promise<number[]> {
  await Promise.all(messages.map(({ delivery, date }) => delivery.sync(date)))
  return arrive(
    state,
    messages.map(({ delivery, flags, date }) => ({
      flags,
      storedSize: delivery.storedSize,
      size: delivery.size,
      ...(date === undefined ? {} : { date }),
      place: async set => {
        const letters = withMask('', set.mask).slice(':2,'.length)
        return (await delivery.place({ maildir: state.directory, flags: letters })).name
      },
    })),
  )
}

/** Gives files their names and UIDs, all or none. @returns the UIDs */
export function arrive(state: State, arrivals: readonly Arrival[]): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const queue = queues.get(state) ?? []
    queues.set(state, queue)
    queue.push({ arrivals, resolve, reject })
    if (queue.length > 1) return
    const run = () => state.locked(() => place(state, queue.splice(0)))
    run().catch(error => {
      for (const job of queue.splice(0)) job.reject(error)
    })
  })
}

/** Places what waits: a job that fails leaves nothing and fails alone. */
async function place(state: State, jobs: readonly Job[]): Promise<void> {
  const { curDirectory, list } = state
  const placed: Placed[] = []
  try {
    // Messages of other processes come first: UIDs below ours cannot be entered later.
    if (!state.loaded || list.uids.size > state.table.count) await rescan(state, true)
    curDirectory.beforeOwnChange()
    for (const job of jobs) placed.push({ job, sets: await setsOf(state, job), names: [] })
    await Promise.all(placed.map(one => placeAll(state, one)))
    curDirectory.afterOwnChange()
    const done = placed.filter(one => one.names.length === one.job.arrivals.length)
    const entries = list.assign(done.flatMap(({ names }) => names.map(uniqueOf)))
    // Names and UIDs become durable together: the order does not matter, since nobody comes in before the lock is free.
    if (entries.length > 0) await Promise.all([syncDirectory(curDirectory.path), list.append(entries)])
    let at = 0
    for (const one of done) {
      const uids = entries.slice(at, at + one.names.length).map(entry => entry.uid)
      at += one.names.length
      one.job.resolve(enter(state, one, uids))
    }
  } catch (error) {
    curDirectory.stale = true
    for (const one of placed) takeBack(state, one)
    for (const job of jobs) job.reject(error)
  }
}

/** A job whose files get their names. */
interface Placed {
  readonly job: Job
  readonly sets: readonly FlagSet[]
  readonly names: string[]
}

/** One after the other, since new keywords get letters. */
async function setsOf(state: State, job: Job): Promise<FlagSet[]> {
  const sets: FlagSet[] = []
  for (const { flags } of job.arrivals) sets.push(await state.flags.give(flags, state))
  return sets
}

/** All files get their names, or none of them and the job is refused. */
async function placeAll(state: State, { job, sets, names }: Placed): Promise<void> {
  const pacer = new Pacer()
  try {
    for (const [i, arrival] of job.arrivals.entries()) {
      names.push(await arrival.place(sets[i]!))
      if (pacer.isOver) await pacer.rest()
    }
  } catch (error) {
    takeBack(state, { job, sets, names })
    names.length = 0
    job.reject(error)
  }
}

function takeBack(state: State, { job, names }: Placed): void {
  for (const [i, name] of names.entries())
    try {
      const undo = job.arrivals[i]?.takeBack ?? unlinkSync
      undo(pathOf(state.curDirectory.path, name))
    } catch (error) {
      // What cannot be taken back is there twice at worst, and never lost.
      state.log.warning('not-taken-back', { mailbox: state.name, error: describe(error) })
    }
}

/** Gives the new files their rows. @returns their UIDs */
function enter(state: State, { job, names, sets }: Placed, uids: readonly number[]): number[] {
  const { table } = state
  const modseq = state.nextModseq()
  for (const [i, name] of names.entries()) {
    const { storedSize, size, date } = job.arrivals[i]!
    const uid = uids[i]!
    const row = table.push(uid, name, false, maskOf(name), modseq, state.changes.tick)
    if (storedSize !== undefined) table.storedSizes[row] = storedSize
    if (size !== undefined) table.sizes[row] = size
    if (date !== undefined) table.dates[row] = Math.floor(date / 1000) * 1000
    if (sets[i]!.extras.length > 0) {
      table.extras.set(uid, [...sets[i]!.extras].sort())
      state.journal.extras(modseq, uid, table.extras.get(uid)!)
    }
  }
  state.flagged(uids, modseq)
  return [...uids]
}

/**
 * Copies messages with their flags and dates, all or none, as further links of the same files. A message that is
 * gone is passed over (RFC 3501 §6.4.7 leaves that to us; the session has yet to hear of it).
 */
export async function copy(source: State, uids: ArrayLike<number>, target: State): Promise<Transfer> {
  const leaving = await look(source, uids)
  try {
    if (leaving) return await copyLinked(leaving, target)
  } catch (error) {
    // Renamed just now, on another file system, too many links: nothing was done, and the other way tells what is wrong.
    if (errorCode(error) === undefined) throw error
  }
  return copyStaged(source, uids, target)
}

/** Where all files are where they were: a link straight into the target's cur/. */
async function copyLinked(leaving: readonly Leaving[], target: State): Promise<Transfer> {
  return putAll(leaving, target, ({ from }, to) => linkSync(from, to))
}

/** Gives each message its name in the target's cur/, and its UID there. */
async function putAll<Each extends Omit<Staged, 'temporary'>>(
  messages: readonly Each[],
  target: State,
  put: (message: Each, path: ReturnType<typeof pathOf>) => void,
): Promise<Transfer> {
  const targets = await arrive(
    target,
    messages.map(each => ({
      ...sizesOf(each),
      place: async set => {
        const name = withMask(each.unique, set.mask)
        put(each, pathOf(target.curDirectory.path, name))
        return name
      },
    })),
  )
  return { validity: target.list.validity, sources: messages.map(({ uid }) => uid), targets }
}

function sizesOf({ flags, storedSize, size, date }: Omit<Staged, 'temporary'>) {
  return {
    flags,
    ...(storedSize === undefined ? {} : { storedSize }),
    ...(size === undefined ? {} : { size }),
    date,
  }
}

/** By way of the target's tmp/, where files that are not there are looked for again, and copied where that must be. */
async function copyStaged(source: State, uids: ArrayLike<number>, target: State): Promise<Transfer> {
  const staged = await stage(source, uids, target)
  try {
    return await putAll(staged, target, ({ temporary }, to) => renameSync(temporary, to))
  } catch (error) {
    discard(staged)
    throw error
  }
}
