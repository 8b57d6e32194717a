/** REPLACE and UID REPLACE (RFC 8508): a message comes, the one it stands for goes; never one without the other. */
import type { ImapAppend } from '../backend.js'
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { readTarget, receiveMessage } from '../incoming.js'
import { spansOfSet, uidsAt } from '../messages.js'
import { bad, gone, no } from '../reply.js'
import type { Session } from '../session.js'
import { newModseq } from './close.js'

export async function replace(session: Session, args: Decoder, { uid }: Call): Promise<Answer> {
  const mailbox = session.selected
  args.space()
  const old = oldMessage(session, args, uid)
  if (mailbox.readOnly) throw no('READ-ONLY', 'This mailbox was opened to look only.')
  const before = mailbox.highestModseq
  let batch: ImapAppend | undefined
  try {
    const target = await readTarget(session, args)
    batch = await session.mail.append(target, { instead: mailbox.size(old) })
    args.space()
    await receiveMessage(session, args, batch)
    args.end()
    // Somebody else may have replaced or expunged it while the new one was sent: two would be left of one draft.
    if (mailbox.flags(old) === undefined) throw gone()
    const { uidValidity, uids } = await batch.commit()
    await session.notifier?.own(target, uids)
    // A client that is cut off now must know the new message before the old one goes (§3.2).
    session.note(`APPENDUID ${uidValidity} ${uids[0]}`, 'The new message is here.')
  } catch (error) {
    await batch?.abort()
    throw error
  }
  await mailbox.remove([old])
  return { code: () => newModseq(session, before) }
}

/** Exactly one message. @returns its UID */
function oldMessage(session: Session, args: Decoder, uid: boolean): number {
  const set = args.set()
  if (set.length !== 1 || set[0]?.[0] !== set[0]?.[1]) throw bad('Name one message.')
  const [old] = uidsAt(session.selected, spansOfSet(session, set, uid))
  if (old === undefined)
    throw uid ? no('NONEXISTENT', 'There is no such message.') : bad('There is no such message.')
  return old
}
