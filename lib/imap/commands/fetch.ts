/** FETCH and UID FETCH (RFC 3501 §6.4.5). */
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { type FetchItem, readItems } from '../fetch-item.js'
import { FetchWriter } from '../fetch-writer.js'
import { spansOfSet } from '../messages.js'
import { no } from '../reply.js'
import type { Session } from '../session.js'

export async function fetch(session: Session, args: Decoder, { uid }: Call): Promise<void> {
  args.space()
  const set = args.set()
  args.space()
  const items = readItems(args)
  args.end()
  const mailbox = session.selected
  const spans = spansOfSet(mailbox, set, uid)
  const gone = await new FetchWriter(session, mailbox, uid ? withUid(items) : items).run(spans)
  if (gone > 0) throw no('EXPUNGEISSUED', 'Some of the messages are gone already.')
}

/** UID FETCH answers with UIDs whether they were asked for or not (RFC 3501 §6.4.8). */
function withUid(items: readonly FetchItem[]): readonly FetchItem[] {
  return items.some(item => item.kind === 'uid') ? items : [{ kind: 'uid' }, ...items]
}
