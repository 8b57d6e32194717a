/** What is new in a folder: listed, linked where it is here already, and the rest fetched. */
import type { Mailbox } from '../mailbox/mailbox.js'
import { keyOf, matchMessages } from './identity.js'
import type { FolderPass, Progress } from './run.js'
import { type Listed, MessageGone } from './source.js'
import { type FolderMemory, idsOf, type Known } from './state-line.js'
import { Writer } from './writer.js'

/** What one FETCH asks for. */
const commandMessages = 1_000
const commandOctets = 64 * 1024 * 1024

/** @returns the lowest UID that is there, and could not be fetched */
export async function fetchNew(
  pass: FolderPass,
  from: number,
  mailbox: Mailbox | undefined,
): Promise<number | undefined> {
  const { budget, dry, waiting } = pass.run
  const { path } = pass.pairing.remote
  const before = waiting.get(path)
  if (before?.day === budget.today && before.from === from) {
    pass.result.postponed = before.messages
    pass.result.postponedOctets = before.octets
    return from
  }
  const listed = await link(pass, await listNew(pass, from, mailbox))
  const { now, later } = budget.share(listed)
  pass.result.postponed = later.length
  pass.result.postponedOctets = sum(later)
  const [first] = later
  if (first)
    waiting.set(path, { day: budget.today, from: first.uid, messages: later.length, octets: sum(later) })
  if (dry) {
    pass.result.fetched = now.length
    pass.result.octets = sum(now)
    return later[0]?.uid
  }
  const missing = now.length > 0 ? await fetch(pass, now) : []
  const left = missing.length > 0 ? await stillThere(pass, missing) : []
  pass.result.unread = left.length
  return left[0] ?? later[0]?.uid
}

/** New messages there, but for those that are here although the memory does not have them. */
async function listNew(pass: FolderPass, from: number, mailbox: Mailbox | undefined): Promise<Listed[]> {
  const { source, memory, target } = pass.run
  const folder = pass.memory as FolderMemory
  const locals = new Set([...folder.known.values()].map(({ local }) => local))
  const unknown = mailbox ? await target.identify(mailbox, folder.localNext, locals) : []
  if (unknown.length === 0) return (await source.list(from)).filter(({ uid }) => !folder.known.has(uid))
  const heads = (await source.heads(from)).filter(({ uid }) => !folder.known.has(uid))
  const keys = heads.map(({ uid, size, head, date }) => [uid, keyOf(head, size, date)] as const)
  const found = matchMessages(keys, unknown)
  memory.know(
    folder,
    keys.flatMap(([uid, key]) => {
      const local = found.get(uid)?.local
      return local === undefined ? [] : [[uid, { local, key, flags: '' }] as const]
    }),
  )
  memory.ids(
    idsOf(
      folder,
      heads.filter(({ uid }) => found.has(uid)),
    ),
  )
  pass.result.healed += found.size
  return heads.filter(({ uid }) => !found.has(uid))
}

/** Links messages that another folder brought here: Gmail shows one in many. @returns those that are none */
async function link(pass: FolderPass, listed: readonly Listed[]): Promise<readonly Listed[]> {
  const { memory, target, dry, deliver } = pass.run
  const folder = pass.memory as FolderMemory
  // What has other folders needs no copy in the folder of the rest.
  const needsNoFile = deliver !== undefined || isRest(pass)
  const left: Listed[] = []
  const bySource = new Map<FolderMemory, [uid: number, known: Known][]>()
  for (const each of listed) {
    const places = each.id === undefined ? [] : memory.placesOf(each.id)
    const first = places.find(place => place.folder !== folder && (needsNoFile || place.known.local > 0))
    if (first) bySource.set(first.folder, [...(bySource.get(first.folder) ?? []), [each.uid, first.known]])
    else left.push(each)
  }
  const gone = new Set<number>()
  for (const [from, messages] of dry ? [] : bySource) {
    const linked = needsNoFile
      ? messages.map(([uid, known]) => [uid, { ...known, local: 0 }] as const)
      : await linkFrom(pass, await target.find(from.local), messages)
    memory.know(folder, linked)
    memory.ids(idsOf(folder, withIds(listed, linked)))
    pass.result.linked += linked.length
    const done = new Set(linked.map(([uid]) => uid))
    for (const [uid] of messages) if (!done.has(uid)) gone.add(uid)
  }
  if (dry) pass.result.linked = listed.length - left.length
  return gone.size === 0 ? left : listed.filter(each => gone.has(each.uid) || left.includes(each))
}

