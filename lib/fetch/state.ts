/** What one account's fetches remember, kept in a file (state-line.ts tells its format and its crashes). */
import { Ids, type Place } from './ids.js'
import { LineFile } from './line-file.js'
import type { PopMemory } from './pop-numbers.js'
import {
  type Beginning,
  encode,
  type FolderMemory,
  type Intended,
  type Known,
  type Line,
  lastOf,
  type PassEnd,
  passLine,
  takeInto,
} from './state-line.js'
import { type Later, Notes, type Refused } from './state-notes.js'

/** About what a message, and a provider's id of one, take in the file, in octets. */
const rowSize = 56
const idSize = 32

/** One account's memory. One process at a time has it open. */
export class Memory {
  readonly path: string
  readonly account: string
  readonly #folders = new Map<string, FolderMemory>()
  readonly #byId = new Map<number, FolderMemory>()
  readonly #ids = new Ids()
  readonly #notes = new Notes()
  #file: LineFile | undefined

  private constructor(path: string, account: string) {
    this.path = path
    this.account = account
  }

  /**
   * Reads the file; one that is not there, or is none of ours, is begun.
   *
   * @param dry whether to write nothing: what is noted is known until close() only
   */
  static async open(path: string, account: string, dry = false): Promise<Memory> {
    const memory = new Memory(path, account)
    memory.#file = await LineFile.open(path, ['postern-fetch', 1, account], line => memory.#take(line), dry)
    return memory
  }

  /** What is remembered of a remote folder. */
  folder(path: string): FolderMemory | undefined {
    return this.#folders.get(path)
  }

