/** What changed in a folder of what is known of it: flags, and messages that are gone. */
import type { Mailbox } from '../mailbox/mailbox.js'
import { type FolderPass, joined } from './run.js'
import type { RemoteFlags } from './source.js'
import { type FolderMemory, type Known, lastOf } from './state-line.js'

/** What of a folder is to be looked at: flags, messages that are gone, and since when the server need tell them. */
export interface Wanted {
  readonly flags: boolean
  readonly gone: boolean
  readonly since: string | undefined
}

/** Asks what changed, and does the same here. */
export async function followChanges(pass: FolderPass, { flags, gone, since }: Wanted): Promise<void> {
  const { source } = pass.run
  const folder = pass.memory as FolderMemory
  const highest = lastOf(folder.known.keys())
  if (highest === 0 || !(flags || gone)) return
  // One command tells both, where the server keeps what is gone (QRESYNC).
  const told =
    flags || (source.tellsGone && since !== undefined) ? await source.changes(highest, since) : undefined
  if (told && flags) await followFlags(pass, told.flags)
  if (!gone) return
  const vanished = told?.gone
  const there = vanished ? undefined : new Set(await source.uids())
  await followGone(
    pass,
    [...folder.known].filter(([uid]) => (vanished ? vanished.has(uid) : !there?.has(uid))),
  )
}

/** Takes over what changed there of flags, and leaves alone what changed here. */
async function followFlags(pass: FolderPass, told: readonly RemoteFlags[]): Promise<void> {
  const { memory, dry, target } = pass.run
  const folder = pass.memory as FolderMemory
  const news: [uid: number, flags: string][] = []
  const changes = new Map<string, { add: string[]; remove: string[]; uids: number[] }>()
  for (const { uid, flags } of told) {
    const known = folder.known.get(uid)
    const now = joined(flags)
    if (!known || known.flags === now) continue
    news.push([uid, now])
    if (known.local === 0) continue
    const before = known.flags === '' ? [] : known.flags.split(' ')
    const add = flags.filter(flag => !before.includes(flag))
    const remove = before.filter(flag => !flags.includes(flag))
    const name = `${add.join(' ')} - ${remove.join(' ')}`
    const change = changes.get(name) ?? { add, remove, uids: [] }
    changes.set(name, change)
    change.uids.push(known.local)
  }
  pass.result.flagged = news.length
  const mailbox = dry ? undefined : await target.find(pass.pairing.local)
  for (const { add, remove, uids } of mailbox ? changes.values() : []) {
    if (add.length > 0) await mailbox?.store(uids, { mode: 'add', flags: add })
    if (remove.length > 0) await mailbox?.store(uids, { mode: 'remove', flags: remove })
  }
  memory.flags(folder, news)
}

async function followGone(pass: FolderPass, gone: readonly (readonly [number, Known])[]): Promise<void> {
  const { memory, target, dry } = pass.run
  const folder = pass.memory as FolderMemory
  pass.result.gone = gone.length
  if (gone.length === 0 || dry) return
  const mailbox = await target.find(pass.pairing.local)
  if (mailbox) {
    const left = await followMoved(pass, mailbox, gone)
    const locals = left.map(([, { local }]) => local).filter(local => local > 0)
    pass.result.trashed = await target.trash(mailbox, locals)
  }
  memory.gone(
    folder,
    gone.map(([uid]) => uid),
  )
}

/**
 * What is gone from one folder and still in another was moved, or lost a label: it leaves the folder here too, and
 * goes where the other one's messages are unless it is there.
 *
 * @returns those that are nowhere else
 */
async function followMoved(
  pass: FolderPass,
  mailbox: Mailbox,
  gone: readonly (readonly [number, Known])[],
): Promise<(readonly [number, Known])[]> {
  const { memory, target } = pass.run
  const folder = pass.memory as FolderMemory
  const ids = memory.idsIn(folder, new Set(gone.map(([uid]) => uid)))
  const left: (readonly [number, Known])[] = []
  for (const [uid, known] of gone) {
    const id = ids.get(uid)
    const elsewhere = id === undefined ? [] : memory.placesOf(id).filter(place => place.folder !== folder)
    const [other] = elsewhere
    if (!other || known.local === 0 || !mailbox.message(known.local)) {
      left.push([uid, known])
      continue
    }
    if (await isHere(pass, elsewhere)) await mailbox.remove([known.local])
    else {
      const { targets } = await mailbox.move([known.local], await target.make(other.folder.local))
      memory.know(other.folder, [[other.uid, { ...other.known, local: targets[0] ?? 0 }]])
    }
    pass.result.moved++
  }
  return left
}

async function isHere(
  { run }: FolderPass,
  places: readonly { readonly folder: FolderMemory; readonly known: Known }[],
): Promise<boolean> {
  for (const { folder, known } of places)
    if (known.local > 0 && (await run.target.find(folder.local))?.message(known.local)) return true
  return false
}
