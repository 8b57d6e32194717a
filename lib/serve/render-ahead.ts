/** Rendering what a long FETCH will ask for: on a thread of its own, and beside it on the one that serves. */
import { availableParallelism } from 'node:os'
import type { Rendered } from '../imap/render.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { Threads } from '../sys/threads.js'
import { factsOfOne, type RenderDone, type RenderWork, renderMessages } from './render-work.js'

const thread = new Threads<RenderWork, RenderDone>('serve', 1, 15_000, 6)
/** With one core only there is nothing to be won. */
export const hasThread: boolean = availableParallelism() > 1

/** Renders messages on the thread. @returns what takes it over; what goes wrong there the session finds out by itself */
export async function renderThere(
  mailbox: Mailbox,
  uids: readonly number[],
  rendered: readonly Rendered[],
): Promise<() => void> {
  try {
    const done = await thread.run(workOf(mailbox, uids, rendered))
    return () => take(mailbox, done)
  } catch {
    return () => {}
  }
}

/** Renders messages here. @param until when to stop, in milliseconds of the monotonic clock @returns how many it got to */
export function renderHere(
  mailbox: Mailbox,
  uids: readonly number[],
  rendered: readonly Rendered[],
  until: number,
): number {
  const work = workOf(mailbox, uids, rendered)
  const done = renderMessages(work, until)
  take(mailbox, done)
  return done.count === work.uids.length ? uids.length : uids.indexOf(work.uids[done.count]!)
}

/** What of the messages was not rendered yet, and is there. */
function workOf(mailbox: Mailbox, all: readonly number[], rendered: readonly Rendered[]): RenderWork {
  const uids: number[] = []
  const paths: (string | Buffer)[] = []
  for (const uid of all) {
    if (rendered.every(({ kind }) => mailbox.isCached(uid, kind))) continue
    const path = mailbox.path(uid)
    if (path === undefined) continue
    uids.push(uid)
    paths.push(path)
  }
  return { uids, paths, rendered }
}

function take(mailbox: Mailbox, { records, facts }: RenderDone): void {
  for (let at = 0; at < facts.length; at += factsOfOne)
    mailbox.learn(facts[at]!, facts[at + 1]!, facts[at + 2]!, facts[at + 3]!)
  mailbox.keepRecords(Buffer.from(records.buffer, records.byteOffset, records.length))
}
