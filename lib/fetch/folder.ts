/** One pass over one remote folder: what is there and not here is brought here. */
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Log } from '../sys/log.js'
import type { Budget } from './budget.js'
import { keyOf, matchMessages } from './identity.js'
import type { Pairing } from './names.js'
import { type Plan, type Policy, planFolder, type Remembered } from './plan.js'
import type { Listed, RemoteMessage, RemoteStatus, Source } from './source.js'
import type { FolderMemory, Known, Memory } from './state.js'
import type { Target } from './target.js'

/** Gives a message to the user's filters; on disk, or thrown away, when it returns. */
export type Deliver = (octets: Buffer) => Promise<void>

/** What all folders of a run share. */
export interface Run {
  readonly source: Source
  readonly memory: Memory
  readonly target: Target
  readonly policy: Policy
  /** Where messages go that are not mirrored into folders. */
  readonly deliver?: Deliver | undefined
  readonly budget: Budget
  /** Only says what would be done. */
  readonly dry: boolean
  readonly log: Log
  readonly signal: AbortSignal
  /** Called as messages come. */
  readonly progress: (progress: Progress) => void
}

/** How far a folder is. */
export interface Progress {
  readonly folder: string
  readonly messages: number
  readonly ofMessages: number
  readonly octets: number
  readonly ofOctets: number
}

/** What a pass did, or in a dry run would do. */
export interface FolderResult {
  readonly folder: string
  readonly local: string
  fetched: number
  octets: number
  /** Messages whose flags were taken over again. */
  flagged: number
  /** Messages that are gone there. */
  gone: number
  /** Messages moved to Trash here for that. */
  trashed: number
  /** Messages found again under other UIDs, not fetched again. */
  healed: number
  /** Messages that are here already in another folder, and are links to those now. */
  linked: number
  /** Messages that the server listed and did not send. */
  unread: number
  /** Messages, and their octets, left for another day by the budget. */
  postponed: number
  postponedOctets: number
}

/** Messages stored together: they share their syncs. */
const batchMessages = 128
const batchOctets = 8 * 1024 * 1024
/** Messages that go through the user's filters at a time. */
const atOnce = 4
/** What one FETCH asks for. */
const commandMessages = 1_000
const commandOctets = 64 * 1024 * 1024

export async function passFolder(run: Run, pairing: Pairing): Promise<FolderResult> {
  return new Pass(run, pairing).pass()
}

class Pass {
  readonly #run: Run
  readonly #pairing: Pairing
  readonly #result: FolderResult

