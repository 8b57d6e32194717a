/** Flags and removals, in slices, so that 100,000 of them hold up nobody. */
import { renameSync, statSync, unlinkSync } from 'node:fs'
import { maskOfAll, pathOf, withMask } from '../maildir/name.js'
import { Flag } from '../message/flags.js'
import { isMissing } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import type { FlagSet } from './flag-names.js'
import type { Author, State } from './state.js'
import { rescan, tidyList } from './sync.js'

/** Longest that the lock is held in one piece, in milliseconds. */
const turn = 150
/** How often a file is looked for again that another program renames under our hands. */
const retries = 5

/** What STORE asks for. */
export interface FlagChange {
  readonly mode: 'add' | 'remove' | 'replace'
  /** `\Seen` and the like, and keywords; names of other system flags and \Recent count nothing. */
  readonly flags: readonly string[]
}

export interface StoreOptions {
  /** Messages with a higher MODSEQ are left alone and returned in `modified` (RFC 7162 §3.1.3). */
  readonly unchangedSince?: number
  /** The session (its View) that makes the change and is not told of it by sync(). */
  readonly by?: Author
}

export interface StoreResult {
  /** UIDs whose flags are now others than before. */
  readonly changed: number[]
  /** UIDs that changed after `unchangedSince`. */
  readonly modified: number[]
  /** UIDs that are gone. */
  readonly gone: number[]
}

/**
 * Runs `step` for each UID under the lock, in slices between which others run, and in turns between which other
 * processes come to the lock.
 */
async function inTurns(
  state: State,
  uids: ArrayLike<number>,
  begin: () => void | Promise<void>,
  step: (uid: number) => void | Promise<void>,
  end: () => void | Promise<void>,
): Promise<void> {
  let at = 0
  while (at < uids.length)
    await state.locked(async () => {
      await begin()
      const turnEnds = performance.now() + turn
      const pacer = new Pacer()
      try {
        for (let now = 0; at < uids.length && now < turnEnds; at++) {
          const waiting = step(uids[at]!)
          if (waiting) await waiting
          now = performance.now()
          if (pacer.isOver) await pacer.rest()
        }
      } finally {
        await end()
      }
    })
}

/** Changes flags, each relative to what the message has at that moment. */
export async function store(
  state: State,
  uids: ArrayLike<number>,
  change: FlagChange,
  options: StoreOptions = {},
): Promise<StoreResult> {
  if (options.unchangedSince === undefined && changesNothing(state, uids, change))
    return { changed: [], modified: [], gone: [] }
  const result = { changed: [] as number[], modified: [] as number[], gone: [] as number[] }
  const { table, curDirectory, newDirectory } = state
  const limit = options.unchangedSince ?? Number.POSITIVE_INFINITY
  let set: FlagSet = { mask: 0, extras: [] }
  let changed: number[] = []
  const rekeyed = new Set<number>()
  const begin = async () => {
    curDirectory.beforeOwnChange()
    newDirectory.beforeOwnChange()
    set =
      change.mode === 'remove' ? state.flags.find(change.flags) : await state.flags.give(change.flags, state)
    changed = []
    rekeyed.clear()
  }
  const note = (outcome: Outcome, uid: number) => {
    if (outcome === 'changed') changed.push(uid)
    else if (outcome !== 'same') result[outcome].push(uid)
  }
  const work = (row: number) =>
    table.modseqs[row]! > limit ? 'modified' : apply(state, row, change.mode, set, rekeyed)
  const step = (uid: number) => {
    const outcome = applying(state, uid, work)
    if (typeof outcome !== 'string') return outcome.then(late => note(late, uid))
    return note(outcome, uid)
  }
  const end = () => {
    if (changed.length === 0) return
    curDirectory.afterOwnChange()
    newDirectory.afterOwnChange()
    noteChanged(state, changed, rekeyed, options.by)
    for (const uid of changed) result.changed.push(uid)
  }
  await inTurns(state, uids, begin, step, end)
  return result
}

/** Of how many messages at most it is found out without the lock that they have what is asked for. */
const mostUnlocked = 100

/** Whether all messages are there and have what is asked for, by all that is known under the lock: it is not taken then. */
function changesNothing(state: State, uids: ArrayLike<number>, { mode, flags }: FlagChange): boolean {
  const { table, curDirectory, newDirectory } = state
  if (uids.length > mostUnlocked || state.isBehind) return false
  const set = state.flags.find(flags)
  if (set.extras.length > 0 || (mode === 'replace' && table.extras.size > 0)) return false
  const isDoubtful = [curDirectory, newDirectory].some(each => each.isDoubtful || each.wantsScan())
  for (let i = 0; i < uids.length; i++) {
    const row = table.find(uids[i]!)
    const mask = table.masks[row]
    if (mask === undefined || combine(mask, mode, set.mask) !== mask) return false
    if (isDoubtful && !statSync(pathOf(state.directoryOf(row), table.names[row]!), { throwIfNoEntry: false }))
      return false
  }
  return true
}

/**
 * The MODSEQ is given when all is done: a session that asks in between is not told one that further messages still
 * get.
 */
