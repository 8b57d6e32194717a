/**
 * Delivery into Maildirs: written once into tmp/, brought to disk, then linked or renamed into new/ of each, file and
 * directories synced.
 *
 * States on disk: a file in tmp/ only (nobody sees it; left behind by a crash it is removed after 36 hours, see
 * {@link cleanTmp}); the file in some of the new/ (a crash between two links: the sender had no answer, sends again,
 * and those get it twice); the file in all of them and synced (the delivery has returned).
 */
import {
  closeSync,
  fsyncSync,
  futimesSync,
  linkSync,
  open,
  openSync,
  promises,
  renameSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { promisify } from 'node:util'
import {
  closeQuietly,
  isAlone,
  syncDirectory,
  syncDirectoryHere,
  syncFile,
  writeAllSync,
  writeSynced,
} from '../sys/atomic.js'
import { enter, isCalm, leave, waitHere } from '../sys/calm.js'
import { bringOut, bringOutHere, directLimit, isOrderly } from '../sys/direct.js'
import { makeDirectory } from '../sys/directory.js'
import { errorCode, isMissing, MailError, TemporaryError } from '../sys/error.js'
import { LineEnds } from './lines.js'
import { uniqueName, withSizes } from './name.js'

/** Off the event loop: to make a name may wait for the file system's journal, and longer than anything else here. */
const openLater = promisify(open)

/** Octets gathered before they are written. */
const bufferSize = directLimit

/** What whole messages are made ready in; nobody waits while one is there. */
const shared = Buffer.allocUnsafeSlow(1024 * 1024)

/** Where a message goes. */
export interface Target {
  /** The Maildir: a directory with cur, new and tmp; made when it is missing. */
  readonly maildir: string
  /** Letters of {@link MaildirName.flags}; with any, or empty, the file goes to cur/, as mail that was seen does. */
  readonly flags?: string
}

/** A message that is on disk, name and all. */
export interface Delivered {
  readonly maildir: string
  /** `new` or `cur`. */
  readonly folder: 'new' | 'cur'
  /** The file's name there. */
  readonly name: string
  /** Octets on disk. */
  readonly storedSize: number
  /** Octets on the wire. */
  readonly size: number
}

/** Files that were opened before they were needed, by their Maildir; undefined for one that could not be. */
const expected = new Map<string, readonly Promise<Delivery | undefined>[]>()

/** Takes a file that was opened before: that one, or the oldest. */
function takeExpected(
  maildir: string,
  wanted?: Promise<Delivery | undefined>,
): Promise<Delivery | undefined> | undefined {
  const waiting = expected.get(maildir)
  const taken = wanted ?? waiting?.[0]
  if (!waiting || !taken || !waiting.includes(taken)) return undefined
  if (waiting.length === 1) expected.delete(maildir)
  else
    expected.set(
      maildir,
      waiting.filter(each => each !== taken),
    )
  return taken
}

/** One message on its way into one or many Maildirs. End it with commit() or abort(). */
export class Delivery {
  readonly #maildir: string
  readonly #unique: string
  readonly #fd: number
  /** Whether the octets can be brought to disk ahead of the name, and the name with the file. */
  readonly #isOrderly: boolean
  readonly #lines = new LineEnds()
  #waiting: Buffer[] = []
  /** What stage() has written. */
  #staged: Buffer | undefined
  #waitingSize = 0
  /**
   * `staged`: the octets are on disk ahead of the name, and the file is synced once it has that. `written`: the file is
   * synced.
   */
  #state: 'open' | 'staged' | 'written' | 'ended' = 'open'
  /** Whether the file may hold something already. */
  #begun = false
  #isSyncing = false
  /** Whether the file has left tmp/. */
  #moved = false

  private constructor(maildir: string, unique: string, fd: number) {
    this.#maildir = maildir
    this.#unique = unique
    this.#fd = fd
    this.#isOrderly = !isAlone() && isOrderly(fd, this.temporary)
  }

  /**
   * Opens a file in the Maildir's tmp/; the Maildir is made when it is missing.
   *
   * @throws TemporaryError for whatever the system refuses
   */
  static async begin(maildir: string): Promise<Delivery> {
    const ready = await takeExpected(maildir)
    if (ready) return ready
    try {
      return await Delivery.#open(maildir)
    } catch (error) {
      if (!isMissing(error)) throw refusal(maildir, error)
    }
    await makeMaildir(maildir)
    try {
      return await Delivery.#open(maildir)
    } catch (error) {
      throw refusal(maildir, error)
    }
  }

  /** @throws the system's error */
  static async #open(maildir: string): Promise<Delivery> {
    const unique = uniqueName()
    const path = `${maildir}/tmp/${unique}`
    enter()
    try {
      const here = isAlone() || isCalm()
      const fd = here ? waitHere(() => openSync(path, 'wx', 0o600)) : await openLater(path, 'wx', 0o600)
      return new Delivery(maildir, unique, fd)
    } catch (error) {
      leave()
      throw error
    }
  }

  /**
   * Opens the file of a message that is about to come, while its sender is told to go on; the next begin() for this
   * Maildir takes it.
   *
   * @returns to be called when the message has come or will not: what nobody took is removed
   */
  static expect(maildir: string): () => void {
    const opened = Delivery.#open(maildir).catch(() => undefined)
    expected.set(maildir, [...(expected.get(maildir) ?? []), opened])
    return () => {
      if (takeExpected(maildir, opened)) void opened.then(delivery => delivery?.abort())
    }
  }

  /** Octets on disk so far. */
  get storedSize(): number {
    return this.#lines.storedSize
  }

  /** Octets on the wire so far. */
  get size(): number {
    return this.#lines.size
  }

  /** All octets, after stage() and before the end, where they are at hand: what went past the page cache is slow to read. */
  get octets(): Buffer | undefined {
    return this.#staged
  }

  /** The file while it is in tmp/. */
  get temporary(): string {
    return `${this.#maildir}/tmp/${this.#unique}`
  }

  /**
   * Takes more of the message; CRLF is stored as LF.
   *
   * @throws TemporaryError when it cannot be written (a full disk, a quota); the delivery is then aborted
   */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#state !== 'open') throw new MailError('a delivery that has ended takes no more octets')
    const octets = this.#lines.convert(chunk)
    this.#waiting.push(octets)
    this.#waitingSize += octets.length
    if (this.#waitingSize < bufferSize) return
    this.#begun = true
    this.#flush()
  }

  /**
   * Takes a whole message, and brings it to disk: write() and sync() in one, with no memory of its own. For many at a
   * time, which would have to be thrown away again.
   *
   * @param date as in sync()
   */
  async whole(octets: Uint8Array, date?: number): Promise<void> {
    if (octets.length < shared.length && this.#state === 'open' && !this.#begun && this.storedSize === 0) {
      this.#waiting.push(this.#lines.convert(octets, shared))
      this.#flush()
    } else await this.write(octets)
    return this.sync(date)
  }

  #flush(): void {
    try {
      const [first, ...more] = this.#waiting
      if (first) writeAllSync(this.#fd, more.length > 0 ? Buffer.concat(this.#waiting) : first)
      this.#waiting = []
      this.#waitingSize = 0
    } catch (error) {
      this.#end()
      throw refusal(this.#maildir, error)
    }
  }

  /**
   * Brings the octets to disk as far as commit() needs it, which syncs: where it can be, both are one commit of the
   * file system's journal. A message that does not fit is refused here.
   *
   * @throws TemporaryError; the delivery is aborted then
   */
  async stage(): Promise<void> {
    if (this.#state !== 'open') return
    // To find out how that goes here takes longer than one commit more.
    if (this.#begun || isAlone()) return this.sync()
    try {
      this.#holdEnd()
      const octets = Buffer.concat(this.#waiting)
      this.#waiting = []
      writeAllSync(this.#fd, octets)
      if (!this.#isOrderly) return await this.sync()
      const brought = isCalm()
        ? waitHere(() => bringOutHere(this.temporary, octets.length))
        : await bringOut(this.temporary, octets.length)
      if (this.#ended) throw new MailError('a delivery that has ended cannot be committed')
      if (!brought) return await this.sync()
      this.#staged = octets
      this.#state = 'staged'
    } catch (error) {
      this.#end()
      throw refusal(this.#maildir, error)
    }
  }

  #holdEnd(): void {
    const end = this.#lines.end()
    if (end.length > 0) this.#waiting.push(end)
  }

  get #ended(): boolean {
    return this.#state === 'ended'
  }

  /**
   * Brings the octets to disk; the file is still in tmp/ and invisible. place() does it when nobody did before.
   *
   * @param date modification time, which IMAP shows as INTERNALDATE, in milliseconds; now when left out
   */
  async sync(date?: number): Promise<void> {
    if (this.#state !== 'open' && this.#state !== 'staged') return
    try {
      if (this.#state === 'open') {
        this.#holdEnd()
        this.#flush()
      }
      if (date !== undefined) futimesSync(this.#fd, date / 1000, date / 1000)
      this.#isSyncing = true
      if (isCalm()) waitHere(() => fsyncSync(this.#fd))
      else await syncFile(this.#fd)
      if (this.#ended) throw new MailError('the delivery was ended meanwhile')
      this.#isSyncing = false
      closeSync(this.#fd)
      this.#state = 'written'
    } catch (error) {
      if (this.#ended && this.#isSyncing) closeQuietly(this.#fd)
      this.#isSyncing = false
      this.#end()
      throw error instanceof MailError ? error : refusal(this.#maildir, error)
    }
  }

  /**
   * Makes the message appear in every target, or in none: it is on disk there, name and all, when this returns.
   *
   * @param targets each once; the Maildir it was begun in when left out
   * @throws TemporaryError when one of them refused; nothing is left behind then
   */
  async commit(targets: readonly (string | Target)[] = [this.#maildir]): Promise<Delivered[]> {
    await this.stage()
    if (this.#state !== 'written' && this.#state !== 'staged')
      throw new MailError('a delivery that has ended cannot be committed')
    const done: Delivered[] = []
    try {
      for (const target of targets)
        done.push(
          await this.#place(typeof target === 'string' ? { maildir: target } : target, targets.length),
        )
      // What is staged is where the sync of a file brings its one name along.
      const named = this.#state === 'staged' && this.#moved
      const directories = named ? [] : [...new Set(done.map(folderPath))]
      const file = this.#state === 'staged' ? [this.#fd] : []
      if (isCalm() && directories.length < 2)
        waitHere(() => {
          for (const fd of file) fsyncSync(fd)
          for (const path of directories) syncDirectoryHere(path)
        })
      else await Promise.all([...file.map(syncFile), ...directories.map(syncDirectory)])
    } catch (error) {
      for (const file of done) remove(`${folderPath(file)}/${file.name}`)
      throw error instanceof MailError ? error : refusal(this.#maildir, error)
    } finally {
      this.#end()
    }
    return done
  }

  /**
   * Gives the message its name in one Maildir, and leaves it to the caller to sync the directory: who places many
   * syncs once.
   *
   * @throws TemporaryError when it is refused; nothing is left behind then
   */
  async place(target: Target): Promise<Delivered> {
    await this.sync()
    if (this.#state !== 'written') throw new MailError('a delivery that has ended cannot be placed')
    try {
      return await this.#place(target, 1)
    } finally {
      this.#end()
    }
  }

  /** Leaves nothing behind. May be called at any time, also twice or after commit(). */
  async abort(): Promise<void> {
    this.#end()
  }

  async #place(target: Target, count: number): Promise<Delivered> {
    const { maildir, flags } = target
    const { storedSize, size } = this
    const folder = flags === undefined ? 'new' : 'cur'
    const unique = withSizes(this.#unique, storedSize, size)
    const name = flags === undefined ? unique : `${unique}:2,${[...new Set(flags)].sort().join('')}`
    const path = `${maildir}/${folder}/${name}`
    const place = async () => {
      if (count > 1 || maildir !== this.#maildir) await linkOrCopy(this.temporary, maildir, path)
      else {
        renameSync(this.temporary, path)
        this.#moved = true
      }
    }
    try {
      await place()
    } catch (error) {
      if (!isMissing(error)) throw refusal(maildir, error)
      await makeMaildir(maildir)
      await place().catch(rethrowAs(maildir))
    }
    return { maildir, folder, name, storedSize, size }
  }

  #end(): void {
    if (this.#state === 'ended') return
    // Closed under a sync, its number would be another file's by the time that one ends.
    const isOpen = this.#state === 'open' || this.#state === 'staged'
    // Somebody may wait to hear that all is done.
    if (isOpen && !this.#isSyncing) setImmediate(closeQuietly, this.#fd)
    this.#state = 'ended'
    leave()
    this.#waiting = []
    this.#staged = undefined
    if (!this.#moved) remove(this.temporary)
  }
}

/** A second name for the same file, or a copy where a link cannot be: another device, or too many links. */
async function linkOrCopy(from: string, maildir: string, to: string): Promise<void> {
  try {
    linkSync(from, to)
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP') throw error
    await copySynced(from, `${maildir}/tmp/${uniqueName()}`, to)
  }
}

function rethrowAs(maildir: string): (error: unknown) => never {
  return error => {
    throw refusal(maildir, error)
  }
}

function folderPath(file: Delivered): string {
  return `${file.maildir}/${file.folder}`
}

async function copySynced(from: string, temporary: string, to: string): Promise<void> {
  try {
    await promises.copyFile(from, temporary)
    const fd = openSync(temporary, 'r+')
    try {
      await syncFile(fd)
    } finally {
      closeSync(fd)
    }
    const { atimeMs, mtimeMs } = await promises.stat(from)
    utimesSync(temporary, atimeMs / 1000, mtimeMs / 1000)
    renameSync(temporary, to)
  } catch (error) {
    remove(temporary)
    throw error
  }
}

/** Removes a file that may be gone already; a file that cannot be removed now is cleaned away later. */
function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // tmp/ is cleaned after 36 hours.
  }
}

/** Everything a system call refuses here may work later, so that no mail is bounced for a full disk. */
function refusal(maildir: string, cause: unknown): Error {
  const isSystems = /^E[A-Z0-9]+$/.test(errorCode(cause) ?? '')
  if (cause instanceof MailError || !isSystems) return cause as Error
  const full = errorCode(cause) === 'ENOSPC' || errorCode(cause) === 'EDQUOT'
  return new TemporaryError(full ? `${maildir}: no space left` : `cannot deliver to ${maildir}`, { cause })
}

/**
 * Makes a Maildir with its parents, mode 0700, and syncs it. One that exists is completed.
 *
 * @param folder whether it is a folder of another Maildir, which the empty file `maildirfolder` says
 * @throws TemporaryError for whatever the system refuses
 */
export async function makeMaildir(path: string, folder = false): Promise<void> {
  try {
    const made: string[] = []
    for (const part of ['tmp', 'new', 'cur']) {
      const first = makeDirectory(`${path}/${part}`, 0o700)
      if (first !== undefined) made.push(first)
    }
    if (folder) await writeSynced(`${path}/maildirfolder`, '').catch(ignoreExisting)
    if (made.length === 0 && !folder) return
    await syncDirectory(path)
    if (made[0] !== undefined) await syncUpTo(path, made[0])
  } catch (error) {
    throw refusal(path, error)
  }
}

/** Syncs the parents of what mkdir made, from the innermost to the one that existed. */
async function syncUpTo(path: string, made: string): Promise<void> {
  for (let at = path; at.length >= made.length && at.includes('/'); ) {
    at = at.slice(0, at.lastIndexOf('/')) || '/'
    await syncDirectory(at)
    if (at === '/') return
  }
}

function ignoreExisting(error: unknown): void {
  if (errorCode(error) !== 'EEXIST') throw error
}

/** How long an unfinished delivery may lie in tmp/ (maildir(5)), in milliseconds. */
const tmpAge = 36 * 3_600_000

/**
 * Removes what dead deliveries left in tmp/.
 *
 * @param now milliseconds since 1970
 * @returns how many files it removed
 */
export async function cleanTmp(maildir: string, now: number = Date.now()): Promise<number> {
  let removed = 0
  for (const name of await promises.readdir(`${maildir}/tmp`).catch(() => [])) {
    const path = `${maildir}/tmp/${name}`
    try {
      const { mtimeMs, ctimeMs, isFile } = await status(path)
      if (!isFile || now - Math.max(mtimeMs, ctimeMs) < tmpAge) continue
      await promises.unlink(path)
      removed++
    } catch {
      // Finished or removed by somebody else meanwhile.
    }
  }
  return removed
}

async function status(path: string): Promise<{ mtimeMs: number; ctimeMs: number; isFile: boolean }> {
  const found = await promises.stat(path)
  return { mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, isFile: found.isFile() }
}
