/**
 * Bringing the table to what is on disk: files that came, went, were renamed or copied, by whatever program. All of it
 * runs under the lock, which holds off Dovecot and our other processes; programs that know no lock may rename and
 * remove files meanwhile, and a file renamed while a directory is read may be missed. So a message counts as gone only
 * when reading found it nowhere although nothing moved, or several times in a row.
 */
import { maskOf, uniqueOf } from '../maildir/name.js'
import { describe, errorCode } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { addFresh, addListed, moveNew } from './arrivals.js'
import { directoryFor, separate, statOf } from './doubles.js'
import { ListedFiles } from './listed.js'
import type { Directory, File } from './scan.js'
import { aMoment, type State } from './state.js'

/** How often the directories are read before a message that is never found counts as gone. */
const attempts = 4

/** What reading the directories told. */
interface Findings {
  /** Files of no message in the table that have a UID, in the order of these. */
  readonly listed: ListedFiles
  /** Files of no message in the table that have none, or one that is not to be used again, by unique name. */
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
  const { newDirectory, curDirectory, list, flags } = state
  if (!state.loaded || newDirectory.wantsScan() || curDirectory.wantsScan()) return true
  if (list.changed() || flags.changed()) return true
  return state.journal.changed() && performance.now() > state.journalPausedUntil
}

/** Whether somebody should look, while others go on, whether anything changed that could not be known of. */
export function hasDoubt({ newDirectory, curDirectory }: State): boolean {
  return newDirectory.isDoubtDue || curDirectory.isDoubtDue
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
  const { newDirectory, curDirectory } = state
  if (!state.loaded || newDirectory.wantsScan() || curDirectory.wantsScan() || hasDoubt(state))
    await rescan(state)
  await tidyList(state, state.list.broken)
  if (state.writers > 0) await moveNew(state)
}

/**
 * Writes the list of UIDs anew where that is due.
 *
 * @param needed whether it has to be, and not only saves time: a full disk keeps nobody from reading, or from removing
 */
export async function tidyList(state: State, needed = false): Promise<void> {
  const { list, log, name } = state
  if (!list.wantsRewrite) return
  try {
    await list.rewrite()
  } catch (error) {
    if (needed || errorCode(error) === undefined) throw error
    log.warning('uidlist-not-written', { mailbox: name, error: describe(error) })
  }
}

/** Reads the directories until what they say can be believed, and takes it over. */
export async function rescan(state: State, complete = !state.loaded): Promise<void> {
  let missing: Set<number> | undefined
  for (let attempt = 1; ; attempt++) {
    const started = performance.now()
    const scans = await scan(state, complete)
    const findings = await match(state, scans)
    for (const { directory } of scans) directory.effort = performance.now() - started
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
  for (const directory of [state.newDirectory, state.curDirectory].filter(
    one => complete || one.wantsScan() || one.isDoubtDue,
  ))
    scans.push({ directory, ...(await directory.scan()) })
  return scans
}

async function match(state: State, scans: readonly Scan[]): Promise<Findings> {
  const { table, list } = state
  const listed = new ListedFiles()
  const findings: Findings = { listed, fresh: new Map(), doubles: [], missing: new Set(), flagged: [] }
  const { fresh } = findings
  const { lastUid } = table
  let found = 0
  const seen = new Uint8Array(table.count)
  const complete = scans.length === 2
  const pacer = new Pacer()
  for (const { directory, names } of scans)
    for (const name of names) {
      const uid = list.uids.ofFile(name)
      const row = uid === undefined || uid > lastUid ? -1 : table.find(uid)
      if (uid !== undefined && uid > lastUid) listed.add(uid, name, directory.isNew)
      else if (row < 0 || seen[row] || (!complete && isElsewhere(state, row, directory))) {
        const unique = uniqueOf(name)
        const file = { name, unique, isNew: directory.isNew }
        if (row >= 0 || fresh.has(unique)) findings.doubles.push(file)
        else fresh.set(unique, file)
      } else {
        seen[row] = 1
        found++
        table.names[row] = name
        table.inNew[row] = directory.isNew ? 1 : 0
        if (maskOf(name) !== table.masks[row]) findings.flagged.push(uid!)
      }
      if (pacer.isDue) await pacer.rest()
    }
  for (const file of await listed.sort(pacer)) findings.doubles.push({ ...file, unique: uniqueOf(file.name) })
  for (let row = 0; row < table.count; row++)
    if (!seen[row] && (complete || !!table.inNew[row] === scans[0]?.directory.isNew))
      findings.missing.add(table.uids[row]!)
  if (complete && list.uids.size > found + listed.count)
    for (const [unique, uid] of list.uids)
      if (!fresh.has(unique) && !listed.has(uid) && table.find(uid) < 0) findings.missing.add(uid)
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
  const { listed, fresh, doubles } = findings
  if (missing.size > 0) removeMissing(state, missing)
  const known = await addListed(state, listed)
  const copies = doubles.flatMap(file => separate(state, file, fresh) ?? [])
  const added = await addFresh(state, [...fresh.values(), ...copies])
  if (!state.loaded) state.firstRecent = known || added || state.list.next
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