/** Whether the folder takes only what stands in no other: Gmail's All Mail, by choice. */
function isRest({ run, pairing }: FolderPass): boolean {
  return run.allMail === 'rest' && pairing.remote.specialUse === '\\All'
}

function withIds(
  listed: readonly Listed[],
  some: readonly (readonly [uid: number, known: Known])[],
): Listed[] {
  const uids = new Set(some.map(([uid]) => uid))
  return listed.filter(({ uid }) => uids.has(uid))
}

/** @returns what is here now; not those whose first copy the user deleted meanwhile */
async function linkFrom(
  pass: FolderPass,
  source: Mailbox | undefined,
  messages: readonly (readonly [uid: number, known: Known])[],
): Promise<[uid: number, known: Known][]> {
  if (!source) return []
  const mailbox = await pass.mailbox()
  const byLocal = new Map(messages.map(message => [message[1].local, message]))
  const { sources, targets } = await source.copy([...byLocal.keys()], mailbox)
  return sources.flatMap((local, i) => {
    const [uid, known] = byLocal.get(local) ?? []
    return uid === undefined || !known ? [] : [[uid, { ...known, local: targets[i] as number }]]
  })
}

async function stillThere(pass: FolderPass, uids: readonly number[]): Promise<number[]> {
  const there = new Set((await pass.run.source.list(uids[0] as number)).map(({ uid }) => uid))
  return uids.filter(uid => there.has(uid))
}

/** @returns UIDs of messages that did not come */
async function fetch(pass: FolderPass, listed: readonly Listed[]): Promise<number[]> {
  const { signal } = pass.run
  const writer = new Writer(pass.run, pass.memory as FolderMemory, () => pass.mailbox())
  const total = { ofMessages: listed.length, ofOctets: sum(listed) }
  const missing: number[] = []
  try {
    for (const group of commands(listed)) {
      signal.throwIfAborted()
      missing.push(...(await fetchGroup(pass, group, writer, total)))
    }
  } finally {
    // What has come is kept, whatever happened to the rest.
    await writer.end()
  }
  return missing
}

async function fetchGroup(
  { run: { source, signal, progress, budget }, result }: FolderPass,
  group: readonly Listed[],
  writer: Writer,
  total: Pick<Progress, 'ofMessages' | 'ofOctets'>,
): Promise<Iterable<number>> {
  const missing = new Map(group.map(each => [each.uid, each]))
  await source.fetch(group, async message => {
    signal.throwIfAborted()
    const listed = missing.get(message.uid)
    if (!listed) return
    const messages = result.fetched + 1
    const came = (octets: number) => {
      result.octets += octets
      budget.spend(octets)
      progress({ folder: result.folder, messages, octets: result.octets, ...total })
    }
    try {
      await writer.add(message, listed, came)
    } catch (error) {
      if (!(error instanceof MessageGone)) throw error
      return
    }
    missing.delete(message.uid)
    result.fetched++
  })
  return missing.keys()
}

/** What each FETCH asks for. */
function* commands(listed: readonly Listed[]): Generator<Listed[]> {
  let group: Listed[] = []
  let octets = 0
  for (const each of listed) {
    if (group.length > 0 && (group.length >= commandMessages || octets + each.size > commandOctets)) {
      yield group
      group = []
      octets = 0
    }
    group.push(each)
    octets += each.size
  }
  if (group.length > 0) yield group
}

function sum(listed: readonly Listed[]): number {
  return listed.reduce((total, { size }) => total + size, 0)
}
