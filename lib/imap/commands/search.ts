/** SEARCH and UID SEARCH (RFC 3501 §6.4.4), with RETURN (RFC 4731, RFC 5182, RFC 5267, RFC 9394). */
import type { SortKey } from '../../message/query.js'
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { numberer } from '../messages.js'
import { type Program, readSearch } from '../search-key.js'
import { allOfIt, readReturn, tellResult, type Wanted } from '../search-result.js'
import type { Session } from '../session.js'

export async function search(session: Session, args: Decoder, call: Call): Promise<void> {
  args.space()
  const wanted = readReturn(args) ?? (session.rev2 ? allOfIt : undefined)
  const program = readSearch(args, session)
  args.end()
  await answer(session, call, wanted, program)
}

/**
 * Searches, and sorts when there is an order; tells the result, and keeps it up to date where that was asked.
 *
 * @throws ImapError BAD when the tag stands for another search
 */
export async function answer(
  session: Session,
  call: Call,
  wanted: Wanted | undefined,
  { key, asksModseq }: Program,
  order?: readonly SortKey[],
): Promise<void> {
  const { contexts, selected: mailbox } = session
  if (wanted?.update) contexts.check(call)
  if (asksModseq) session.useCondstore()
  // RFC 5182 §2.1: a search that fails leaves an empty result.
  if (wanted?.save) session.saved = []
  const before = contexts.begin(mailbox)
  const progress = (done: number, goal: number) => session.progress?.note(done, goal)
  const uids = await (order ? mailbox.sort(key, order, progress) : mailbox.search(key, progress))
  const numbers = call.uid ? uids : uids.map(numberer(mailbox, uids.length))
  tellResult(session, call, { uids, numbers, wanted, asksModseq, verb: order ? 'SORT' : 'SEARCH' })
  if (wanted?.update) contexts.add(session, call, { key, order, result: uids, items: wanted.items }, before)
}
