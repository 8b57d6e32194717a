/** Reading new/ and cur/ of a Maildir in slices, and knowing whether what was read can be trusted. */
import { type Dirent, opendirSync, statSync } from 'node:fs'
import { isMessageName } from '../maildir/name.js'
import { isMissing } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'

/** How far apart two changes may be and leave the same modification time, in milliseconds: the kernel's tick. */
const fineGrain = 12
/** The same on file systems that keep whole seconds. */
const coarseGrain = 2_100

/** Reading a directory of so few files is never put off. */
const few = 500

/** A message file as reading a directory finds it. */
export interface File {
  readonly name: string
  readonly unique: string
  readonly isNew: boolean
}

/** One of a mailbox's two directories, and what is known of it. */
export class Directory {
  readonly path: string
  readonly isNew: boolean
  /** The modification time that the table's content belongs to, in nanoseconds; -1 when never read. */
  mtime = -1n
  /** Changes may have happened that the modification time does not show. */
  unsure = true
  /** Changes have happened that were not read yet. */
  stale = true
  /** When it was last read, in milliseconds of the monotonic clock. */
  scannedAt = Number.NEGATIVE_INFINITY
  /** How many files it had when it was read. */
  count = 0
  /** How long reading it and matching it with the table took, in milliseconds. */
  effort = 0

  constructor(maildir: string, part: 'new' | 'cur') {
    this.path = `${maildir}/${part}`
    this.isNew = part === 'new'
  }

  /** The modification time now; undefined when the directory is gone. Costs 2 µs. */
  stat(): bigint | undefined {
    return statSync(this.path, { bigint: true, throwIfNoEntry: false })?.mtimeNs
  }

  /** Whether it should be read again now, since something changed; a doubt alone counts where reading costs little. */
  wantsScan(): boolean {
    const now = this.stat()
    if (now === undefined || now !== this.mtime || this.stale) return true
    return this.unsure && this.count < few
  }

  /**
   * Whether a doubt alone should be looked into where that costs more: now and then, once nothing has changed for a
   * while. Nobody is to wait for that.
   */
  get isDoubtDue(): boolean {
    if (!this.unsure || Date.now() - Number(this.mtime / 1_000_000n) < coarseGrain) return false
    return performance.now() - this.scannedAt > this.effort * 20
  }

  /** Whether others may have changed something since it was read; after {@link beforeOwnChange}, without a further look. */
  get isDoubtful(): boolean {
    return this.stale || this.unsure
  }

  /** Whether it will want to be read although nothing changes: then when, in milliseconds from now. */
  get doubtfulFor(): number | undefined {
    if (!this.unsure) return undefined
    return Math.max(coarseGrain, this.scannedAt + this.effort * 20 - performance.now())
  }

  /** Reads all names. Unless `moved`, nothing changed meanwhile, and a file that was not found is really gone. */
  async scan(): Promise<{ names: string[]; moved: boolean }> {
    const before = this.stat()
    const settled = before !== undefined && isSettled(before)
    const names = await readNames(this.path)
    const after = this.stat()
    this.mtime = before ?? -1n
    this.stale = before !== after
    this.unsure = !settled
    this.scannedAt = performance.now()
    this.count = names.length
    return { names, moved: before !== after || !settled }
  }

  /** Our own change follows: if others changed something before it, that must not be covered by our new time. */
  beforeOwnChange(): void {
    if (this.stat() !== this.mtime) this.stale = true
  }

  /** Our own change is done: its modification time is known, but who else changed something meanwhile is not. */
  afterOwnChange(): void {
    this.mtime = this.stat() ?? -1n
    this.unsure = true
  }
}

/** Whether a further change now would give another modification time. */
function isSettled(mtime: bigint): boolean {
  const grain = mtime % 1_000_000_000n === 0n ? coarseGrain : fineGrain
  return Date.now() - Number(mtime / 1_000_000n) > grain
}

async function readNames(path: string): Promise<string[]> {
  const names: string[] = []
  let directory: ReturnType<typeof opendirSync>
  try {
    directory = opendirSync(path, { encoding: 'latin1' as BufferEncoding, bufferSize: 512 })
  } catch (error) {
    if (isMissing(error)) return names
    throw error
  }
  try {
    const pacer = new Pacer()
    for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
      if (isMessageName(entry.name) && mayBeFile(entry)) names.push(entry.name)
      if (pacer.isDue) await pacer.rest()
    }
  } finally {
    directory.closeSync()
  }
  return names
}

/**
 * Symbolic links are no messages: one could lead out of the Maildir, to any file that this process may read. Where the
 * file system does not say what an entry is, opening it will.
 */
function mayBeFile(entry: Dirent): boolean {
  if (entry.isFile()) return true
  if (entry.isSymbolicLink()) return false
  // A pipe or a device would hold up whoever opens it.
  const isOther = entry.isDirectory() || entry.isFIFO() || entry.isSocket()
  return !isOther && !entry.isBlockDevice() && !entry.isCharacterDevice()
}
