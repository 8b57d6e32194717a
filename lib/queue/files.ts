/** Where the files of a queue stand, and how they come to be durable and owned by whom they should be. */
import { statSync, unlink } from 'node:fs'
import { chmod, chown, type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncDirectory, writeAll } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { errorCode, isMissing } from '../sys/error.js'

/** The directories in the queue's own. */
export const folders = ['mail', 'drop', 'process', 'broken'] as const
export type Folder = (typeof folders)[number]

export interface EntryPaths {
  readonly message: string
  readonly envelope: string
  readonly claim: string
  readonly dialogue: string
}

/** The files of an entry in a directory. */
export function entryPaths(directory: string, id: string): EntryPaths {
  return {
    message: `${directory}/${id}.message`,
    envelope: `${directory}/${id}.envelope`,
    claim: `${directory}/${id}.claim`,
    dialogue: `${directory}/${id}.dialogue`,
  }
}

/** Makes the directories that are missing, for whom the queue's own belongs to. @throws the system's error */
export async function makeFolders(directory: string): Promise<void> {
  makeDirectory(directory, 0o711)
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

/** To whom new files are given: root works in queues that belong to somebody else. Absent for everybody but root. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

export function ownerOf(directory: string): Owner | undefined {
  if (process.geteuid?.() !== 0) return undefined
  const { uid, gid } = statSync(directory)
  return uid === 0 && gid === 0 ? undefined : { uid, gid }
}

/** Opens a file that must not exist yet, for its owner. */
export async function create(path: string, owner: Owner | undefined, mode: number): Promise<FileHandle> {
  const file = await open(path, 'wx', mode)
  if (owner) await file.chown(owner.uid, owner.gid)
  return file
}

/**
 * Puts a small file in place of another, or of none: whole, synced, and its name synced where this user may read the
 * directory. (Into a drop directory he may only write; there the file is synced once more under its new name, which
 * on the file systems in use commits the name too.)
 */
export async function place(
  path: string,
  text: string,
  owner: Owner | undefined,
  mode = 0o600,
): Promise<void> {
  const temporary = await prepare(path, text, owner, mode)
  await settle(temporary, path)
}

/** The name under which a file is written until it is whole. */
export function halfWritten(path: string): string {
  return join(dirname(path), `.${basename(path)}`)
}

/** The first half of {@link place}: the content, under a dotted name, synced. @returns that name */
export async function prepare(
  path: string,
  text: string,
  owner: Owner | undefined,
  mode = 0o600,
): Promise<string> {
  const temporary = halfWritten(path)
  const file = await open(temporary, 'w', mode)
  try {
    if (owner) await file.chown(owner.uid, owner.gid)
    await writeAll(file, Buffer.from(text))
    await file.datasync()
  } finally {
    await file.close()
  }
  return temporary
}

/** The second half of {@link place}: the name. */
export async function settle(temporary: string, path: string): Promise<void> {
  await rename(temporary, path)
  try {
    await syncDirectory(dirname(path))
  } catch (error) {
    if (errorCode(error) !== 'EACCES') throw error
    await syncFile(path)
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Removes a file, if it is there. (rm(), which could remove directories too, looks first, on the event loop; and a
 * callback costs half of what a promise of node:fs does.)
 */
export function remove(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    unlink(path, error => (error && !isMissing(error) ? reject(error) : resolve()))
  })
}

/** Removes what is there, without a word about what is not. */
export async function removeAll(...paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map(remove))
}
