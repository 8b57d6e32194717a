/** The octets of a message, its sizes and its date, whatever its file is called by now. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { pathOf, sizeIn, storedSizeIn } from '../maildir/name.js'
import { wireSize } from '../message/wire.js'
import { isMissing } from '../sys/error.js'
import type { State } from './state.js'
import { unknownSize } from './table.js'

/** Before this second no Maildir was written (1995). */
const earliest = 788_918_400

/** Fresh memory for each of many messages costs several times what reading them does. */
let room = Buffer.allocUnsafeSlow(256 * 1024)
/** A larger message does not stay in memory. */
const usualMessage = 4 << 20

/**
 * Reads a message as it is stored.
 *
 * @param limit read no more than so many octets from its beginning
 * @returns undefined when it is gone
 */
export function readMessage(state: State, uid: number, limit?: number): Buffer | undefined {
  return readInto(state, uid, limit, size => Buffer.allocUnsafe(size))
}

/** The same for a short look: the octets are good until the next message is looked at. */
export function glanceAt(state: State, uid: number, limit?: number): Buffer | undefined {
  return readInto(state, uid, limit, size => {
    if (size > usualMessage) return Buffer.allocUnsafe(size)
    if (size > room.length) room = Buffer.allocUnsafeSlow(Math.max(size, 2 * room.length))
    return room.subarray(0, size)
  })
}

/** The same, into memory of so many octets, or more, that `take` gives. */
export function readInto(
  state: State,
  uid: number,
  limit = Number.POSITIVE_INFINITY,
  take: (size: number) => Buffer,
): Buffer | undefined {
  return withFile(state, uid, (path, row) => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { size, mtimeMs } = fstatSync(fd)
      noteStat(state, row, size, mtimeMs)
      const octets = take(Math.min(size, limit))
      let filled = 0
      while (filled < octets.length) {
        const count = readSync(fd, octets, filled, octets.length - filled, filled)
        if (count === 0) break
        filled += count
      }
      const all = octets.subarray(0, filled)
      if (limit >= size && state.table.sizes[row] === unknownSize) {
        state.table.sizes[row] = wireSize(all)
        state.learned++
      }
      return all
    } finally {
      closeSync(fd)
    }
  })
}

/** Octets on the wire (RFC822.SIZE); undefined when the message is gone. */
export function sizeOf(state: State, uid: number): number | undefined {
  const { table } = state
  const row = table.find(uid)
  if (row < 0) return undefined
  if (table.sizes[row] !== unknownSize) return table.sizes[row]
  const name = table.names[row]!
  const [size, storedSize] = [sizeIn(name), storedSizeIn(name)]
  if (size !== undefined && storedSize !== undefined && table.storedSizes[row] === unknownSize) {
    table.storedSizes[row] = storedSize
    table.sizes[row] = size
    return size
  }
  glanceAt(state, uid)
  const again = table.find(uid)
  return again < 0 || table.sizes[again] === unknownSize ? undefined : table.sizes[again]
}

/** Octets on disk; undefined when the message is gone. */
export function storedSizeOf(state: State, uid: number): number | undefined {
  const row = state.table.find(uid)
  if (row < 0) return undefined
  if (state.table.storedSizes[row] === unknownSize) look(state, uid)
  return state.table.storedSizes[row] === unknownSize ? undefined : state.table.storedSizes[row]
}

/** INTERNALDATE in milliseconds, whole seconds; undefined when the message is gone. */
export function dateOf(state: State, uid: number): number | undefined {
  const row = state.table.find(uid)
  if (row < 0) return undefined
  if (Number.isNaN(state.table.dates[row])) look(state, uid)
  const date = state.table.dates[row]!
  return Number.isNaN(date) ? undefined : date
}

/**
 * When a message came into this mailbox, in milliseconds, as its name says; INTERNALDATE where the name says nothing.
 * (RFC 8514.)
 */
export function savedDateOf(state: State, uid: number): number | undefined {
  const row = state.table.find(uid)
  if (row < 0) return undefined
  const seconds = Number.parseInt(state.table.names[row]!, 10)
  return seconds >= earliest && seconds * 1000 <= state.clock() + 86_400_000
    ? seconds * 1000
    : dateOf(state, uid)
}

function look(state: State, uid: number): void {
  withFile(state, uid, (path, row) => {
    const { size, mtimeMs } = statSync(path)
    noteStat(state, row, size, mtimeMs)
  })
}

/** Takes notice of what was read of a message elsewhere. */
export function learn(state: State, uid: number, storedSize: number, size: number, mtimeMs: number): void {
  const row = state.table.find(uid)
  if (row < 0) return
  noteStat(state, row, storedSize, mtimeMs)
  state.table.sizes[row] = size
}

/** What stat says is true; if the name says otherwise, its sizes are not believed. */
function noteStat(state: State, row: number, octets: number, mtimeMs: number): void {
  const { table } = state
  if (Number.isNaN(table.dates[row])) state.learned++
  table.dates[row] = Math.floor(mtimeMs / 1000) * 1000
  if (table.storedSizes[row] !== octets) {
    const name = table.names[row]!
    table.sizes[row] = storedSizeIn(name) === octets ? (sizeIn(name) ?? unknownSize) : unknownSize
    table.storedSizes[row] = octets
  }
}

/** Runs `work` on a message's file; when it is not there, looks once where it went. */
function withFile<T>(
  state: State,
  uid: number,
  work: (path: string | Buffer, row: number) => T,
): T | undefined {
  for (let attempt = 0; attempt < 3; attempt++) {
    const row = state.table.find(uid)
    if (row < 0) return undefined
    try {
      return work(pathOf(state.directoryOf(row), state.table.names[row]!), row)
    } catch (error) {
      if (!isMissing(error)) throw error
      relocate(state)
    }
  }
  return undefined
}

/** Finds all files again by their unique names. Flags and arrivals are left to the next synchronisation. */
function relocate(state: State): void {
  const { table, list } = state
  for (const directory of [state.newDirectory, state.curDirectory]) {
    directory.stale = true
    for (const name of namesIn(directory.path)) {
      const row = table.find(list.uids.ofFile(name) ?? 0)
      if (row < 0) continue
      table.names[row] = name
      table.inNew[row] = directory.isNew ? 1 : 0
    }
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path, { encoding: 'latin1' as BufferEncoding })
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
