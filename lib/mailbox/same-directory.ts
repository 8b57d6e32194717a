/** Whether a directory is the one that was there before, or another that was made in its place. */
import { type BigIntStats, statSync } from 'node:fs'

/** What tells a directory from others; undefined when there is none. */
export type DirectoryMark = BigIntStats | undefined

export function markOf(path: string): DirectoryMark {
  return statSync(path, { bigint: true, throwIfNoEntry: false })
}

/** Numbers of inodes are used again at once, so the time of birth counts too, where it can be had. */
export function isSameDirectory(one: DirectoryMark, other: DirectoryMark): boolean {
  if (!one || !other) return false
  if (one.dev !== other.dev || one.ino !== other.ino) return false
  // Where there is none, 0 stands in its place, or the time of the last change.
  const isBirthKnown = [one, other].some(({ birthtimeNs, ctimeNs }) => birthtimeNs < ctimeNs)
  return !isBirthKnown || one.birthtimeNs === other.birthtimeNs
}
