/**
 * Bringing the table to what is on disk: files that came, went, were renamed or copied, by whatever program. All of it
 * runs under the lock, which holds off Dovecot and our other processes; programs that know no lock may rename and
 * remove files meanwhile, and a file renamed while a directory is read may be missed. So a message counts as gone only
 * when reading found it nowhere although nothing moved, or several times in a row.
 */
import { renameSync, statSync, unlinkSync } from 'node:fs'
import { maskOf, pathOf, timeOf, uniqueName, uniqueOf, withMask } from '../maildir/name.js'
import { isMissing } from '../sys/error.js'
import { guidOf } from './guid.js'
import { type Directory, Pacer } from './scan.js'
import { aMoment, type State } from './state.js'
import { nextUidValidity } from './uidvalidity.js'

/** How often the directories are read before a message that is never found counts as gone. */
const attempts = 4

interface File {
  readonly name: string
  readonly unique: string
  readonly isNew: boolean
}

/** What reading the directories told. */
interface Findings {
  /** Files of no message in the table, by unique name. */
  readonly fresh: Map<string, File>
  /** Second files of a message. */
  readonly doubles: File[]
  /** UIDs of messages and listed names that were not found. */
  readonly missing: Set<number>
  /** UIDs of messages whose flags differ. */
  readonly flagged: number[]
}

/** Whether anything on disk may differ from the table; costs a few stats. */
export function needsSync(state: State): boolean {
  const { newDirectory, curDirectory, list, keywords } = state
  if (!state.loaded || newDirectory.wantsScan() || curDirectory.wantsScan()) return true
  if (list.changed() || keywords.changed()) return true
  return state.journal.changed() && performance.now() > state.journalPausedUntil
}

/** synchronise() under the lock; those who ask while it runs share it. */
export function synchroniseOnce(state: State): Promise<void> {
  state.looking ??= state
    .locked(() => synchronise(state))
    .finally(() => {
      state.looking = undefined
    })
  // Who does not wait for the end is not to be ended by its failure.
  state.looking.catch(() => {})
  return state.looking
}

/** Reads what changed, gives UIDs to new files, and moves new/ to cur/ for sessions that write. Under the lock. */
export async function synchronise(state: State): Promise<void> {
  if (!state.loaded || state.newDirectory.wantsScan() || state.curDirectory.wantsScan()) await rescan(state)
  if (state.list.wantsRewrite) await state.list.rewrite()
  if (state.writers > 0) await moveNew(state)
}

/** Reads the directories until what they say can be believed, and takes it over. */
export async function rescan(state: State, complete = !state.loaded): Promise<void> {
  let missing: Set<number> | undefined
  for (let attempt = 1; ; attempt++) {
    const scans = await scan(state, complete)
    const findings = await match(state, scans)
    const now = findings.missing
    missing = new Set(missing ? [...missing].filter(uid => now.has(uid)) : now)
    const moved = scans.some(one => one.moved)
    if (missing.size === 0 || (scans.length === 2 && !moved) || attempt === attempts) {
      await take(state, findings, missing)
      return
    }
    complete = true
    if (moved) await aMoment()
  }
}

interface Scan {
  readonly directory: Directory
  readonly names: readonly string[]
  readonly moved: boolean
}

/** new/ is read before cur/: a file that moves on meanwhile is then seen twice, not never. */
async function scan(state: State, complete: boolean): Promise<Scan[]> {
  const scans: Scan[] = []
  for (const directory of [state.newDirectory, state.curDirectory].filter(one => complete || one.wantsScan()))
    scans.push({ directory, ...(await directory.scan()) })
  return scans
}

async function match(state: State, scans: readonly Scan[]): Promise<Findings> {
  const { table, list } = state
  const findings: Findings = { fresh: new Map(), doubles: [], missing: new Set(), flagged: [] }
  const { fresh } = findings
  const seen = new Uint8Array(table.count)
  const complete = scans.length === 2
  const pacer = new Pacer()
  for (const { directory, names } of scans)
    for (const name of names) {
      const unique = uniqueOf(name)
      const uid = list.uids.get(unique)
      const row = uid === undefined ? -1 : table.find(uid)
      if (row < 0 || seen[row] || (!complete && isElsewhere(state, row, directory))) {
        const file = { name, unique, isNew: directory.isNew }
        if (row >= 0 || fresh.has(unique)) findings.doubles.push(file)
        else fresh.set(unique, file)
      } else {
        seen[row] = 1
        table.names[row] = name
        table.inNew[row] = directory.isNew ? 1 : 0
        if (maskOf(name) !== table.masks[row]) findings.flagged.push(uid!)
      }
      if (pacer.isDue) await pacer.rest()
    }
  for (let row = 0; row < table.count; row++)
    if (!seen[row] && (complete || !!table.inNew[row] === scans[0]?.directory.isNew))
      findings.missing.add(table.uids[row]!)
  if (complete && list.uids.size > table.count)
    for (const [unique, uid] of list.uids)
      if (!fresh.has(unique) && table.find(uid) < 0) findings.missing.add(uid)
  return findings
}

