/**
 * A mailbox's memory on disk: postern.index and postern.journal brought together with the table. All of it runs under
 * the lock. Whatever is missing or damaged is made anew from the files' names and dovecot-uidlist; what is lost then is
 * which change had which MODSEQ, so that every message counts as changed now.
 */
import { setImmediate as yielding } from 'node:timers/promises'
import { withMask } from '../maildir/name.js'
import { makeDirectory } from '../sys/directory.js'
import { describe, errorCode } from '../sys/error.js'
import type { JournalRecord } from './journal-record.js'
import type { Directory } from './scan.js'
import { readSnapshot, type Snapshot, writeSnapshot } from './snapshot.js'
import type { State } from './state.js'

/** The journal is folded into a snapshot when it is longer than this, or than so much a message, in octets. */
const longestJournal = 262_144
const journalPerMessage = 20
/** Of how many messages at most the new names are guessed. */
const mostGuesses = 100
/** After a snapshot could not be written, how long until the next try, in milliseconds. */
const patience = 60_000

/** Fills an empty state from the snapshot and the journal, as far as they are good. */
export async function load(state: State): Promise<void> {
  // Folders that other programs made may lack them.
  for (const part of ['new', 'tmp']) makeDirectory(`${state.directory}/${part}`, 0o700)
  const snapshot = readWithJournal(state)
  if (!snapshot) {
    await state.list.readInSlices()
    noteRebuild(state)
    state.gone.reset(state.nextModseq())
    state.wantsSnapshot = true
    return
  }
  const { meta } = snapshot.snapshot
  await yielding()
  const isSame = await state.list.resume(meta.list, snapshot.snapshot)
  if (!isSame) {
    if ((await state.list.readInSlices()) === 'missing') state.list.restoreAll(meta.list, snapshot.snapshot)
    if (state.list.validity !== meta.validity) {
      noteRebuild(state)
      state.gone.reset(state.nextModseq())
      state.wantsSnapshot = true
      return
    }
  }
  fill(state, snapshot.snapshot)
  forgetDead(state, meta.next)
  if (!isSame) state.reconcile()
  for (const record of snapshot.records) {
    await yielding()
    replay(state, record)
  }
  if (snapshot.records.length > 0) state.curDirectory.stale = true
  forgetForetold(state)
  state.loaded = true
}

/** A mailbox that clients have seen is read from its files' names alone: worth a look when it happens often. */
function noteRebuild({ list, log, name }: State): void {
  if (list.uids.size > 0) log.info('index-rebuilt', { mailbox: name, messages: list.uids.size })
}

/** The snapshot, if the journal is the one that goes on from it, or all of the journal is in it. */
function readWithJournal(state: State): { snapshot: Snapshot; records: JournalRecord[] } | undefined {
  const snapshot = readSnapshot(state.directory)
  if (!snapshot) return undefined
  const { journal } = state
  const records = journal.readFrom(snapshot.meta.journal)
  if (records) return { snapshot, records }
  // A crash came between writing the snapshot and beginning its journal.
  if (journal.readFrom(snapshot.meta.covers)?.length !== 0) return undefined
  state.wantsSnapshot = true
  return { snapshot, records: [] }
}

function fill(state: State, snapshot: Snapshot): void {
  const { table } = state
  const { meta } = snapshot
  table.load(snapshot)
  for (const [uid, keywords] of meta.extras) setExtras(state, uid, keywords)
  state.gone.reset(meta.goneFloor, snapshot.goneUids, snapshot.goneModseqs)
  state.modseq = meta.modseq
  state.firstRecent = meta.firstRecent
  state.list.next = Math.max(state.list.next, meta.next)
  resume(state.newDirectory, meta.newTime)
  resume(state.curDirectory, meta.curTime)
}

function resume(directory: Directory, time: string): void {
  if (time === '') return
  directory.mtime = BigInt(time)
  directory.stale = false
  directory.unsure = false
}

/** A message that came and went while we were not looking, instead of a MODSEQ that is foretold. */
const isGone = -1

function forgetListed(state: State, isDead: (uid: number) => boolean): void {
  for (const [unique, uid] of [...state.list.uids]) if (isDead(uid)) state.list.forget(unique, uid)
}

/** Lines of messages that came and went unseen. */
function forgetForetold(state: State): void {
  const gone = new Set([...state.foretold].filter(([, modseq]) => modseq === isGone).map(([uid]) => uid))
  if (gone.size > 0) forgetListed(state, uid => gone.has(uid))
}

/** Listed below what the snapshot knows as next, and not in it: messages that were gone by then. */
function forgetDead(state: State, next: number): void {
  const { table, list } = state
  if (list.uids.size === table.count) return
  forgetListed(state, uid => uid < next && table.find(uid) < 0)
}

