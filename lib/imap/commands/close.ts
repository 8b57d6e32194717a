/** What ends the work on a mailbox: CHECK, CLOSE, UNSELECT, EXPUNGE (RFC 3501 §6.4.1–3, RFC 3691, RFC 4315 §2.1). */
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { uidsOfSet } from '../messages.js'
import { no } from '../reply.js'
import type { Session } from '../session.js'

/** Everything is on disk already. */
export async function check(_: Session, args: Decoder): Promise<void> {
  args.end()
}

/** Expunges without a word, unless the mailbox was opened by EXAMINE. */
export async function close(session: Session, args: Decoder): Promise<Answer> {
  args.end()
  const mailbox = session.selected
  const before = mailbox.highestModseq
  if (!mailbox.readOnly && mailbox.mayExpunge !== false) await mailbox.expunge(undefined)
  const code = newModseq(session, before)
  await session.deselect()
  return { code }
}

export async function unselect(session: Session, args: Decoder): Promise<void> {
  args.end()
  await session.deselect()
}

export async function expunge(session: Session, args: Decoder, { uid }: Call): Promise<Answer> {
  const mailbox = session.selected
  if (uid) args.space()
  const only = uid ? uidsOfSet(session, args.set()) : undefined
  args.end()
  if (mailbox.readOnly) throw no('READ-ONLY', 'This mailbox was opened to look only.')
  const before = mailbox.highestModseq
  await mailbox.expunge(only)
  return { code: () => newModseq(session, before) }
}

/** RFC 7162 §3.2.7: who resynchronises later must know how far it has come. */
export function newModseq(session: Session, before: number): string | undefined {
  const now = session.mailbox?.highestModseq ?? before
  return session.qresync && now > before ? `HIGHESTMODSEQ ${now}` : undefined
}
