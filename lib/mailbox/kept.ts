/** The columns of mailboxes that are sorted or threaded now: in memory while they are used, else on disk. */
import { describe } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { Columns } from './columns.js'
import { readColumns, writeColumns } from './columns-file.js'
import type { State } from './state.js'

/** How long columns stay in memory that nobody asks for, in milliseconds. */
const linger = 300_000
/** So many headers are not to be read again because a process was killed. */
const manyNew = 1_000
/** Rows of messages that are gone are let go of when they are so many, and most. */
const manyGone = 1_000

interface Held {
  readonly validity: number
  readonly columns: Promise<Columns>
  timer: NodeJS.Timeout | undefined
  /** A file is being written. */
  writing: Promise<void> | undefined
}

const held = new WeakMap<State, Held>()

/** The columns of a mailbox, which know of these messages at least. @param uids ascending */
export async function columnsOf(state: State, uids: ArrayLike<number>): Promise<Columns> {
  const { validity } = state.list
  const known = held.get(state)
  let entry = known
  if (entry?.validity !== validity) {
    entry = { validity, columns: load(state, validity), timer: undefined, writing: undefined }
    held.set(state, entry)
  }
  clearTimeout(known?.timer)
  let columns = await entry.columns
  if (isMostlyGone(columns, state) && held.get(state) === entry) {
    // Who sorts at this moment goes on with the old ones. To read the headers that are left is less than was read.
    columns = new Columns(validity)
    entry = { validity, columns: Promise.resolve(columns), timer: undefined, writing: undefined }
    held.set(state, entry)
  }
  clearTimeout(entry.timer)
  entry.timer = setTimeout(() => void letGo(state, entry), linger).unref()
  columns.follow(uids)
  return columns
}

async function load(state: State, validity: number): Promise<Columns> {
  try {
    const columns = await readColumns(state.directory, validity)
    const { table } = state
    if (columns && isMostlyGone(columns, state)) columns.drop(uid => table.find(uid) < 0)
    return columns ?? new Columns(validity)
  } catch (error) {
    state.log.warning('columns-not-read', { mailbox: state.name, error: describe(error) })
    return new Columns(validity)
  }
}

function isMostlyGone(columns: Columns, { table }: State): boolean {
  return columns.count > table.count * 2 + manyGone
}

async function letGo(state: State, entry: Held): Promise<void> {
  const { timer } = entry
  await keepColumns(state)
  // Somebody may have asked meanwhile.
  if (entry.timer === timer && held.get(state) === entry) held.delete(state)
}

/** Headers were read: what took long is written down at once. */
export function settle(state: State, columns: Columns): void {
  if (columns.unkept >= manyNew) void keepColumns(state)
}

/** Writes down what was found out, if anything was. */
export async function keepColumns(state: State): Promise<void> {
  const entry = held.get(state)
  if (!entry || entry.validity !== state.list.validity || state.isGone) return
  entry.writing ??= write(state, entry).finally(() => {
    entry.writing = undefined
  })
  await entry.writing
}

async function write(state: State, entry: Held): Promise<void> {
  const columns = await entry.columns
  if (columns.unkept === 0) return
  // Where it cannot be written, nobody tries again before there is more.
  columns.unkept = 0
  try {
    for (const texts of [columns.subjects, columns.mailboxes, columns.names]) await texts.ranks(new Pacer())
    await writeColumns(state.directory, columns)
  } catch (error) {
    state.log.warning('columns-not-written', { mailbox: state.name, error: describe(error) })
  }
}
