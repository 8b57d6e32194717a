/**
 * Octets that go to the disk past the page cache, so that they are there before anything that is done later becomes
 * durable. A file written so and then renamed needs one commit of the file system's journal, where a file that is
 * synced, renamed, and synced with its directory needs two.
 *
 * That holds where the end of a direct write means that its extents are in the journal ahead of what follows, as in
 * ext4 and XFS. On others, and where nobody lends a hand (no such flag, no memory at an address that the device
 * takes), callers sync before they rename.
 */
import { closeSync, constants, fstatSync, openSync, statfsSync, write, writeSync } from 'node:fs'
import { errorCode } from './error.js'

/** Most octets that are written so at once. */
export const directLimit = 128 * 1024
/** What every device can be written in, and aligns memory to at most. */
const block = 4096
/** Memory starts at multiples of this. */
const step = 16
/**
 * So many at a time: it is for who waits for one answer after the other. Where many messages come at once they share
 * commits anyway, and more calls a message only keep threads busy.
 */
const most = 2

/** statfs(2): f_type of ext4 and of XFS. */
const ordered = new Set([0xef53, 0x58465342])

/** By device, whether it can be done there. */
const able = new Map<number, boolean>()

interface Lent {
  readonly memory: Buffer
  /** Where an address stands that devices take; undefined until one was found. */
  offset: number | undefined
}

const free: Lent[] = []
let made = 0

/**
 * Writes a whole new file, of which `fd` is open and `path` the name.
 *
 * @param pieces no more than {@link directLimit} in all
 * @returns whether that was done; if not, the file may hold anything
 * @throws the system's error (ENOSPC, EIO …)
 */
export async function writeDirect(
  fd: number,
  path: string,
  pieces: readonly Uint8Array[],
  size: number,
): Promise<boolean> {
  if (size === 0 || size > directLimit || !isAble(fd, path)) return false
  const lent = free.pop() ?? make()
  if (!lent) return false
  try {
    return await writeFrom(lent, fd, path, pieces, size)
  } finally {
    free.push(lent)
  }
}

function isAble(fd: number, path: string): boolean {
  const { dev } = fstatSync(fd)
  let known = able.get(dev)
  if (known === undefined) {
    known = constants.O_DIRECT !== undefined && ordered.has(statfsSync(path).type)
    able.set(dev, known)
  }
  return known
}

function make(): Lent | undefined {
  if (made === most) return undefined
  made++
  return { memory: Buffer.from(new ArrayBuffer(directLimit + block)), offset: undefined }
}

async function writeFrom(
  lent: Lent,
  fd: number,
  path: string,
  pieces: readonly Uint8Array[],
  size: number,
): Promise<boolean> {
  const length = Math.ceil(size / block) * block
  let direct: number | undefined
  try {
    direct = openSync(path, constants.O_WRONLY | constants.O_DIRECT)
    lent.offset ??= findOffset(lent.memory, direct)
    const { memory, offset } = lent
    let at = offset
    for (const piece of pieces) {
      memory.set(piece, at)
      at += piece.length
    }
    memory.fill(0, at, offset + length)
    return (await writeLater(direct, memory, offset, length)) === length
  } catch (error) {
    if (errorCode(error) !== 'EINVAL') throw error
    able.set(fstatSync(fd).dev, false)
    return false
  } finally {
    if (direct !== undefined) closeSync(direct)
  }
}

/** Tries addresses until one is taken, once for each piece of memory. @throws EINVAL where none is */
function findOffset(memory: Buffer, fd: number): number {
  for (let offset = 0; ; offset += step)
    try {
      writeSync(fd, memory, offset, block, 0)
      return offset
    } catch (error) {
      if (errorCode(error) !== 'EINVAL' || offset + step >= block) throw error
    }
}

function writeLater(fd: number, memory: Buffer, offset: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, memory, offset, length, 0, (error, written) => (error ? reject(error) : resolve(written)))
  })
}
