/** Rendering messages for FETCH on a thread of its own, beside the one that serves. */
import { availableParallelism } from 'node:os'
import type { Rendered } from '../imap/render.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { Threads } from '../sys/threads.js'
import type { RenderDone, RenderWork } from './render-work.js'

const thread = new Threads<RenderWork, RenderDone>('serve')
/** With one core only there is nothing to be won. */
const isWorthIt = availableParallelism() > 1

/** Renders and keeps what a session will ask for. What goes wrong here the session finds out by itself. */
export async function renderAhead(
  mailbox: Mailbox,
  uids: readonly number[],
  rendered: readonly Rendered[],
): Promise<void> {
  if (!isWorthIt) return
  const there = uids.flatMap(uid => {
    const path = mailbox.path(uid)
    return path === undefined ? [] : [{ uid, path }]
  })
  let done: RenderDone
  try {
    done = await thread.run({ paths: there.map(({ path }) => path), rendered })
  } catch {
    return
  }
  const octets = Buffer.from(done.octets.buffer, done.octets.byteOffset, done.octets.length)
  let start = 0
  for (const { at, storedSize, size, mtimeMs, ends } of done.messages) {
    const { uid } = there[at]!
    mailbox.learn(uid, storedSize, size, mtimeMs)
    for (const [i, { kind }] of rendered.entries()) {
      mailbox.keep(uid, kind, octets.subarray(start, ends[i]))
      start = ends[i]!
    }
  }
}
