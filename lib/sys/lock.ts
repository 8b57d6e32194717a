/** Locks that only our own programs take, for long and rare work: the only file that knows proper-lockfile. */
import { setTimeout as delay } from 'node:timers/promises'
import lockfile from 'proper-lockfile'
import { errorCode, TemporaryError } from './error.js'

export interface Lock {
  /** Aborted when the lock was lost under way (the machine slept, say): stop writing at once. */
  readonly signal: AbortSignal
  release(): Promise<void>
}

/** Between two tries, in milliseconds. */
const pause = 100

/**
 * Takes the lock beside `path` (a directory PATH.lock, touched while held); a lock untouched for 10 s is stale.
 *
 * @param wait longest wait in milliseconds; 0 tries once
 * @throws TemporaryError when another process holds it
 */
export async function lock(path: string, wait = 0): Promise<Lock> {
  const abort = new AbortController()
  const end = performance.now() + wait
  for (;;)
    try {
      return await lockOnce(path, abort)
    } catch (error) {
      // A full disk, say, is told at once: no other process is to be waited for.
      if (errorCode(error) !== 'ELOCKED') throw error
      if (performance.now() >= end)
        throw new TemporaryError(`${path} is in use by another process; try again when it has ended`)
      await delay(pause)
    }
}

async function lockOnce(path: string, abort: AbortController): Promise<Lock> {
  const release = await lockfile.lock(path, {
    realpath: false,
    stale: 10_000,
    update: 3_000,
    retries: 0,
    onCompromised: error => abort.abort(error),
  })
  return { signal: abort.signal, release: async () => (abort.signal.aborted ? undefined : release()) }
}
