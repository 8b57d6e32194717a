/**
 * Files that are whole or not there. A reader, or a crash, finds the old content whole or the new content whole;
 * what these functions have returned from is on disk, name and all.
 */
import { closeSync, constants, fsync, fsyncSync, openSync, promises, writeSync as writeOnce } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Writes all of `data`. The loop is not decoration: on a full disk one write may return a short count and no
 * error, and a message would be cut.
 *
 * @throws the system's error (ENOSPC, EDQUOT, EIO …)
 */
export function writeAllSync(fd: number, data: Uint8Array): void {
  for (let offset = 0; offset < data.length; ) offset += writeOnce(fd, data, offset, data.length - offset)
}

/** {@link writeAllSync}, off the event loop. */
export async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let offset = 0; offset < data.length; ) {
    const { bytesWritten } = await file.write(data, offset, data.length - offset)
    offset += bytesWritten
  }
}

/** Creates a file that must not exist yet, with its content on disk when this returns (its name is not yet). */
export async function writeSynced(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const file = await promises.open(path, 'wx', mode)
  try {
    await writeAll(file, typeof data === 'string' ? Buffer.from(data) : data)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Who may do what with a file. */
export interface Ownership {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/**
 * Replaces a file, or creates it: whole, synced, under its name.
 *
 * @param mode of the new file, less what the umask takes; or all of its ownership, as stat gives it, to keep that
 */
export async function writeAtomic(
  path: string,
  data: string | Uint8Array,
  mode: number | Ownership = 0o600,
): Promise<void> {
  // Not before it is needed: a delivery does without, and is over in the time that it takes to load.
  const { randomBytes } = await import('node:crypto')
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  try {
    await writeSynced(temporary, data, typeof mode === 'number' ? mode : 0o600)
    if (typeof mode !== 'number') await own(temporary, mode)
    await promises.rename(temporary, path)
  } catch (error) {
    await promises.rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Before the file has its name, so that nobody who may read it finds it closed for a moment. */
async function own(path: string, { mode, uid, gid }: Ownership): Promise<void> {
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) await promises.chown(path, uid, gid)
  await promises.chmod(path, mode & 0o7777)
}

const underway = new Map<string, { next?: Promise<void>; current: Promise<void> }>()

/**
 * Makes the names in a directory durable. Calls that come while one sync runs share the next one: deliveries that
 * finish together pay for one sync of new/, and each returns only after a sync that began after its own rename.
 */
export function syncDirectory(path: string): Promise<void> {
  const running = underway.get(path)
  if (running) {
    running.next ??= running.current.then(
      () => start(path),
      () => start(path),
    )
    return running.next
  }
  return start(path)
}

function start(path: string): Promise<void> {
  const entry: { next?: Promise<void>; current: Promise<void> } = { current: syncNow(path) }
  underway.set(path, entry)
  const done = () => {
    if (!entry.next && underway.get(path) === entry) underway.delete(path)
  }
  entry.current.then(done, done)
  return entry.current
}

async function syncNow(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await syncFile(fd)
  } finally {
    closeQuietly(fd)
  }
}

/** {@link syncDirectory}, waiting where it is called. */
export function syncDirectoryHere(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeQuietly(fd)
  }
}

let alone = false

/** This process does one thing and ends: a call that has to wait waits where it is made, and no threads are started. */
export function workAlone(): void {
  alone = true
}

export function isAlone(): boolean {
  return alone
}

/** fsync(2), by a callback: a delivery needs nothing else of fs.promises, which is slow to load. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (alone) resolve(fsyncSync(fd))
    else fsync(fd, error => (error ? reject(error) : resolve()))
  })
}

/** Closes a descriptor where an error of closing could only hide the first one. */
export function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // The descriptor is gone either way.
  }
}