/** Whether a message whose file was found here still has its file in the directory that was not read. */
function isElsewhere(state: State, row: number, found: Directory): boolean {
  if (!!state.table.inNew[row] === found.isNew) return false
  return statOf(directoryFor(state, { isNew: !found.isNew }), state.table.names[row]!) !== undefined
}

/** Makes the findings the truth. */
async function take(state: State, findings: Findings, missing: ReadonlySet<number>): Promise<void> {
  const { table } = state
  if (findings.flagged.length > 0) {
    const modseq = state.nextModseq()
    for (const uid of findings.flagged) {
      const row = table.find(uid)
      table.masks[row] = maskOf(table.names[row]!)
      table.modseqs[row] = modseq
    }
    state.flagged(findings.flagged, modseq)
    state.mark(findings.flagged)
  }
  const copies = findings.doubles.flatMap(file => separate(state, file, findings.fresh) ?? [])
  if (missing.size > 0) removeMissing(state, missing)
  await addFiles(state, [...findings.fresh.values(), ...copies])
  state.loaded = true
}

function removeMissing(state: State, missing: ReadonlySet<number>): void {
  const { table, list } = state
  const here = [...missing].filter(uid => table.find(uid) >= 0)
  state.expunged(here)
  // Listed, but never in the table: lines of messages that went before we came.
  if (here.length < missing.size)
    for (const [unique, uid] of [...list.uids]) if (missing.has(uid)) list.forget(unique, uid)
}

/**
 * Two files with one unique name: a rename that was seen from both sides, a further link, or a copy. A copy is a
 * message of its own and gets a name of its own.
 *
 * @returns the copy under its new name
 */
function separate(state: State, file: File, fresh: Map<string, File>): File | undefined {
  const { table, list } = state
  const directory = directoryFor(state, file)
  const row = table.find(list.uids.get(file.unique) ?? 0)
  const mine = statOf(directory, file.name)
  if (!mine) return undefined
  const first = row < 0 ? fresh.get(file.unique)! : { name: table.names[row]!, isNew: !!table.inNew[row] }
  const other = statOf(directoryFor(state, first), first.name)
  if (!other) {
    // Renamed: the second is what is left.
    directory.stale = true
    if (row < 0) fresh.set(file.unique, file)
    else {
      table.names[row] = file.name
      table.inNew[row] = file.isNew ? 1 : 0
    }
    return undefined
  }
  const isLink = other.ino === mine.ino && other.dev === mine.dev
  if (isLink && mine.nlink === 1) return undefined
  return rename(directory, file, isLink)
}

/** Removes a further link, as Dovecot does: the file stays under its other name. A copy gets a new name. */
function rename(directory: Directory, file: File, isLink: boolean): File | undefined {
  const path = pathOf(directory.path, file.name)
  const unique = uniqueName()
  const name = file.isNew ? unique : withMask(unique, maskOf(file.name))
  directory.beforeOwnChange()
  try {
    if (isLink) unlinkSync(path)
    else renameSync(path, `${directory.path}/${name}`)
  } catch (error) {
    if (!isMissing(error)) throw error
    directory.stale = true
    return undefined
  } finally {
    directory.afterOwnChange()
  }
  return isLink ? undefined : { name, unique, isNew: file.isNew }
}

function directoryFor(state: State, file: { isNew: boolean }): Directory {
  return file.isNew ? state.newDirectory : state.curDirectory
}

function statOf(directory: Directory, name: string) {
  return statSync(pathOf(directory.path, name), { throwIfNoEntry: false })
}

/** Gives UIDs to files that have none, and rows to all, in the order of their UIDs. */
async function addFiles(state: State, files: readonly File[]): Promise<void> {
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
  const modseq = state.nextModseq()
  let recent = 0
  const noted: number[] = []
  for (const file of [...ofOthers, ...ofNobody]) {
    const uid = list.uids.get(file.unique)!
    const known = state.foretold.get(uid)
    if (known === undefined) noted.push(uid)
    table.push(uid, file.name, file.isNew, maskOf(file.name), known ?? modseq, state.changes.tick)
    if (file.isNew) recent ||= uid
    if (pacer.isDue) await pacer.rest()
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
async function moveNew(state: State): Promise<void> {
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
