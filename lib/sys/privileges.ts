/** Giving up root: what a command makes shall belong to whom the place belongs. */
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isMissing } from './error.js'

/**
 * Where root runs the command, goes on as the owner of a path, or of the nearest directory above it that exists.
 * There is no way back.
 *
 * @param owner the user and group that are known to own it, or are to
 */
export function becomeOwnerOf(
  path: string,
  owner: { readonly uid?: number; readonly gid?: number } = {},
): void {
  if (process.getuid?.() !== 0) return
  const found = statOfNearest(resolve(path))
  const uid = owner.uid ?? found.uid
  const gid = owner.gid ?? (owner.uid === undefined || owner.uid === found.uid ? found.gid : owner.uid)
  if (uid === 0) return
  process.setgroups?.([gid])
  process.setgid?.(gid)
  process.setuid?.(uid)
}

function statOfNearest(path: string): { uid: number; gid: number } {
  for (let at = path; ; at = dirname(at))
    try {
      return statSync(at)
    } catch (error) {
      if (!isMissing(error) || at === '/') throw error
    }
}
