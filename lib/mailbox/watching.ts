/** Watching a mailbox on disk as long as any session of this process wants to hear of changes. */
import { watchMaildir } from '../maildir/watch.js'
import { describe } from '../sys/error.js'
import type { State } from './state.js'
import { needsSync, synchroniseOnce } from './sync.js'

interface Watch {
  /** How many listen. */
  listeners: number
  stop(): void
}

const watches = new WeakMap<State, Watch>()

/**
 * Calls `listener` after anything changed in the mailbox, by whomever. All listeners of a mailbox share one watch.
 *
 * @returns ends it
 */
export function listen(state: State, listener: () => void): () => void {
  const heard = () => listener()
  const watch = watches.get(state) ?? begin(state)
  watches.set(state, watch)
  watch.listeners++
  state.listeners.add(heard)
  return () => {
    if (!state.listeners.delete(heard)) return
    if (--watch.listeners > 0) return
    watch.stop()
    watches.delete(state)
  }
}

/** What cannot be known yet, since the clock is too coarse or reading too dear, is looked at once more a little later. */
function begin(state: State): Watch {
  let again: NodeJS.Timeout | undefined
  let stopped = false
  const look = async () => {
    clearTimeout(again)
    try {
      if (needsSync(state)) await synchroniseOnce(state)
    } catch (error) {
      if (!state.isGone) state.log.warning('mailbox-watch', { mailbox: state.name, error: describe(error) })
    }
    const wait = Math.min(
      state.newDirectory.doubtfulFor ?? Number.POSITIVE_INFINITY,
      state.curDirectory.doubtfulFor ?? Number.POSITIVE_INFINITY,
    )
    if (stopped || state.isGone || wait === Number.POSITIVE_INFINITY) return
    clearTimeout(again)
    again = setTimeout(look, wait).unref()
  }
  const unwatch = watchMaildir(state.directory, look)
  return {
    listeners: 0,
    stop: () => {
      stopped = true
      clearTimeout(again)
      unwatch()
    },
  }
}
