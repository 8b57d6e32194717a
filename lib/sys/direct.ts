/**
 * Octets on disk ahead of whatever is made durable after them, so that a name given to a file later never leads to a
 * file that is cut. A file that is synced, renamed, and synced with its directory costs two commits of the file
 * system's journal; one that is written, read back past the page cache, renamed and synced costs one: to read what is
 * on the disk the system first has to bring it there.
 *
 * That holds where the end of such a write means that the file's extents are in the journal ahead of what follows,
 * and where the sync of a file brings its new name along, as in ext4 (also without a journal) and XFS. On others, and
 * where nobody lends a hand (no such flag, no memory at an address that the device takes), callers sync before they
 * rename, and sync the directory.
 */
import { closeSync, constants, fstatSync, openSync, read, readSync, statfsSync } from 'node:fs'
import { errorCode } from './error.js'

/** Most octets that are brought out so. Many more are synced as quickly as read. */
export const directLimit = 128 * 1024
/** What every device can be read in, and aligns memory to at most. */
const block = 4096
/** Memory starts at multiples of this. */
const step = 16

/** statfs(2): f_type of ext4 and of XFS. */
const orderly = new Set([0xef53, 0x58465342])

/** By device, whether it can be done there. */
const able = new Map<number, boolean>()

/** What is read is for nobody: all reads share this, at once too. */
const memory = Buffer.from(new ArrayBuffer(directLimit + block))
/** Where an address stands in it that devices take; undefined until one was found. */
let offset: number | undefined

/** Whether a file's octets can be brought out ahead, and its sync is one of its name too. @param path of the file that `fd` is */
export function isOrderly(fd: number, path: string): boolean {
  const { dev } = fstatSync(fd)
  let known = able.get(dev)
  if (known === undefined) {
    known = constants.O_DIRECT !== undefined && orderly.has(statfsSync(path).type)
    able.set(dev, known)
  }
  return known
}

/**
 * Brings the octets of a file that was just written to the disk.
 *
 * @param size all of the file; no more than {@link directLimit} is brought out
 * @returns whether that was done
 * @throws the system's error (ENOSPC, EIO …)
 */
export async function bringOut(path: string, size: number): Promise<boolean> {
  if (!fits(size)) return false
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  try {
    return (await readLater(fd, place(fd), lengthFor(size))) === size
  } catch (error) {
    return cannot(fd, error)
  } finally {
    closeSync(fd)
  }
}

/** {@link bringOut}, waiting where it is called. */
export function bringOutHere(path: string, size: number): boolean {
  if (!fits(size)) return false
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  try {
    return readSync(fd, memory, place(fd), lengthFor(size), 0) === size
  } catch (error) {
    return cannot(fd, error)
  } finally {
    closeSync(fd)
  }
}

function fits(size: number): boolean {
  return size > 0 && size <= directLimit
}

function lengthFor(size: number): number {
  return Math.ceil(size / block) * block
}

/** Remembers a device that does not read so. @throws any other error */
function cannot(fd: number, error: unknown): false {
  if (errorCode(error) !== 'EINVAL') throw error
  able.set(fstatSync(fd).dev, false)
  return false
}

/** Tries addresses until one is taken, once. @throws EINVAL where none is */
function place(fd: number): number {
  for (let at = 0; offset === undefined; at += step)
    try {
      readSync(fd, memory, at, block, 0)
      offset = at
    } catch (error) {
      if (errorCode(error) !== 'EINVAL' || at + step >= block) throw error
    }
  return offset
}

function readLater(fd: number, at: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, memory, at, length, 0, (error, count) => (error ? reject(error) : resolve(count)))
  })
}
