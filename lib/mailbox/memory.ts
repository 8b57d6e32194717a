/** The mailboxes that this process has in memory: all sessions share what is known of one. */
import { describe } from '../sys/error.js'
import { keepColumns } from './kept.js'
import { State } from './state.js'

/** How long a mailbox stays in memory after its last session, in milliseconds. */
const linger = 300_000

/** A mailbox in memory. */
interface Shared {
  readonly state: State
  users: number
  timer: NodeJS.Timeout | undefined
}

/** Mailboxes in memory, by directory. */
const inMemory = new Map<string, Shared>()
/** What is known of a mailbox, for one session more; release() it. */
export function share(options: ConstructorParameters<typeof State>[0]): State {
  const known = inMemory.get(options.directory)
  if (known && !known.state.isGone) {
    known.users++
    clearTimeout(known.timer)
    return known.state
  }
  const state = new State(options)
  inMemory.set(options.directory, { state, users: 1, timer: undefined })
  return state
}

/** A session is done with a mailbox. */
export function release(state: State): void {
  const shared = inMemory.get(state.directory)
  if (shared?.state !== state || --shared.users > 0) return
  shared.timer = setTimeout(() => forget(shared), linger).unref()
}

/** Takes a mailbox that nobody uses out of memory; what it took long to find out is kept on disk. */
async function forget(shared: Shared): Promise<void> {
  const { state } = shared
  await keep(state)
  if (shared.users > 0 || inMemory.get(state.directory) !== shared) return
  inMemory.delete(state.directory)
  state.close()
}

async function keep(state: State): Promise<void> {
  if (state.isGone || !state.loaded) return
  const isAlive = (uid: number) => state.table.find(uid) >= 0
  if (state.cache.wantsRewrite(isAlive)) await state.cache.rewrite(isAlive)
  await state.texts.clean()
  await keepColumns(state)
  if (!state.journal.hasRecords && state.learned === 0) return
  try {
    await state.locked(() => {
      state.wantsSnapshot = true
    })
  } catch (error) {
    if (state.isGone) return
    state.log.warning('index-not-written', { mailbox: state.name, error: describe(error) })
  }
}

/** Writes down what all mailboxes of this process know; for the end of a daemon. Nothing is lost without it but time. */
export async function keepMailboxes(): Promise<void> {
  for (const { state, timer } of inMemory.values()) {
    clearTimeout(timer)
    await keep(state)
  }
}

/** The directory is another mailbox's, or nobody's, from now on. */
export function drop(directory: string): void {
  const shared = inMemory.get(directory)
  inMemory.delete(directory)
  if (!shared) return
  clearTimeout(shared.timer)
  shared.state.isGone = true
  shared.state.close()
  shared.state.notify()
}