  constructor(run: Run, pairing: Pairing) {
    this.#run = run
    this.#pairing = pairing
    this.#result = {
      folder: pairing.remote.path,
      local: pairing.local,
      fetched: 0,
      octets: 0,
      flagged: 0,
      gone: 0,
      trashed: 0,
      healed: 0,
      linked: 0,
      unread: 0,
      postponed: 0,
      postponedOctets: 0,
    }
  }

  get #memory(): FolderMemory | undefined {
    return this.#run.memory.folder(this.#pairing.remote.path)
  }

  async pass(): Promise<FolderResult> {
    const { source, policy, memory } = this.#run
    const { remote } = this.#pairing
    if (remote.status && planFolder(remote.status, this.#remembered(true), policy).idle) return this.#result
    const status = await source.examine(remote.path)
    if (planFolder(status, this.#remembered(true), policy).idle) return this.#result
    const mailbox = await this.#found()
    const sameLocal = (mailbox?.uidValidity ?? 0) === this.#memory?.localValidity
    const plan = planFolder(status, this.#remembered(sameLocal), policy)
    if (mailbox) this.#settle(mailbox)
    if (plan.heal || plan.relink) await this.#heal(status, plan, mailbox)
    const failed =
      plan.listFrom > 0 ? await this.#fetchNew(plan.heal ? 1 : plan.listFrom, mailbox) : undefined
    if (plan.flags) await this.#followFlags(plan.flags.since)
    if (plan.gone) await this.#findGone()
    const folder = this.#memory
    const { uidNext, messages, modseq } = status
    const known = uidNext === 0 ? lastOf(folder?.known.keys() ?? []) : 0
    const highest = Math.max(uidNext - 1, folder?.floor ?? 0, known)
    const floor = plan.listFrom > 0 ? (failed === undefined ? highest : failed - 1) : (folder?.floor ?? 0)
    const localNext = (await this.#found())?.uidNext ?? 0
    if (folder) memory.pass(folder, { floor, uidNext, messages, modseq, localNext })
    return this.#result
  }

  #remembered(sameLocal: boolean): Remembered | undefined {
    const folder = this.#memory
    if (!folder) return undefined
    return {
      ...folder,
      count: folder.known.size,
      unsure: folder.pending.size > 0,
      sameLocal: sameLocal && folder.local === this.#pairing.local,
    }
  }

  /** Looks whether what the last run was about to store is there. */
  #settle(mailbox: Mailbox): void {
    const folder = this.#memory
    if (!folder || folder.pending.size === 0) return
    const there: [number, number][] = []
    for (const { uid, unique } of folder.pending.values()) {
      const local = mailbox.uidOf(unique)
      if (local !== undefined) there.push([uid, local])
    }
    this.#run.memory.got(folder, there)
    folder.pending.clear()
  }

  /** Finds messages again whose UIDs, there or here, mean nothing any more; begins to remember the folder anew. */
  async #heal(
    status: RemoteStatus,
    { heal, relink, listFrom }: Plan,
    mailbox: Mailbox | undefined,
  ): Promise<void> {
    const { memory, target, source } = this.#run
    const { path } = this.#pairing.remote
    const local = this.#pairing.local
    const old = this.#memory
    let known: [number, Known][] = [...(old?.known ?? [])].sort((a, b) => a[0] - b[0])
    const here = mailbox && (relink || !old) ? await target.identify(mailbox) : []
    if (relink) {
      const found = matchMessages(
        known.map(([uid, { key }]) => [uid, key]),
        here,
      )
      known = known.map(([uid, each]) => [uid, { ...each, local: found.get(uid)?.local ?? 0 }])
    }
    if (heal) {
      const candidates = old ? known.map(([, each]) => each) : here.map(each => ({ ...each, flags: '' }))
      const heads = candidates.length > 0 ? await source.heads(1) : []
      const keys = heads.map(({ uid, size, head, date }) => [uid, keyOf(head, size, date)] as const)
      const found = matchMessages(keys, candidates)
      known = keys.flatMap(([uid, key]) => {
        const candidate = found.get(uid)
        return candidate ? [[uid, { local: candidate.local, key, flags: '' }] as [number, Known]] : []
      })
      this.#result.healed = known.length
    }
    const makes = listFrom > 0 && !this.#run.deliver && !this.#run.dry
    const localValidity = (makes ? await this.#mailbox() : mailbox)?.uidValidity ?? 0
    const { floor = 0, uidNext = 0, messages = 0, modseq } = heal ? {} : (old ?? {})
    const localNext = mailbox?.uidNext ?? 0
    const folder = await memory.begin({ path, validity: status.validity, local, localValidity }, known)
    memory.pass(folder, { floor, uidNext, messages, modseq, localNext })
  }

  /** The mailbox here as it is now; undefined where there is none. */
  async #found(): Promise<Mailbox | undefined> {
    return this.#run.deliver ? undefined : this.#run.target.find(this.#pairing.local)
  }

  /** The mailbox here, made where there is none. */
  async #mailbox(): Promise<Mailbox> {
    return this.#run.target.make(this.#pairing.local)
  }

  /** @returns the lowest UID that is there, and could not be fetched */
  async #fetchNew(from: number, mailbox: Mailbox | undefined): Promise<number | undefined> {
    const { budget, dry } = this.#run
    const listed = await this.#link(await this.#list(from, mailbox))
    const { now, later } = budget.share(listed)
    this.#result.postponed = later.length
    this.#result.postponedOctets = sum(later)
    if (dry) {
      this.#result.fetched = now.length
      this.#result.octets = sum(now)
      return later[0]?.uid
    }
    const missing = now.length > 0 ? await this.#fetch(now) : []
    const left = missing.length > 0 ? await this.#stillThere(missing) : []
    this.#result.unread = left.length
    return left[0] ?? later[0]?.uid
  }

  /** New messages there, but for those that are here although the memory does not have them. */
  async #list(from: number, mailbox: Mailbox | undefined): Promise<Listed[]> {
    const { source, memory, target } = this.#run
    const folder = this.#memory as FolderMemory
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
    this.#result.healed += found.size
    return heads.filter(({ uid }) => !found.has(uid))
  }

  /** Links messages that another folder brought here: Gmail shows one in many. @returns those that are none */
  async #link(listed: readonly Listed[]): Promise<readonly Listed[]> {
    const { memory, target, dry, deliver } = this.#run
    const folder = this.#memory as FolderMemory
    const left: Listed[] = []
    const bySource = new Map<FolderMemory, [uid: number, known: Known][]>()
    for (const each of listed) {
      const first = each.id === undefined ? undefined : memory.byId(each.id)
      const known = first?.folder.known.get(first.uid)
      const isThere = first && first.folder !== folder && known && (deliver || known.local > 0)
      if (isThere) bySource.set(first.folder, [...(bySource.get(first.folder) ?? []), [each.uid, known]])
      else left.push(each)
    }
    const gone = new Set<number>()
    for (const [from, messages] of dry ? [] : bySource) {
      const linked = deliver
        ? messages.map(([uid, known]) => [uid, { ...known, local: 0 }] as const)
        : await this.#linkFrom(await target.find(from.local), messages)
      memory.know(folder, linked)
      this.#result.linked += linked.length
      const done = new Set(linked.map(([uid]) => uid))
      for (const [uid] of messages) if (!done.has(uid)) gone.add(uid)
    }
    if (dry) this.#result.linked = listed.length - left.length
    return gone.size === 0 ? left : listed.filter(each => gone.has(each.uid) || left.includes(each))
  }

  /** @returns what is here now; not those whose first copy the user deleted meanwhile */
  async #linkFrom(
    source: Mailbox | undefined,
    messages: readonly (readonly [uid: number, known: Known])[],
  ): Promise<[uid: number, known: Known][]> {
    if (!source) return []
    const mailbox = await this.#mailbox()
    const byLocal = new Map(messages.map(message => [message[1].local, message]))
    const { sources, targets } = await source.copy([...byLocal.keys()], mailbox)
    return sources.flatMap((local, i) => {
      const [uid, known] = byLocal.get(local) ?? []
      return uid === undefined || !known ? [] : [[uid, { ...known, local: targets[i] as number }]]
    })
  }

  async #stillThere(uids: readonly number[]): Promise<number[]> {
    const there = new Set((await this.#run.source.list(uids[0] as number)).map(({ uid }) => uid))
    return uids.filter(uid => there.has(uid))
  }

  /** @returns UIDs of messages that did not come */
  async #fetch(listed: readonly Listed[]): Promise<number[]> {
    const { source, signal, progress, budget } = this.#run
    const sizes = new Map(listed.map(({ uid, size }) => [uid, size]))
    const total = { ofMessages: listed.length, ofOctets: sum(listed) }
    const ids = new Map(listed.map(({ uid, id }) => [uid, id]))
    const writer = new Writer(this.#run, this.#memory as FolderMemory, ids, () => this.#mailbox())
    const missing = new Set(sizes.keys())
    try {
      for (const uids of commands(listed)) {
        signal.throwIfAborted()
        await source.fetch(uids, async message => {
          signal.throwIfAborted()
          const size = sizes.get(message.uid)
          if (size === undefined || !missing.delete(message.uid)) return
          this.#result.fetched++
          this.#result.octets += message.octets.length
          budget.spend(message.octets.length)
          await writer.add(message, size)
          progress({
            folder: this.#result.folder,
            messages: this.#result.fetched,
            octets: this.#result.octets,
            ...total,
          })
        })
      }
    } finally {
      // What has come is kept, whatever happened to the rest.
      await writer.end()
    }
    return [...missing]
  }

  /** Takes over what changed there of flags, and leaves alone what changed here. */
  async #followFlags(since: string | undefined): Promise<void> {
    const { source, memory, dry, target } = this.#run
    const folder = this.#memory as FolderMemory
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
    this.#result.flagged = news.length
    const mailbox = dry ? undefined : await target.find(this.#pairing.local)
    for (const { add, remove, uids } of mailbox ? changes.values() : []) {
      if (add.length > 0) await mailbox?.store(uids, { mode: 'add', flags: add })
      if (remove.length > 0) await mailbox?.store(uids, { mode: 'remove', flags: remove })
    }
    memory.flags(folder, news)
  }

  async #findGone(): Promise<void> {
    const { source, memory, target, dry } = this.#run
    const folder = this.#memory as FolderMemory
    const there = new Set(await source.uids())
    const gone = [...folder.known].filter(([uid]) => !there.has(uid))
    this.#result.gone = gone.length
    if (gone.length === 0 || dry) return
    const mailbox = await target.find(this.#pairing.local)
    const locals = gone.map(([, { local }]) => local).filter(local => local > 0)
    if (mailbox) this.#result.trashed = await target.trash(mailbox, locals)
    memory.gone(
      folder,
      gone.map(([uid]) => uid),
    )
  }
}

