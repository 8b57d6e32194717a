/**
 * Watching one Maildir's new/ and cur/. Two inotify watches, whatever the number of files (chokidar would put one on
 * each). An event only says "look": what changed is found by reading the directories, so that a lost event, or a
 * queue that overflowed, costs at most {@link pollEvery}.
 */
import { type FSWatcher, watch } from 'node:fs'

/** How long more events are waited for, in milliseconds. */
const settle = 5
/** How often somebody looks although nothing was told, in milliseconds. */
const pollEvery = 30_000
/** The same where watching does not work: too many watches, or a file system without events. */
const pollWithout = 1_000

/**
 * Calls `changed` after something changed in the Maildir, and now and then without a reason.
 *
 * @returns ends the watch
 */
export function watchMaildir(maildir: string, changed: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      changed()
    }, settle).unref()
  }
  const watchers = ['new', 'cur'].map(part => start(`${maildir}/${part}`, soon))
  const poll = setInterval(changed, watchers.includes(undefined) ? pollWithout : pollEvery).unref()
  return () => {
    clearTimeout(timer)
    clearInterval(poll)
    for (const watcher of watchers) watcher?.close()
  }
}

function start(path: string, soon: () => void): FSWatcher | undefined {
  try {
    // Only names count: an event of another kind is a file that was written to or stamped.
    const watcher = watch(path, { persistent: false }, event => event === 'rename' && soon())
    // The directory is gone, or the queue overflowed: looking is the answer to both.
    watcher.on('error', soon)
    return watcher
  } catch {
    return undefined
  }
}
