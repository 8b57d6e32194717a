/** Messages that come into a mailbox with a UID at once: APPEND, COPY and MOVE. */
import { renameSync, unlinkSync } from 'node:fs'
import { setImmediate as yielding } from 'node:timers/promises'
import type { Delivery } from '../maildir/maildir.js'
import { maskOf, pathOf, uniqueOf, withMask } from '../maildir/name.js'
import { syncDirectory } from '../sys/atomic.js'
import { expunge } from './change.js'
import type { FlagSet } from './flag-names.js'
import { discard, stage } from './staging.js'
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
interface Arrival {
  /** Gives the file its name in cur/. */
  place(flags: FlagSet): Promise<string>
  readonly flags: readonly string[]
  readonly storedSize?: number
  readonly size?: number
  readonly date?: number
}

/** How many files are placed before others run. */
const group = 100

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
        const [file] = await delivery.commit([{ maildir: state.directory, flags: letters }])
        return file!.name
      },
    })),
  )
}

function arrive(state: State, arrivals: readonly Arrival[]): Promise<number[]> {
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
  // Messages of other processes come first: UIDs below ours cannot be entered later.
  if (!state.loaded || list.uids.size > state.table.count) await rescan(state, true)
  curDirectory.beforeOwnChange()
  const placed: { job: Job; names: string[]; sets: FlagSet[] }[] = []
  await Promise.all(
    jobs.map(async job => {
      try {
        placed.push({ job, ...(await placeAll(state, job)) })
      } catch (error) {
        job.reject(error)
      }
    }),
  )
  curDirectory.afterOwnChange()
  try {
    const entries = list.assign(placed.flatMap(({ names }) => names.map(uniqueOf)))
    if (entries.length > 0) await list.append(entries)
    const uids = entries.map(entry => entry.uid)
    for (const { job, names, sets } of placed)
      job.resolve(enter(state, job, names, sets, uids.splice(0, names.length)))
  } catch (error) {
    for (const { job, names } of placed) {
      removeAll(state, names)
      job.reject(error)
    }
    curDirectory.stale = true
  }
}

async function placeAll(state: State, job: Job): Promise<{ names: string[]; sets: FlagSet[] }> {
  const sets: FlagSet[] = []
  const names: string[] = []
  for (let at = 0; at < job.arrivals.length; at += group) {
    const some = job.arrivals.slice(at, at + group)
    for (const { flags } of some) sets.push(await state.flags.give(flags))
    const outcomes = await Promise.allSettled(some.map((arrival, i) => arrival.place(sets[at + i]!)))
    names.push(...outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : [])))
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed) {
      removeAll(state, names)
      throw failed.reason
    }
    await yielding()
  }
  return { names, sets }
}

function removeAll(state: State, names: readonly string[]): void {
  for (const name of names) unlinkSync(pathOf(state.curDirectory.path, name))
}

/** Gives the new files their rows. */
function enter(
  state: State,
  job: Job,
  names: readonly string[],
  sets: readonly FlagSet[],
  uids: readonly number[],
): number[] {
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
  const staged = await stage(source, uids, target)
  try {
    const targets = await arrive(
      target,
      staged.map(({ temporary, unique, flags, storedSize, size, date }) => ({
        flags,
        ...(storedSize === undefined ? {} : { storedSize }),
        ...(size === undefined ? {} : { size }),
        date,
        place: async set => {
          const name = withMask(unique, set.mask)
          renameSync(temporary, pathOf(target.curDirectory.path, name))
          return name
        },
      })),
    )
    await syncDirectory(target.curDirectory.path)
    return { validity: target.list.validity, sources: staged.map(({ uid }) => uid), targets }
  } catch (error) {
    discard(staged)
    throw error
  }
}

/** Copies messages, then removes the originals: a crash between the two leaves both, never none (RFC 6851). */
export async function move(source: State, uids: ArrayLike<number>, target: State): Promise<Transfer> {
  const transfer = await copy(source, uids, target)
  await expunge(source, transfer.sources, false)
  return transfer
}
