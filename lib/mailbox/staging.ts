/** Messages of one mailbox on their way into another: further links of their files in its tmp/. */
import { copyFileSync, fsyncSync, linkSync, openSync, statSync, unlinkSync, utimesSync } from 'node:fs'
import { parseName, pathOf, uniqueName, withSizes } from '../maildir/name.js'
import { closeQuietly } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { errorCode, isMissing, TemporaryError } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import type { State } from './state.js'
import { rescan } from './sync.js'

/** A message in tmp/ of the mailbox it goes to. */
export interface Staged {
  /** In the mailbox it comes from. */
  readonly uid: number
  readonly temporary: string
  /** The name it is to have, with sizes where these are known. */
  readonly unique: string
  readonly flags: readonly string[]
  readonly storedSize: number | undefined
  readonly size: number | undefined
  readonly date: number
}

/**
 * Links files into the target's tmp/, where nobody sees them yet and no lock is needed. Messages that are gone are
 * passed over.
 *
 * @throws TemporaryError when there is no space; nothing is left behind
 */
export async function stage(source: State, uids: ArrayLike<number>, target: State): Promise<Staged[]> {
  const staged: Staged[] = []
  const pacer = new Pacer()
  // Without it every message would seem to be missing.
  makeDirectory(`${target.directory}/tmp`, 0o700)
  try {
    for (let i = 0; i < uids.length; i++) {
      const one = stageOne(source, uids[i]!, target) ?? (await stageAgain(source, uids[i]!, target))
      if (one) staged.push(one)
      if (pacer.isOver) await pacer.rest()
    }
  } catch (error) {
    discard(staged)
    throw refusal(target, error)
  }
  return staged
}

/** Removes what was staged and not placed. */
export function discard(staged: readonly Staged[]): void {
  for (const { temporary } of staged)
    try {
      unlinkSync(temporary)
    } catch {
      // Placed already, or cleaned away after 36 hours.
    }
}

/** The message's file has another name now, or is gone. */
async function stageAgain(source: State, uid: number, target: State): Promise<Staged | undefined> {
  await source.locked(() => rescan(source, true))
  return stageOne(source, uid, target)
}

function stageOne(source: State, uid: number, target: State): Staged | undefined {
  const row = source.table.find(uid)
  if (row < 0) return undefined
  const from = pathOf(source.directoryOf(row), source.table.names[row]!)
  const base = uniqueName()
  const temporary = `${target.directory}/tmp/${base}`
  try {
    linkOrCopy(from, temporary)
    return { uid, temporary, ...arrivalOf(source, row, base, statSync(temporary)) }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** A message that is to be renamed into another mailbox. */
export interface Leaving extends Omit<Staged, 'temporary'> {
  /** Where its file is. */
  readonly from: string | Buffer
}

/** What is to be known of messages before they are renamed into another mailbox; undefined when a file is not there. */
export async function look(source: State, uids: ArrayLike<number>): Promise<Leaving[] | undefined> {
  const leaving: Leaving[] = []
  const pacer = new Pacer()
  for (let i = 0; i < uids.length; i++) {
    const row = source.table.find(uids[i]!)
    if (row < 0) continue
    const from = pathOf(source.directoryOf(row), source.table.names[row]!)
    const found = statSync(from, { throwIfNoEntry: false })
    if (!found) return undefined
    leaving.push({ uid: uids[i]!, from, ...arrivalOf(source, row, uniqueName(), found) })
    if (pacer.isOver) await pacer.rest()
  }
  return leaving
}

/** Sizes go into the new name only if they are known to be right: with a wrong one Dovecot cannot read it. */
function arrivalOf(source: State, row: number, base: string, found: { size: number; mtimeMs: number }) {
  const said = parseName(source.table.names[row]!)
  const right = said.storedSize === found.size && said.size !== undefined
  return {
    unique: right ? withSizes(base, found.size, said.size) : base,
    flags: source.flagsOf(row),
    storedSize: found.size,
    size: right ? said.size : undefined,
    date: found.mtimeMs,
  }
}

function linkOrCopy(from: string | Buffer, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP') throw error
    copyFileSync(from, to)
    const { atimeMs, mtimeMs } = statSync(from)
    utimesSync(to, atimeMs / 1000, mtimeMs / 1000)
    const fd = openSync(to, 'r+')
    try {
      fsyncSync(fd)
    } finally {
      closeQuietly(fd)
    }
  }
}

function refusal(target: State, cause: unknown): Error {
  const code = errorCode(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new TemporaryError(`${target.name}: no space left`, { cause })
  return cause as Error
}
