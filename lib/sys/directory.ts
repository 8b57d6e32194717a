/** Directories with the parents they need. */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode } from './error.js'

/**
 * Makes a directory that is missing, and its parents. (Node's own way says ENOENT where a disk is full or read-only,
 * and what is temporary would look like something that is not there.)
 *
 * @param mode of each that is made, less what the umask takes
 * @returns the outermost that was made; undefined when all were there
 * @throws the system's error (ENOSPC, EROFS, EACCES …); EEXIST when something else has the name
 */
export function makeDirectory(path: string, mode: number): string | undefined {
  try {
    return makeOne(path, mode)
  } catch (error) {
    const parent = dirname(path)
    if (errorCode(error) !== 'ENOENT' || parent === path) throw error
    const first = makeDirectory(parent, mode)
    const made = makeOne(path, mode)
    return first ?? made
  }
}

function makeOne(path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, { mode })
    return path
  } catch (error) {
    // Of one that is there a read-only disk may say that, too.
    if (errorCode(error) === 'ENOENT') throw error
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
    return undefined
  }
}
