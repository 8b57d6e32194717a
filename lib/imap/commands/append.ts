/** APPEND, of one message or of several that arrive together or not at all (RFC 3501 §6.3.11, RFC 3502, RFC 4315 §3). */
import type { ImapAppend } from '../backend.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { readTarget, receiveMessage } from '../incoming.js'
import type { Session } from '../session.js'
import { formatSet } from '../set.js'

export async function append(session: Session, args: Decoder): Promise<Answer> {
  let batch: ImapAppend | undefined
  try {
    const target = await readTarget(session, args)
    batch = await session.mail.append(target)
    args.space()
    do await receiveMessage(session, args, batch)
    while (args.trySpace() && (session.reader.pending || !args.atEnd))
    args.end()
    const { uidValidity, uids } = await batch.commit()
    await session.notifier?.own(target, uids)
    return { code: `APPENDUID ${uidValidity} ${formatSet(uids)}` }
  } catch (error) {
    await batch?.abort()
    throw error
  }
}