  /** All remote folders. */
  folders(): FolderMemory[] {
    return [...this.#folders.values()]
  }

  /**
   * Begins to remember a folder; what was known of it before is forgotten, and what is handed in known instead: all
   * of it, or, after a crash, nothing of it.
   */
  async begin(
    { path, validity, local, localValidity }: Beginning,
    known: readonly (readonly [uid: number, known: Known])[] = [],
  ): Promise<FolderMemory> {
    const id = this.#folders.get(path)?.id ?? this.#byId.size + 1
    const line: Line = ['folder', id, path, validity, local, localValidity]
    if (known.length === 0) this.#add(line)
    else {
      this.#take(line)
      const folder = this.#folders.get(path) as FolderMemory
      for (const [uid, each] of known) folder.known.set(uid, each)
      await this.#file?.replace(this.#snapshot())
    }
    return this.#folders.get(path) as FolderMemory
  }

  /** Notes what is about to be stored; on disk when this returns. */
  async intend(folder: FolderMemory, messages: readonly Intended[]): Promise<void> {
    this.#add(['intend', folder.id, messages.map(({ uid, unique, key, flags }) => [uid, unique, key, flags])])
    await this.sync()
  }

  /** Notes local UIDs of messages that were intended. */
  got(folder: FolderMemory, messages: readonly (readonly [uid: number, local: number])[]): void {
    if (messages.length > 0) this.#add(['got', folder.id, messages])
  }

  /** Notes messages that are here without having been stored just now. */
  know(folder: FolderMemory, messages: readonly (readonly [uid: number, known: Known])[]): void {
    for (let at = 0; at < messages.length; at += 1_000) {
      const some = messages.slice(at, at + 1_000)
      this.#add(['known', folder.id, some.map(([uid, { local, key, flags }]) => [uid, local, key, flags])])
    }
  }

  /** Notes flags as the remote has them. */
  flags(folder: FolderMemory, messages: readonly (readonly [uid: number, flags: string])[]): void {
    if (messages.length > 0) this.#add(['flags', folder.id, messages])
  }

  /** Forgets messages that are gone at the remote. */
  gone(folder: FolderMemory, uids: readonly number[]): void {
    if (uids.length > 0) this.#add(['gone', folder.id, uids])
  }

  /** A remote folder has another name, and the mailbox here too. @returns what is remembered of it now */
  moved({ id }: FolderMemory, path: string, local: string): FolderMemory {
    this.#add(['moved', id, path, local])
    return this.#folders.get(path) as FolderMemory
  }

  /** Notes where a pass over a folder has come to. */
  pass(folder: FolderMemory, now: PassEnd): void {
    const line = passLine(folder.id, now)
    if (JSON.stringify(line) !== JSON.stringify(passLine(folder.id, folder))) this.#add(line)
  }

  /** Where a message with a provider's id is known, the first place first. */
  placesOf(id: string): { readonly folder: FolderMemory; readonly uid: number; readonly known: Known }[] {
    return this.#ids.places(id).flatMap(({ folder: number, uid }: Place) => {
      const folder = this.#byId.get(number)
      const known = folder?.known.get(uid)
      return folder && known ? [{ folder, uid, known }] : []
    })
  }

  /** Providers' ids of some messages of a folder, by UID. */
  idsIn(folder: FolderMemory, uids: ReadonlySet<number>): ReadonlyMap<number, string> {
    return this.#ids.idsIn(folder.id, uids)
  }

  /** What numbers the messages of a POP3 account. */
  numbering(path: string): PopMemory | undefined {
    const folder = this.#folders.get(path)
    if (!folder) return undefined
    const { id, validity, floor, known, pending } = folder
    return {
      validity,
      floor,
      highest: lastOf([...known.keys(), ...pending.keys()]),
      has: uid => known.has(uid),
      numberOf: name => {
        return this.#ids.places(name).find(({ folder }) => folder === id)?.uid
      },
    }
  }

  /** Notes where messages with these ids are. */
  ids(entries: readonly (readonly [id: string, folder: number, uid: number])[]): void {
    if (entries.length > 0) this.#add(['ids', entries])
  }

  /** Credentials that were refused the last time; undefined when they were taken. */
  get refused(): Refused | undefined {
    return this.#notes.refused
  }

  /** Notes the outcome of a login; on disk when this returns. */
  async login(fingerprint: string, said: string): Promise<void> {
    if (said === '' && !this.refused) return
    this.#add(['login', fingerprint, said])
    await this.sync()
  }

  /** When the provider asked to come back later: how long to leave it alone. */
  get later(): Later | undefined {
    return this.#notes.later
  }

  /** Notes that the provider is to be left alone, or, without an argument, that it need not; on disk then. */
  async postpone(later?: Later): Promise<void> {
    if (!later && !this.later) return
    this.#add(['later', later?.until ?? 0, later?.times ?? 0, later?.said ?? ''])
    await this.sync()
  }

  /** Octets fetched on a day (`2026-03-15`). */
  spent(date: string): number {
    return this.#notes.spent(date)
  }

  /** Notes that octets were fetched. */
  spend(date: string, octets: number): void {
    this.#add(this.#notes.spending(date, octets))
  }

  /** Notes whether something is left for another day. @returns which day this is; 0 where one was enough */
  spread(date: string, isLeft: boolean): number {
    const { day, line } = this.#notes.spreading(date, isLeft)
    if (line) this.#add(line)
    return day
  }

  /** Brings everything noted so far to disk. */
  async sync(): Promise<void> {
    await this.#file?.sync()
  }

  /** Ends it; a file that is mostly outdated is written anew. */
  async close(): Promise<void> {
    const known = this.folders().reduce((sum, folder) => sum + folder.known.size, 0)
    await this.#file?.close(rowSize * known + idSize * this.#ids.size, () => this.#snapshot())
  }

  #add(line: Line): void {
    this.#take(line)
    this.#file?.write(line)
  }

  #take(line: Line): void {
    if (this.#notes.take(line)) return
    const [kind, ...rest] = line
    if (kind === 'folder') this.#takeFolder(rest as [number, string, string, string, number])
    else if (kind === 'ids') {
      for (const [id, folder, uid] of rest[0] as [string, number, number][])
        this.#ids.add(id, { folder, uid })
    } else if (kind === 'moved') this.#takeMoved(rest as [number, string, string])
    else {
      const folder = this.#byId.get(rest[0] as number)
      if (folder) takeInto(folder, kind, rest.slice(1))
    }
  }

  #takeFolder([id, path, validity, local, localValidity]: [number, string, string, string, number]): void {
    const folder: FolderMemory = {
      id,
      path,
      validity,
      local,
      localValidity,
      known: new Map(),
      pending: new Map(),
      floor: 0,
      uidNext: 0,
      messages: 0,
      modseq: undefined,
      localNext: 0,
    }
    this.#folders.set(path, folder)
    this.#byId.set(id, folder)
  }

  #takeMoved([id, path, local]: [number, string, string]): void {
    const folder = this.#byId.get(id)
    if (!folder) return
    this.#folders.delete(folder.path)
    const moved = { ...folder, path, local }
    this.#folders.set(path, moved)
    this.#byId.set(id, moved)
  }

  #snapshot(): Buffer {
    const parts = [encode(['postern-fetch', 1, this.account])]
    const add = (line: Line) => void parts.push(encode(line))
    for (const line of this.#notes.lines()) add(line)
    for (const folder of this.#folders.values()) {
      const { id, path, validity, local, localValidity, known, pending } = folder
      add(['folder', id, path, validity, local, localValidity])
      const rows = [...known].map(([uid, each]) => [uid, each.local, each.key, each.flags])
      for (let at = 0; at < rows.length; at += 1_000) add(['known', id, rows.slice(at, at + 1_000)])
      const waiting = [...pending.values()].map(({ uid, unique, key, flags }) => [uid, unique, key, flags])
      if (waiting.length > 0) add(['intend', id, waiting])
      add(passLine(id, folder))
    }
    const ids = [
      ...this.#ids.rows(({ folder, uid }) => {
        const { known, pending } = this.#byId.get(folder) ?? {}
        return known?.has(uid) === true || pending?.has(uid) === true
      }),
    ]
    for (let at = 0; at < ids.length; at += 1_000) add(['ids', ids.slice(at, at + 1_000)])
    return Buffer.concat(parts)
  }
}
