/** What ends the work on a mailbox: CHECK, CLOSE, UNSELECT, EXPUNGE (RFC 3501 §6.4.1–3, RFC 3691, RFC 4315 §2.1). */
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { no } from '../reply.js'
import type { Session } from '../session.js'
import { resolveSet } from '../set.js'

/** Everything is on disk already. */
export async function check(_: Session, args: Decoder): Promise<void> {
  args.end()
}

/** Expunges without a word, unless the mailbox was opened by EXAMINE. */
export async function close(session: Session, args: Decoder): Promise<void> {
  args.end()
  const mailbox = session.selected
  if (!mailbox.readOnly) await mailbox.expunge(undefined)
  await session.deselect()
}

export async function unselect(session: Session, args: Decoder): Promise<void> {
  args.end()
  await session.deselect()
}

export async function expunge(session: Session, args: Decoder, { uid }: Call): Promise<void> {
  const mailbox = session.selected
  const { uids } = mailbox
  if (uid) args.space()
  const only = uid ? resolveSet(args.set(), uids[uids.length - 1] ?? 0) : undefined
  args.end()
  if (mailbox.readOnly) throw no('READ-ONLY', 'This mailbox was opened to look only.')
  await mailbox.expunge(only)
}
