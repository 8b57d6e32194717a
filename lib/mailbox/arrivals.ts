/** New files: UIDs for them, rows in the table, and the way from new/ to cur/. All of it runs under the lock. */
import { renameSync } from 'node:fs'
import { maskOf, pathOf, timeOf } from '../maildir/name.js'
import { isMissing } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { guidOf } from './guid.js'
import type { File } from './scan.js'
import type { State } from './state.js'
import { nextUidValidity } from './uidvalidity.js'

/** Gives UIDs to files that have none, and rows to all, in the order of their UIDs. */
export async function addFiles(state: State, files: readonly File[]): Promise<void> {
  const { table, list } = state
  const listed: File[] = []
  const unlisted: File[] = []
  for (const file of files) {
    if ((list.uids.get(file.unique) ?? 0) > table.lastUid) listed.push(file)
    else unlisted.push(file)
  }
  const pacer = new Pacer()
  const ofOthers = sortedBy(listed, file => list.uids.get(file.unique)!)
  await pacer.rest()
  const ofNobody = sortedBy(unlisted, file => timeOf(file.name))
  await pacer.rest()
  await writeUids(state, ofNobody)
  if (files.length === 0) return
  const all = [...ofOthers, ...ofNobody]
  // A MODSEQ that no message has would raise HIGHESTMODSEQ here and nowhere else.
  const isNoted = ({ unique }: File) => !state.foretold.has(list.uids.get(unique)!)
  const modseq = all.some(isNoted) ? state.nextModseq() : state.modseq
  let recent = 0
  const noted: number[] = []
  for (const file of all) {
    const uid = list.uids.get(file.unique)!
    const known = state.foretold.get(uid)
    if (known === undefined) noted.push(uid)
    table.push(uid, file.name, file.isNew, maskOf(file.name), known ?? modseq, state.changes.tick)
    if (file.isNew) recent ||= uid
    // Once sessions are there, a MODSEQ is given to all of its messages at once.
    if (!state.loaded && pacer.isDue) await pacer.rest()
  }
  state.foretold.clear()
  if (state.loaded) state.flagged(noted, modseq)
  else state.firstRecent = recent || list.next
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
    await list.rewrite()
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
