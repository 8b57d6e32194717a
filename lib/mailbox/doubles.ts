/** Two files with one unique name: a rename that was seen from both sides, a further link, or a copy. */
import { renameSync, statSync, unlinkSync } from 'node:fs'
import { maskOf, pathOf, uniqueName, withMask } from '../maildir/name.js'
import { isMissing } from '../sys/error.js'
import type { Directory, File } from './scan.js'
import type { State } from './state.js'

/**
 * Finds out what a second file is. A copy is a message of its own and gets a name of its own.
 *
 * @param fresh first files of messages that are not in the table, by unique name
 * @returns the copy under its new name
 */
export function separate(state: State, file: File, fresh: Map<string, File>): File | undefined {
  const { table, list } = state
  const directory = directoryFor(state, file)
  const row = table.find(list.uids.get(file.unique) ?? 0)
  const mine = statOf(directory, file.name)
  if (!mine) return undefined
  const first = row < 0 ? fresh.get(file.unique)! : { name: table.names[row]!, isNew: !!table.inNew[row] }
  const other = statOf(directoryFor(state, first), first.name)
  if (!other) {
    // Renamed: the second is what is left.
    directory.stale = true
    if (row < 0) fresh.set(file.unique, file)
    else {
      table.names[row] = file.name
      table.inNew[row] = file.isNew ? 1 : 0
    }
    return undefined
  }
  const isLink = other.ino === mine.ino && other.dev === mine.dev
  if (isLink && mine.nlink === 1) return undefined
  return rename(directory, file, isLink)
}

/** Removes a further link, as Dovecot does: the file stays under its other name. A copy gets a new name. */
function rename(directory: Directory, file: File, isLink: boolean): File | undefined {
  const path = pathOf(directory.path, file.name)
  const unique = uniqueName()
  const name = file.isNew ? unique : withMask(unique, maskOf(file.name))
  directory.beforeOwnChange()
  try {
    if (isLink) unlinkSync(path)
    else renameSync(path, `${directory.path}/${name}`)
  } catch (error) {
    if (!isMissing(error)) throw error
    directory.stale = true
    return undefined
  } finally {
    directory.afterOwnChange()
  }
  return isLink ? undefined : { name, unique, isNew: file.isNew }
}

/** The directory that a file is in. */
export function directoryFor(state: State, file: { isNew: boolean }): Directory {
  return file.isNew ? state.newDirectory : state.curDirectory
}

/** What stat says of a file; undefined when it is not there. */
export function statOf(directory: Directory, name: string) {
  return statSync(pathOf(directory.path, name), { throwIfNoEntry: false })
}
