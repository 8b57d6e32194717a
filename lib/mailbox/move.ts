/**
 * MOVE: the files themselves go, by rename, so that a crash leaves each message in one mailbox or in the other, never in
 * both and never in none (RFC 6851 §3.3 asks for that and does not insist).
 */
import { renameSync } from 'node:fs'
import { pathOf, withMask } from '../maildir/name.js'
import { errorCode, isMissing } from '../sys/error.js'
import { expunge, forget } from './change.js'
import { type Leaving, look } from './staging.js'
import type { State } from './state.js'
import { type Arrival, arrive, copy, type Transfer } from './transfer.js'

/** Moves messages; those that are gone are passed over. */
export async function move(source: State, uids: ArrayLike<number>, target: State): Promise<Transfer> {
  const leaving = source === target ? undefined : await look(source, uids)
  if (!leaving) return moveCopies(source, uids, target)
  for (const directory of [source.newDirectory, source.curDirectory]) directory.beforeOwnChange()
  let targets: number[]
  try {
    targets = await arrive(
      target,
      leaving.map(each => arrivalOf(each, target)),
    )
  } catch (error) {
    // Another file system, or a file that got another name just now: all are where they were.
    if (errorCode(error) === 'EXDEV' || isMissing(error)) return moveCopies(source, uids, target)
    throw error
  } finally {
    for (const directory of [source.newDirectory, source.curDirectory]) directory.afterOwnChange()
  }
  const sources = leaving.map(({ uid }) => uid)
  await forget(source, sources)
  return { validity: target.list.validity, sources, targets }
}

function arrivalOf({ from, unique, flags, storedSize, size, date }: Leaving, target: State): Arrival {
  return {
    flags,
    ...(storedSize === undefined ? {} : { storedSize }),
    ...(size === undefined ? {} : { size }),
    date,
    place: async set => {
      const name = withMask(unique, set.mask)
      renameSync(from, pathOf(target.curDirectory.path, name))
      return name
    },
    takeBack: path => renameSync(path, from),
  }
}

/** Copies messages, then removes the originals: a crash between the two leaves both. */
async function moveCopies(source: State, uids: ArrayLike<number>, target: State): Promise<Transfer> {
  const transfer = await copy(source, uids, target)
  await expunge(source, transfer.sources, false)
  return transfer
}
