/** What changed in a folder of what is known of it: flags, and messages that are gone. */
import { type FolderPass, joined } from './run.js'
import { type FolderMemory, lastOf } from './state-line.js'

/** Takes over what changed there of flags, and leaves alone what changed here. */
export async function followFlags(pass: FolderPass, since: string | undefined): Promise<void> {
  const { source, memory, dry, target } = pass.run
  const folder = pass.memory as FolderMemory
  const highest = lastOf(folder.known.keys())
  if (highest === 0) return
  const news: [uid: number, flags: string][] = []
  const changes = new Map<string, { add: string[]; remove: string[]; uids: number[] }>()
  for (const { uid, flags } of await source.flags(highest, since)) {
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

export async function findGone(pass: FolderPass): Promise<void> {
  const { source, memory, target, dry } = pass.run
  const folder = pass.memory as FolderMemory
  const there = new Set(await source.uids())
  const gone = [...folder.known].filter(([uid]) => !there.has(uid))
  pass.result.gone = gone.length
  if (gone.length === 0 || dry) return
  const mailbox = await target.find(pass.pairing.local)
  const locals = gone.map(([, { local }]) => local).filter(local => local > 0)
  if (mailbox) pass.result.trashed = await target.trash(mailbox, locals)
  memory.gone(
    folder,
    gone.map(([uid]) => uid),
  )
}
