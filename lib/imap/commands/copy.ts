/** COPY and MOVE, by number and by UID (RFC 3501 §6.4.7, RFC 6851), with COPYUID (RFC 4315 §3). */
import type { CopyResult } from '../backend.js'
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { spansOfSet, uidsAt } from '../messages.js'
import { no } from '../reply.js'
import type { Session } from '../session.js'
import { formatSet } from '../set.js'
import { newModseq } from './close.js'

/** Messages that are gone are passed over; COPYUID tells which were copied. */
export async function copy(session: Session, args: Decoder, call: Call): Promise<Answer> {
  const { uids, to } = readArguments(session, args, call)
  const result = uids.length > 0 ? await session.selected.copy(uids, to) : undefined
  await session.notifier?.own(to, result?.to)
  return { code: copyUid(result) }
}

/** The code comes before the EXPUNGEs, so that a client knows where the messages are before they go. */
export async function move(session: Session, args: Decoder, call: Call): Promise<Answer> {
  const { uids, to } = readArguments(session, args, call)
  const mailbox = session.selected
  if (mailbox.readOnly) throw no('READ-ONLY', 'This mailbox was opened to look only.')
  const before = mailbox.highestModseq
  const result = uids.length > 0 ? await mailbox.move(uids, to) : undefined
  await session.notifier?.own(to, result?.to)
  const code = copyUid(result)
  if (code !== undefined) session.note(code, 'Moved.')
  return { code: () => newModseq(session, before) }
}

function readArguments(session: Session, args: Decoder, { uid }: Call): { uids: number[]; to: string } {
  args.space()
  const set = args.set()
  args.space()
  const to = args.mailbox()
  args.end()
  const mailbox = session.selected
  return { uids: uidsAt(mailbox, spansOfSet(session, set, uid)), to }
}

function copyUid(result: CopyResult | undefined): string | undefined {
  if (!result || result.from.length === 0) return undefined
  return `COPYUID ${result.uidValidity} ${formatSet(result.from)} ${formatSet(result.to)}`
}
