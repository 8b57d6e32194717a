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

/** How long after a first sign a new folder is looked at again, when all of it is there, in milliseconds. */
const wholeAfter = 250

/**
 * Calls `changed` after a folder of a Maildir came or went, or a file that is about all of them changed, and now and
 * then without a reason.
 *
 * @returns ends the watch
 */
export function watchFolders(root: string, changed: () => void): () => void {
  const timers = new Map<number, NodeJS.Timeout>()
  const after = (time: number) => {
    if (timers.has(time)) return
    const timer = setTimeout(() => {
      timers.delete(time)
      changed()
    }, time)
    timers.set(time, timer.unref())
  }
  const watcher = start(root, name => {
    const isFolder = name.startsWith('.')
    if (isFolder || name === 'subscriptions' || name === 'dovecot-attributes') after(settle)
    if (isFolder) after(wholeAfter)
  })
  const poll = setInterval(changed, watcher ? pollEvery : pollWithout).unref()
  return () => {
    for (const timer of timers.values()) clearTimeout(timer)
    clearInterval(poll)
    watcher?.close()
  }
}

function start(path: string, soon: (name: string) => void): FSWatcher | undefined {
  try {
    // Only names count: an event of another kind is a file that was written to or stamped.
    const watcher = watch(
      path,
      { persistent: false },
      (event, name) => event === 'rename' && soon(name ?? '.'),
    )
    // The directory is gone, or the queue overflowed: looking is the answer to both.
    watcher.on('error', () => soon('.'))
    return watcher
  } catch {
    return undefined
  }
}
