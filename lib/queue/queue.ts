/** The queue: a directory that programs put messages into and take them from, with nothing between them but files. */
import { type FSWatcher, readFileSync, watch as watchDirectory } from 'node:fs'
import { chmod, chown, mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../sys/atomic.js'
import { errorCode, exits, isMissing, MailError } from '../sys/error.js'
import { Claimant, isDead } from './claim.js'
import { type Attempt, readAttempts, recordAttempt } from './dialogue.js'
import { Draft } from './draft.js'
import {
  type Entry,
  type Envelope,
  formatEnvelope,
  isIdentifier,
  newIdentifier,
  parseEnvelope,
  type Submission,
} from './entry.js'
import {
  type EntryPaths,
  entryPaths,
  folders,
  halfWritten,
  ownerOf,
  place,
  remove,
  removeAll,
} from './files.js'

/** How old a draft or a half-written file must be, untouched, before it counts as left behind; milliseconds. */
const abandonedAfter = 24 * 60 * 60 * 1000

export interface QueueOptions {
  readonly clock?: () => number
}

/** What {@link Queue.sweep} did, for the log. */
export interface Swept {
  readonly drafts: number
  readonly broken: readonly string[]
}

export class Queue {
  readonly directory: string
  readonly #mail: string
  readonly #claimant: Claimant
  readonly #clock: () => number

  private constructor(directory: string, clock: () => number) {
    this.directory = directory
    this.#mail = join(directory, 'mail')
    this.#claimant = new Claimant(join(directory, 'process'), join(directory, 'process.lock'))
    this.#clock = clock
  }

  /**
   * Opens a queue, making its directories where they are missing.
   *
   * @throws MailError (73) when that cannot be done, saying what to do
   */
  static async open(directory: string, options: QueueOptions = {}): Promise<Queue> {
    try {
      await makeFolders(directory)
    } catch (error) {
      const advice = errorCode(error) === 'EACCES' ? '; run this as the user the queue belongs to' : ''
      throw new MailError(`cannot open the queue ${directory}${advice}`, {
        exit: exits.cannotCreate,
        cause: error,
      })
    }
    return new Queue(directory, options.clock ?? Date.now)
  }

  /** Where users without rights on the queue leave messages; see drop.ts. */
  get dropDirectory(): string {
    return join(this.directory, 'drop')
  }

  /**
   * Begins a new entry. What is written to the draft is accepted by its commit().
   *
   * @param id a name of the caller's choosing, for what must not be made twice; see {@link Queue.beginOnce}
   */
  begin(submission: Submission, id = newIdentifier(this.#clock())): Draft {
    return new Draft(submission, {
      directory: this.#mail,
      id,
      owner: ownerOf(this.#mail),
      mode: 0o600,
      clock: this.#clock,
    })
  }

  /**
   * Begins an entry whose name says what it is, such as the third report about another entry. Only one process may
   * be at that at a time: the caller holds a claim that makes it so.
   *
   * @returns undefined when the entry is in the queue already
   */
  async beginOnce(submission: Submission, id: string): Promise<Draft | undefined> {
    if (this.read(id)) return undefined
    const { message, envelope } = entryPaths(this.#mail, id)
    await removeAll(message, halfWritten(envelope))
    return this.begin(submission, id)
  }

  /** Identifiers of all entries, oldest first. */
  async list(): Promise<string[]> {
    const ids: string[] = []
    for (const name of await readdir(this.#mail)) {
      const id = name.endsWith('.envelope') ? name.slice(0, -'.envelope'.length) : ''
      if (isIdentifier(id)) ids.push(id)
    }
    return ids.sort()
  }

  /** The envelope of an entry; undefined when there is no such entry (any more), or its envelope is broken. */
  read(id: string): Envelope | undefined {
    try {
      return parseEnvelope(readFileSync(this.paths(id).envelope, 'utf8'))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** Where the files of an entry stand. */
  paths(id: string): EntryPaths {
    return entryPaths(this.#mail, id)
  }

  attempts(id: string): Attempt[] {
    return readAttempts(this.paths(id).dialogue)
  }

  /**
   * Claims an entry, for a change or an attempt.
   *
   * @returns undefined when it is gone or broken; 'taken' when somebody else works on it
   */
  async claim(id: string): Promise<Claimed | 'taken' | undefined> {
    const paths = this.paths(id)
    if (!(await this.#claimant.take(paths.claim))) return 'taken'
    const envelope = this.read(id)
    if (envelope) return new Claimed({ id, envelope }, paths, () => this.#claimant.release(paths.claim))
    await this.#claimant.release(paths.claim)
    return undefined
  }

  /** Runs `work` while nobody else can do anything under this name, which need not be an entry yet. */
  async reserve(id: string, work: () => Promise<void>): Promise<boolean> {
    const { claim } = this.paths(id)
    if (!(await this.#claimant.take(claim))) return false
    try {
      await work()
    } finally {
      await this.#claimant.release(claim)
    }
    return true
  }

  /**
   * Tells of entries that were made, changed or let go, by whatever process; the list of {@link Queue.list} remains
   * the truth where the file system tells nothing.
   */
  watch(changed: (id: string) => void): { close(): void } {
    let watcher: FSWatcher | undefined
    try {
      watcher = watchDirectory(this.#mail, (_event, name) => {
        const [, id] = /^([^.]+)\.(?:envelope|claim)$/.exec(name ?? '') ?? []
        if (id) changed(id)
      })
      watcher.on('error', () => {})
    } catch {
      // No inotify to be had (its limits are the whole machine's).
    }
    return { close: () => watcher?.close() }
  }

  /** Tells when something was dropped. */
  watchDrop(dropped: () => void): { close(): void } {
    let timer: NodeJS.Timeout | undefined
    let watcher: FSWatcher | undefined
    try {
      watcher = watchDirectory(this.dropDirectory, (_event, name) => {
        if (!name?.endsWith('.envelope') || name.startsWith('.')) return
        clearTimeout(timer)
        timer = setTimeout(dropped, 20)
      })
      watcher.on('error', () => {})
    } catch {
      // As above.
    }
    return {
      close: () => {
        clearTimeout(timer)
        watcher?.close()
      },
    }
  }

  /** Removes what dead processes left, and puts aside what cannot be used. Run at start and now and then. */
  async sweep(): Promise<Swept> {
    const names = await readdir(this.#mail)
    const present = new Set(names)
    const swept = { drafts: 0, broken: [] as string[] }
    for (const name of names) {
      const [, dot, id = '', kind] = /^(\.?)([^.]+)\.(\w+)$/.exec(name) ?? []
      const path = join(this.#mail, name)
      if (dot) await this.#removeOld(path)
      else if (kind === 'envelope') {
        if (!present.has(`${id}.message`) || !this.read(id)) await this.#putAside(id, swept.broken)
      } else if (!present.has(`${id}.envelope`)) {
        if (kind === 'message' && (await this.#removeOld(path))) swept.drafts++
        if (kind === 'dialogue') await remove(path)
        if (kind === 'claim' && isDead(path)) await remove(path)
      }
    }
    await this.#sweepDrop()
    await this.#sweepProcesses()
    return swept
  }

  close(): void {
    this.#claimant.close()
  }

  async #removeOld(path: string): Promise<boolean> {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (this.#clock() - mtimeMs < abandonedAfter) return false
    await remove(path)
    return true
  }

  /** Looks again under a claim: between the listing and now the entry may have ended. */
  async #putAside(id: string, broken: string[]): Promise<void> {
    await this.reserve(id, async () => {
      const { envelope, message } = this.paths(id)
      const whole = await stat(message).then(
        () => true,
        () => false,
      )
      const there = await stat(envelope).then(
        () => true,
        () => false,
      )
      if (!there || (whole && this.read(id))) return
      const aside = join(this.directory, 'broken')
      await rename(envelope, join(aside, `${id}.envelope`))
      if (whole) await rename(message, join(aside, `${id}.message`))
      broken.push(id)
    })
  }

  /** What users began to drop and did not finish. */
  async #sweepDrop(): Promise<void> {
    const names = await readdir(this.dropDirectory)
    const present = new Set(names)
    for (const name of names) {
      const [, id] = /^([^.]+)\.message$/.exec(name) ?? []
      const isBegun = id !== undefined && !present.has(`${id}.envelope`)
      if (isBegun || name.startsWith('.')) await this.#removeOld(join(this.dropDirectory, name))
    }
  }

  async #sweepProcesses(): Promise<void> {
    const directory = join(this.directory, 'process')
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      if (isDead(path)) await remove(path)
    }
  }
}

/** An entry that nobody else touches until it is let go. */
export class Claimed {
  readonly id: string
  readonly paths: EntryPaths
  #envelope: Envelope
  readonly #release: () => Promise<void>
  #released = false
  /** Where nothing was ever said of a recipient, nothing was recorded. */
  #hasDialogue: boolean

  constructor(entry: Entry, paths: EntryPaths, release: () => Promise<void>) {
    this.id = entry.id
    this.#envelope = entry.envelope
    this.paths = paths
    this.#hasDialogue = entry.envelope.recipients.some(({ said }) => said !== undefined)
    this.#release = release
  }

  get envelope(): Envelope {
    return this.#envelope
  }

  /** Replaces the envelope; on disk when this resolves. */
  async save(envelope: Envelope): Promise<void> {
    await place(this.paths.envelope, formatEnvelope(envelope), ownerOf(join(this.paths.envelope, '..')))
    this.#envelope = envelope
  }

  /** Ends the entry, and lets it go. */
  async remove(): Promise<void> {
    const { envelope, message, dialogue } = this.paths
    await remove(envelope)
    await syncDirectory(join(envelope, '..'))
    await (this.#hasDialogue ? removeAll(message, dialogue) : remove(message))
    await this.release()
  }

  record(attempt: Attempt): void {
    this.#hasDialogue = true
    recordAttempt(this.paths.dialogue, attempt, ownerOf(join(this.paths.envelope, '..')))
  }

  /** Lets the entry go; harmless when that was done before. */
  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await this.#release()
  }
}

async function makeFolders(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o711 })
  const { uid, gid } = await stat(directory)
  for (const folder of folders) {
    const path = join(directory, folder)
    const made = await mkdir(path, { mode: 0o700 }).then(
      () => true,
      error => {
        if (errorCode(error) !== 'EEXIST') throw error
        return false
      },
    )
    if (!made) continue
    if (process.geteuid?.() === 0) await chown(path, uid, gid)
    // Everybody may leave a file, nobody may look around; files get the directory's group, and so can be read.
    if (folder === 'drop') await chmod(path, 0o3733)
  }
}
