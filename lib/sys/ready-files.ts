/**
 * Files that were used and may soon be needed again, by what they are for. To make a file and remove it each time is
 * dear where the file system is slow to use the number of a removed file again: ext4 without a journal does not for
 * minutes, and looks at all of those each time.
 */
import { unlinkSync } from 'node:fs'

/** How long a file waits for its next use, in milliseconds. */
const keptFor = 30_000

/** A file that is kept. */
export interface ReadyFile {
  readonly path: string
  /** When its time was set last, in milliseconds since 1970. */
  touched: number
}

const files = new Map<string, ReadyFile & { readonly timer: NodeJS.Timeout }>()

/** The file that is kept for something; it may have been removed. */
export function readyFile(purpose: string): ReadyFile | undefined {
  const file = files.get(purpose)
  file?.timer.refresh()
  return file
}

/** Keeps a file for a while, and no longer than this process lives. */
export function keepReady(purpose: string, path: string): void {
  dropReady(purpose)
  if (files.size === 0) process.once('exit', dropAll)
  const timer = setTimeout(() => dropReady(purpose), keptFor).unref()
  files.set(purpose, { path, touched: Date.now(), timer })
}

/** Removes a file that is kept, if one is. */
export function dropReady(purpose: string): void {
  const file = files.get(purpose)
  if (!file) return
  clearTimeout(file.timer)
  files.delete(purpose)
  if (files.size === 0) process.removeListener('exit', dropAll)
  try {
    unlinkSync(file.path)
  } catch {
    // Gone with its directory, or cleaned away.
  }
}

function dropAll(): void {
  for (const purpose of [...files.keys()]) dropReady(purpose)
}
