/** The queue: a directory that programs put messages into and take them from, with nothing between them but files. */
import { type FSWatcher, readFileSync, type Stats, statSync, watch as watchDirectory } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, exits, isMissing, MailError } from '../sys/error.js'
import { Claimant } from './claim.js'
import { Claimed } from './claimed.js'
import { type Attempt, readAttempts } from './dialogue.js'
import { Draft } from './draft.js'
import { type Envelope, isIdentifier, newIdentifier, type Submission } from './entry.js'
import { parseEnvelope } from './envelope-text.js'
import { type EntryPaths, entryPaths, halfWritten, makeFolders, ownerOf, removeAll } from './files.js'
import { type Swept, sweep } from './sweep.js'

export interface QueueOptions {
  readonly clock?: () => number
}

/** Envelopes kept in memory, since each is looked at several times on its way. */
const mostKnown = 5_000

interface Known {
  /** Of the file before it was read: what was put in its place meanwhile is read again next time. */
  readonly stats: Stats
  readonly envelope: Envelope
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.size === b.size
}

export class Queue {
  readonly #known = new Map<string, Known>()
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
   * @throws MailError (73) when somebody must do something first, saying what; (75) for a full disk and the like
   */
  static async open(directory: string, options: QueueOptions = {}): Promise<Queue> {
    try {
      await makeFolders(directory)
    } catch (error) {
      const code = errorCode(error)
      const advice = code === 'EACCES' ? '; run this as the user the queue belongs to' : ''
      const needsHelp = ['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'ELOOP', 'ENAMETOOLONG'].includes(code ?? '')
      throw new MailError(`cannot open the queue ${directory}${advice}`, {
        exit: needsHelp ? exits.cannotCreate : exits.tryAgain,
        cause: error,
      })
    }
    return new Queue(directory, options.clock ?? Date.now)
  }

  /** Where entries stand; see entry.ts. */
  get mailDirectory(): string {
    return this.#mail
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
    const path = this.paths(id).envelope
    const found = statSync(path, { throwIfNoEntry: false })
    const known = this.#known.get(id)
    // An envelope is replaced whole: one of the same file, time and size is the same.
    if (found && known && isSame(found, known.stats)) return known.envelope
    this.#known.delete(id)
    if (!found) return undefined
    try {
      const envelope = parseEnvelope(readFileSync(path, 'utf8'))
      if (this.#known.size >= mostKnown) this.#known.clear()
      if (envelope) this.#known.set(id, { stats: found, envelope })
      return envelope
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
    this.#claimant.release(paths.claim)
    return undefined
  }

  /** Runs `work` while nobody else can do anything under this name, which need not be an entry yet. */
  async reserve(id: string, work: () => Promise<void>): Promise<boolean> {
    const { claim } = this.paths(id)
    if (!(await this.#claimant.take(claim))) return false
    try {
      await work()
    } finally {
      this.#claimant.release(claim)
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
  sweep(): Promise<Swept> {
    return sweep(this, this.#clock())
  }

  close(): void {
    this.#claimant.close()
  }
}
