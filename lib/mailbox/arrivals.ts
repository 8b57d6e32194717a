/** New files: UIDs for them, rows in the table, and the way from new/ to cur/. All of it runs under the lock. */
import { renameSync } from 'node:fs'
import { maskOf, pathOf, timeOf } from '../maildir/name.js'
import { isMissing } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { guidOf } from './guid.js'
import { ListedFiles } from './listed.js'
import type { File } from './scan.js'
import type { State } from './state.js'
import { nextUidValidity } from './uidvalidity.js'

/** Gives rows to files whose UIDs are above all others. @returns the first UID of one that is still in new/, or 0 */
export async function addListed(state: State, files: ListedFiles): Promise<number> {
  const { table, foretold } = state
  if (files.count === 0) return 0
  // A MODSEQ that no message has would raise HIGHESTMODSEQ here and nowhere else.
  const modseq = isForetold(files, foretold) ? state.modseq : state.nextModseq()
  const noted: number[] = []
  const pacer = new Pacer()
  let recent = 0
  for (let at = 0; at < files.count; at++) {
    const uid = files.uid(at)
    const name = files.name(at)
    const known = foretold.size > 0 ? foretold.get(uid) : undefined
    if (known === undefined) noted.push(uid)
    table.push(uid, name, files.isNew(at), maskOf(name), known ?? modseq, state.changes.tick)
    if (files.isNew(at)) recent ||= uid
    // Once sessions are there, a MODSEQ is given to all of its messages at once.
    if (!state.loaded && pacer.isDue) await pacer.rest()
  }
  foretold.clear()
  if (state.loaded) state.flagged(noted, modseq)
  return recent
}

/** Whether another process gave MODSEQs to all of them. */
function isForetold(files: ListedFiles, foretold: ReadonlyMap<number, number>): boolean {
  if (foretold.size < files.count) return false
  for (let at = 0; at < files.count; at++) if (!foretold.has(files.uid(at))) return false
  return true
}

/** Gives UIDs and rows to files that have none, in the order in which they were delivered. @returns as addListed() */
export async function addFresh(state: State, files: readonly File[]): Promise<number> {
  const inOrder = sortedBy(files, file => timeOf(file.name))
  await writeUids(state, inOrder)
  const listed = new ListedFiles()
  for (const { name, isNew } of inOrder) listed.add(state.list.uids.ofFile(name)!, name, isNew)
  return addListed(state, listed)
}

/** Files by a number, and by their names where it is the same. */
function sortedBy(files: readonly File[], number: (file: File) => number): File[] {
  const keys = Float64Array.from(files, number)
  const order = Uint32Array.from(files, (_, i) => i)
  order.sort((a, b) => keys[a]! - keys[b]! || (files[a]!.name < files[b]!.name ? -1 : 1))
  return Array.from(order, i => files[i]!)
}

/** Puts UIDs for new files on disk, and makes or mends the list where that is due. */
async function writeUids(state: State, files: readonly File[]): Promise<void> {
  const { list } = state
  const isNew = list.validity === 0
  if (isNew) list.validity = nextUidValidity(state.root, state.clock())
  list.guid ||= guidOf()
  const entries = list.assign(files.map(file => file.unique))
  if (isNew || list.wantsRewrite) {
    for (const { uid, unique } of entries) list.uids.set(unique, uid)
    try {
      await list.rewrite()
    } catch (error) {
      list.withdraw(entries)
      throw error
    }
  } else if (entries.length > 0) await list.append(entries)
}

/** new/ to cur/: what a mail reader does with what it has seen (maildir(5)). */
export async function moveNew(state: State): Promise<void> {
  const { table, newDirectory, curDirectory } = state
  if (!state.hasNew) return
  newDirectory.beforeOwnChange()
  curDirectory.beforeOwnChange()
  const pacer = new Pacer()
  for (let row = 0; row < table.count; row++) {
    if (!table.inNew[row]) continue
    const old = table.names[row]!
    const name = old.includes(':') ? old : `${old}:2,`
    try {
      renameSync(pathOf(newDirectory.path, old), pathOf(curDirectory.path, name))
      table.names[row] = name
      table.inNew[row] = 0
    } catch (error) {
      if (!isMissing(error)) throw error
      newDirectory.stale = curDirectory.stale = true
    }
    if (pacer.isDue) await pacer.rest()
  }
  newDirectory.afterOwnChange()
  curDirectory.afterOwnChange()
}