interface Waiting extends RemoteMessage {
  readonly key: string
}

/** Stores messages in batches, one behind the one that is being read. */
class Writer {
  readonly #run: Run
  readonly #folder: FolderMemory
  /** The provider's ids of messages, by UID. */
  readonly #ids: ReadonlyMap<number, string | undefined>
  readonly #mailbox: () => Promise<Mailbox>
  #batch: Waiting[] = []
  #octets = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(
    run: Run,
    folder: FolderMemory,
    ids: ReadonlyMap<number, string | undefined>,
    mailbox: () => Promise<Mailbox>,
  ) {
    this.#run = run
    this.#folder = folder
    this.#ids = ids
    this.#mailbox = mailbox
  }

  async add(message: RemoteMessage, size: number): Promise<void> {
    this.#batch.push({ ...message, key: keyOf(message.octets, size, message.date) })
    this.#octets += message.octets.length
    if (this.#batch.length >= batchMessages || this.#octets >= batchOctets) await this.#flush()
  }

  async end(): Promise<void> {
    await this.#flush()
    await this.#writing
  }

  /** Waits for the batch before, then lets this one be written while the next is read. */
  async #flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#octets = 0
    await this.#writing
    if (batch.length === 0) return
    this.#writing = this.#write(batch)
    this.#writing.catch(() => {})
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const { memory, target, policy, deliver, budget } = this.#run
    const folder = this.#folder
    const flags = (message: Waiting) => (policy.flags === 'none' ? [] : message.flags)
    budget.note()
    if (deliver) {
      // One that is delivered when the machine stops, and not yet noted, is delivered again: better than not at all.
      for (let at = 0; at < batch.length; at += atOnce) {
        const outcomes = await Promise.allSettled(
          batch.slice(at, at + atOnce).map(async ({ uid, octets, key, flags }) => {
            await deliver(octets)
            memory.know(folder, [[uid, { local: 0, key, flags: joined(flags) }]])
          }),
        )
        const failed = outcomes.find(outcome => outcome.status === 'rejected')
        if (failed) throw failed.reason
      }
      this.#noteIds(batch)
      return memory.sync()
    }
    const locals = await target.place(
      await this.#mailbox(),
      batch.map(message => ({ octets: message.octets, date: message.date, flags: flags(message) })),
      uniques =>
        memory.intend(
          folder,
          batch.map((message, i) => ({
            uid: message.uid,
            unique: uniques[i] as string,
            key: message.key,
            flags: joined(message.flags),
          })),
        ),
    )
    memory.got(
      folder,
      batch.map(({ uid }, i) => [uid, locals[i] as number]),
    )
    this.#noteIds(batch)
  }

  #noteIds(batch: readonly Waiting[]): void {
    const { memory } = this.#run
    memory.ids(
      batch.flatMap(({ uid }) => {
        const id = this.#ids.get(uid)
        return id === undefined ? [] : [[id, this.#folder.id, uid] as const]
      }),
    )
  }
}

/** What each FETCH asks for. */
function* commands(listed: readonly Listed[]): Generator<number[]> {
  let uids: number[] = []
  let octets = 0
  for (const { uid, size } of listed) {
    if (uids.length > 0 && (uids.length >= commandMessages || octets + size > commandOctets)) {
      yield uids
      uids = []
      octets = 0
    }
    uids.push(uid)
    octets += size
  }
  if (uids.length > 0) yield uids
}

function sum(listed: readonly Listed[]): number {
  return listed.reduce((total, { size }) => total + size, 0)
}

function joined(flags: readonly string[]): string {
  return [...flags].sort().join(' ')
}

/** The largest; 0 where there is none. */
function lastOf(uids: Iterable<number>): number {
  let last = 0
  for (const uid of uids) last = Math.max(last, uid)
  return last
}