function noteChanged(
  state: State,
  uids: readonly number[],
  rekeyed: ReadonlySet<number>,
  by: Author | undefined,
): void {
  const { table, journal } = state
  const modseq = state.nextModseq()
  for (const uid of uids) {
    const row = table.find(uid)
    if (row >= 0) table.modseqs[row] = modseq
  }
  state.flagged(uids, modseq)
  for (const uid of rekeyed) journal.extras(modseq, uid, table.extras.get(uid) ?? [])
  state.mark(uids, by)
}

type Outcome = 'changed' | 'same' | 'modified' | 'gone'

/** Does something to a message's file; when the file has another name meanwhile, again, and a little later. */
function applying(state: State, uid: number, work: (row: number) => Outcome): Outcome | Promise<Outcome> {
  const row = state.table.find(uid)
  if (row < 0) return 'gone'
  try {
    return work(row)
  } catch (error) {
    if (!isMissing(error)) throw error
    return applyingAgain(state, uid, work)
  }
}

async function applyingAgain(state: State, uid: number, work: (row: number) => Outcome): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    state.curDirectory.stale = state.newDirectory.stale = true
    await rescan(state, true)
    const row = state.table.find(uid)
    if (row < 0) return 'gone'
    try {
      return work(row)
    } catch (error) {
      if (!isMissing(error) || attempt === retries) throw error
    }
  }
}

/** Renames a file to have the flags, out of new/ where it is still there. */
function apply(
  state: State,
  row: number,
  mode: FlagChange['mode'],
  set: FlagSet,
  rekeyed: Set<number>,
): Outcome {
  const { table, curDirectory, newDirectory } = state
  const old = table.masks[row]!
  const mask = combine(old, mode, set.mask)
  if (mask !== old) {
    const name = withMask(table.names[row]!, mask)
    renameSync(pathOf(state.directoryOf(row), table.names[row]!), pathOf(curDirectory.path, name))
    table.names[row] = name
    table.inNew[row] = 0
    table.masks[row] = mask
  } else if (curDirectory.isDoubtful || newDirectory.isDoubtful) {
    // Another program may have set just now what is to be removed: a rename would find out, and so does this.
    statSync(pathOf(state.directoryOf(row), table.names[row]!))
  }
  const hasOtherExtras = changesExtras(state, row, mode, set.extras)
  if (hasOtherExtras) rekeyed.add(table.uids[row]!)
  return mask !== old || hasOtherExtras ? 'changed' : 'same'
}

function combine(old: number, mode: FlagChange['mode'], mask: number): number {
  if (mode === 'add') return old | mask
  return mode === 'remove' ? old & ~mask & maskOfAll : mask
}

/** Keywords beyond the 26 letters. @returns whether they changed */
function changesExtras(
  state: State,
  row: number,
  mode: FlagChange['mode'],
  extras: readonly string[],
): boolean {
  const all = state.table.extras
  const uid = state.table.uids[row]!
  const old = all.get(uid) ?? []
  if (extras.length === 0 && (mode !== 'replace' || old.length === 0)) return false
  const named = new Set(extras.map(name => name.toLowerCase()))
  const others = old.filter(name => !named.has(name.toLowerCase()))
  const kept = mode === 'replace' ? old.filter(name => named.has(name.toLowerCase())) : old
  const had = new Set(kept.map(name => name.toLowerCase()))
  const next =
    mode === 'remove' ? others : [...kept, ...extras.filter(name => !had.has(name.toLowerCase()))].sort()
  if (next.length === old.length && next.every((name, i) => name === old[i])) return false
  if (next.length === 0) all.delete(uid)
  else all.set(uid, next)
  return true
}

/**
 * Removes messages.
 *
 * @param deletedOnly leave those alone that are not \Deleted at that moment
 * @returns the UIDs that are gone now, ascending; also those that somebody else removed
 */
export async function expunge(
  state: State,
  uids: ArrayLike<number>,
  deletedOnly: boolean,
): Promise<number[]> {
  const { table, curDirectory, newDirectory } = state
  const gone: number[] = []
  let rows: number[] = []
  const begin = () => {
    curDirectory.beforeOwnChange()
    newDirectory.beforeOwnChange()
    rows = []
  }
  const work = (row: number) => {
    if (deletedOnly && !(table.masks[row]! & Flag.deleted)) return 'same'
    unlinkSync(pathOf(state.directoryOf(row), table.names[row]!))
    return 'changed'
  }
  const note = (outcome: Outcome, uid: number) => {
    if (outcome === 'same') return
    gone.push(uid)
    if (outcome === 'changed') rows.push(uid)
  }
  const step = (uid: number) => {
    const outcome = applying(state, uid, work)
    if (typeof outcome !== 'string') return outcome.then(late => note(late, uid))
    return note(outcome, uid)
  }
  const end = async () => {
    if (rows.length === 0) return
    curDirectory.afterOwnChange()
    newDirectory.afterOwnChange()
    state.expunged(rows)
    await tidyList(state)
  }
  await inTurns(state, uids, begin, step, end)
  return gone.sort((a, b) => a - b)
}

/** Notes that messages are gone whose files went to another mailbox. */
export async function forget(state: State, uids: readonly number[]): Promise<void> {
  if (uids.length === 0) return
  await state.locked(async () => {
    state.expunged(uids)
    await tidyList(state)
  })
}
