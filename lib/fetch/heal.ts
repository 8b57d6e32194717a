/** Finds messages again: those a run was about to store when it ended, and those whose UIDs mean nothing any more. */
import type { Mailbox } from '../mailbox/mailbox.js'
import { keyOf, matchMessages } from './identity.js'
import type { Plan } from './plan.js'
import type { FolderPass } from './run.js'
import type { Listed, RemoteStatus } from './source.js'
import { idsOf, type Known } from './state-line.js'

/** Looks whether what the last run was about to store is there. */
export function settle(pass: FolderPass, mailbox: Mailbox): void {
  const folder = pass.memory
  if (!folder || folder.pending.size === 0) return
  const there: [number, number][] = []
  for (const { uid, unique } of folder.pending.values()) {
    const local = mailbox.uidOf(unique)
    if (local !== undefined) there.push([uid, local])
  }
  pass.run.memory.got(folder, there)
  folder.pending.clear()
}

/** Finds messages again whose UIDs, there or here, mean nothing any more; begins to remember the folder anew. */
export async function heal(
  pass: FolderPass,
  status: RemoteStatus,
  { heal: afresh, relink, listFrom }: Plan,
  mailbox: Mailbox | undefined,
): Promise<void> {
  const { memory, target, source } = pass.run
  const { path } = pass.pairing.remote
  const local = pass.pairing.local
  const old = pass.memory
  let known: [number, Known][] = [...(old?.known ?? [])].sort((a, b) => a[0] - b[0])
  let healedIds: readonly Listed[] = []
  const here = mailbox && (relink || !old) ? await target.identify(mailbox) : []
  if (relink) {
    const found = matchMessages(
      known.map(([uid, { key }]) => [uid, key]),
      here,
    )
    known = known.map(([uid, each]) => [uid, { ...each, local: found.get(uid)?.local ?? 0 }])
  }
  if (afresh) {
    const candidates = old ? known.map(([, each]) => each) : here.map(each => ({ ...each, flags: '' }))
    const heads = candidates.length > 0 ? await source.heads(1) : []
    const keys = heads.map(({ uid, size, head, date }) => [uid, keyOf(head, size, date)] as const)
    const found = matchMessages(keys, candidates)
    known = keys.flatMap(([uid, key]) => {
      const candidate = found.get(uid)
      return candidate ? [[uid, { local: candidate.local, key, flags: '' }] as [number, Known]] : []
    })
    pass.result.healed = known.length
    healedIds = heads.filter(({ uid }) => found.has(uid))
  }
  const makes = listFrom > 0 && !pass.run.deliver && !pass.run.dry
  const localValidity = (makes ? await pass.mailbox() : mailbox)?.uidValidity ?? 0
  const { floor = 0, uidNext = 0, messages = 0, modseq } = afresh ? {} : (old ?? {})
  const localNext = mailbox?.uidNext ?? 0
  const folder = await memory.begin({ path, validity: status.validity, local, localValidity }, known)
  memory.ids(idsOf(folder, healedIds))
  memory.pass(folder, { floor, uidNext, messages, modseq, localNext })
}
