/** FETCH and UID FETCH (RFC 3501 §6.4.5). */
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { type FetchItem, readItems } from '../fetch-item.js'
import { FetchWriter } from '../fetch-writer.js'
import { spansOfSet } from '../messages.js'
import { gone } from '../reply.js'
import type { Session } from '../session.js'

export async function fetch(session: Session, args: Decoder, { uid }: Call): Promise<Answer | undefined> {
  args.space()
  const set = args.set()
  args.space()
  const items = readItems(args)
  args.end()
  const mailbox = session.selected
  const spans = spansOfSet(mailbox, set, uid)
  const missing = await new FetchWriter(session, mailbox, uid ? withUid(items) : items).run(spans)
  if (missing === 0) return undefined
  // A UID that is not there is passed over, and flags of what is gone matter to nobody; content is missed.
  if (!uid && items.some(item => content.has(item.kind))) throw gone()
  return { code: 'EXPUNGEISSUED', text: 'Some of the messages are gone already.' }
}

const content: ReadonlySet<FetchItem['kind']> = new Set(['envelope', 'body', 'structure', 'section'])

/** UID FETCH answers with UIDs whether they were asked for or not (RFC 3501 §6.4.8). */
function withUid(items: readonly FetchItem[]): readonly FetchItem[] {
  return items.some(item => item.kind === 'uid') ? items : [{ kind: 'uid' }, ...items]
}
