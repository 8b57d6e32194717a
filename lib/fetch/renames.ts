/** Folders that were renamed there since the last run: they are followed here, and nothing of them comes twice. */
import type { Log } from '../sys/log.js'
import { keyOf, matchMessages } from './identity.js'
import type { Pairing } from './names.js'
import type { RemoteFolder, RemoteStatus, Source } from './source.js'
import type { Memory } from './state.js'
import type { FolderMemory, Known } from './state-line.js'
import type { Target } from './target.js'

/** How many messages of a folder are compared to know it again. */
const sample = 20

/** What following a rename needs. */
export interface Following {
  readonly memory: Memory
  readonly source: Source
  readonly target: Target
  readonly log: Log
  /** Whether mailboxes here are left as they are: in a dry run, and where messages go through filters. */
  readonly leaveLocal: boolean
}

/**
 * Looks for folders that are remembered and not there any more among those that are there and not remembered. A
 * folder is known again by its messages: their UIDs, or, where UIDVALIDITY went with the name, most of their headers.
 *
 * @param folders all that are there
 * @param pairings those that are fetched
 */
export async function followRenames(
  following: Following,
  folders: readonly RemoteFolder[],
  pairings: readonly Pairing[],
): Promise<void> {
  const { memory, source } = following
  const there = new Set(folders.map(({ path }) => path))
  const lost = memory.folders().filter(({ path, known }) => !there.has(path) && known.size > 0)
  // Parents first: a mailbox here takes those below it along.
  const fresh = pairings
    .filter(({ remote }) => !memory.folder(remote.path))
    .sort((a, b) => a.remote.path.length - b.remote.path.length)
  for (const pairing of fresh) {
    if (lost.length === 0) return
    const status = await source.examine(pairing.remote.path)
    if (status.messages === 0) continue
    const found = await findFormer(source, status, lost)
    if (!found) continue
    lost.splice(lost.indexOf(found.former), 1)
    await follow(following, pairing, status, found)
  }
}

interface Found {
  readonly former: FolderMemory
  /** What is known of its messages under new UIDs; undefined where they kept theirs. */
  readonly known?: readonly (readonly [uid: number, known: Known])[]
}

async function findFormer(
  source: Source,
  status: RemoteStatus,
  lost: readonly FolderMemory[],
): Promise<Found | undefined> {
  for (const former of lost)
    if (former.validity === status.validity && (await isSame(source, former))) return { former }
  const others = lost.filter(({ validity }) => validity !== status.validity)
  if (others.length === 0) return undefined
  const heads = (await source.heads(1)).map(
    ({ uid, size, head, date }) => [uid, keyOf(head, size, date)] as const,
  )
  for (const former of others) {
    const found = matchMessages(heads, former.known.values())
    if (2 * found.size < heads.length && 2 * found.size < former.known.size) continue
    const known = heads.flatMap(([uid, key]) => {
      const candidate = found.get(uid)
      return candidate ? [[uid, { local: candidate.local, key, flags: '' }] as const] : []
    })
    return { former, known }
  }
  return undefined
}

/** Whether the last messages that are known of a folder stand in the open one under the same UIDs. */
async function isSame(source: Source, { known }: FolderMemory): Promise<boolean> {
  const last = [...known.keys()].sort((a, b) => b - a).slice(0, sample)
  let same = 0
  for (const { uid, size, head, date } of await source.heads(last.at(-1) as number)) {
    const key = known.get(uid)?.key
    // What mbsync fetched, and is not here any more, has no key.
    if (key === undefined || key === '') continue
    if (key !== keyOf(head, size, date)) return false
    same++
  }
  return same > 0
}

async function follow(
  { memory, target, log, leaveLocal }: Following,
  { remote, local }: Pairing,
  { validity }: RemoteStatus,
  { former, known }: Found,
): Promise<void> {
  const { path: old, local: oldLocal } = former
  const moves = !leaveLocal && local !== oldLocal
  const here = moves ? await target.rename(oldLocal, local, former.localValidity) : local === oldLocal
  const moved = memory.moved(former, remote.path, local)
  log.info('folder-renamed', { account: memory.account, from: old, to: remote.path })
  if (here && !known) return
  // Where the mailbox here could not follow, what is in it stays there, and new mail goes to the new one.
  const rows = [...(known ?? moved.known)].map(
    ([uid, each]) => [uid, here ? each : { ...each, local: 0 }] as const,
  )
  const localValidity = here ? former.localValidity : ((await target.find(local))?.uidValidity ?? 0)
  const { floor, uidNext, messages, modseq, localNext } = moved
  const folder = await memory.begin({ path: remote.path, validity, local, localValidity }, rows)
  memory.pass(folder, {
    ...(known
      ? { floor: 0, uidNext: 0, messages: 0, modseq: undefined }
      : { floor, uidNext, messages, modseq }),
    localNext: here ? localNext : 0,
  })
}