/** Takes over what other processes noted since. Flags are told to sessions; names are guessed until they are read. */
export function catchUpJournal(state: State): void {
  const records = state.journal.read()
  if (records) {
    for (const record of records) replay(state, record)
    forgetForetold(state)
    return
  }
  const found = readWithJournal(state)
  if (!found || found.snapshot.meta.validity !== state.list.validity) {
    state.wantsSnapshot = true
    return
  }
  const { uids, masks, modseqs, meta } = found.snapshot
  replay(state, { kind: 'flags', modseq: 0, uids, masks }, row => modseqs[row]!)
  for (const [uid, keywords] of meta.extras) setExtras(state, uid, keywords)
  state.modseq = Math.max(state.modseq, meta.modseq)
  state.firstRecent = Math.max(state.firstRecent, meta.firstRecent)
  state.list.next = Math.max(state.list.next, meta.next)
  for (const record of found.records) replay(state, record)
}

function replay(state: State, record: JournalRecord, modseqOf?: (at: number) => number): void {
  switch (record.kind) {
    case 'flags':
      replayFlags(state, record.uids, record.masks, modseqOf ?? (() => record.modseq))
      state.modseq = Math.max(state.modseq, record.modseq)
      return
    case 'expunged':
      for (const uid of record.uids) if (state.table.find(uid) < 0) state.foretold.set(uid, isGone)
      state.drop(record.uids, record.modseq)
      state.modseq = Math.max(state.modseq, record.modseq)
      return
    case 'recent':
      state.firstRecent = Math.max(state.firstRecent, record.uid)
      return
    case 'extras':
      setExtras(state, record.uid, record.keywords)
      replayFlags(state, [record.uid], undefined, () => record.modseq)
      state.modseq = Math.max(state.modseq, record.modseq)
  }
}

function replayFlags(
  state: State,
  uids: ArrayLike<number>,
  masks: ArrayLike<number> | undefined,
  modseqOf: (at: number) => number,
): void {
  const { table } = state
  const changed: number[] = []
  for (let i = 0; i < uids.length; i++) {
    const row = table.find(uids[i]!)
    const modseq = modseqOf(i)
    if (row < 0) {
      state.foretold.set(uids[i]!, modseq)
      continue
    }
    if (modseq <= table.modseqs[row]!) continue
    table.modseqs[row] = modseq
    changed.push(uids[i]!)
    const mask = masks?.[i] ?? table.masks[row]!
    if (mask === table.masks[row]) continue
    table.masks[row] = mask
    // Many names are better read than guessed.
    if (uids.length > mostGuesses) continue
    table.names[row] = withMask(table.names[row]!, mask)
    table.inNew[row] = 0
  }
  if (uids.length > mostGuesses) state.curDirectory.stale = true
  if (changed.length > 0) state.mark(changed)
}

function setExtras(state: State, uid: number, keywords: readonly string[]): void {
  if (keywords.length === 0) state.table.extras.delete(uid)
  else state.table.extras.set(uid, keywords)
  state.flags.meet(keywords)
}

/** Writes down what was noted under this lock, and now and then a snapshot. Trouble here loses time, not mail. */
export async function save(state: State): Promise<void> {
  const { journal, table } = state
  if (!journal.hasPending && !state.wantsSnapshot) return
  try {
    journal.flush()
    const limit = Math.max(longestJournal, table.count * journalPerMessage)
    if (state.wantsSnapshot || journal.place.offset > limit) await snapshot(state)
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    // Somebody deleted the mailbox: there is nothing left to write it down for.
    if (state.curDirectory.stat() === undefined) return
    state.log.warning('index-not-written', { mailbox: state.name, error: describe(error) })
    state.journalPausedUntil = performance.now() + patience
  }
}

/** Writes a snapshot, and begins a journal that goes on from it. */
export async function snapshot(state: State): Promise<void> {
  const { journal, table, gone, list } = state
  if (performance.now() < state.journalPausedUntil || !state.loaded) return
  const next = journal.next()
  await writeSnapshot(state.directory, table, gone, {
    count: table.count,
    goneCount: gone.uids.length,
    goneFloor: gone.floor,
    validity: list.validity,
    next: list.next,
    modseq: state.modseq,
    firstRecent: state.firstRecent,
    journal: next.place,
    covers: journal.place,
    extras: [...table.extras],
    list: list.stamp,
    newTime: timeOf(state.newDirectory),
    curTime: timeOf(state.curDirectory),
  })
  next.start()
  state.wantsSnapshot = false
  state.learned = 0
}

function timeOf(directory: Directory): string {
  return directory.stale || directory.unsure ? '' : String(directory.mtime)
}
