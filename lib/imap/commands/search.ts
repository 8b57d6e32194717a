/** SEARCH and UID SEARCH (RFC 3501 §6.4.4), with RETURN (RFC 4731, RFC 5182, RFC 5267, RFC 9394). */
import type { SortKey } from '../../message/query.js'
import { Pacer } from '../../sys/pacer.js'
import type { ImapMailbox } from '../backend.js'
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { type Program, readSearch } from '../search-key.js'
import { allOfIt, readReturn, tellResult, type Wanted } from '../search-result.js'
import type { Session } from '../session.js'
import { lowerBound } from '../set.js'

export async function search(session: Session, args: Decoder, call: Call): Promise<void> {
  args.space()
  const wanted = readReturn(args) ?? (session.rev2 ? allOfIt : undefined)
  const program = readSearch(args, session)
  args.end()
  await answer(session, call, wanted, program)
}

/** The sequence numbers of messages, in their order. */
async function numbersOf({ uids: all }: ImapMailbox, uids: readonly number[]): Promise<number[]> {
  const pacer = new Pacer()
  const numbers: number[] = []
  for (const uid of uids) {
    numbers.push(lowerBound(all, uid) + 1)
    if (pacer.isDue) await pacer.rest()
  }
  return numbers
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
  const numbers = call.uid ? uids : await numbersOf(mailbox, uids)
  tellResult(session, call, { uids, numbers, wanted, asksModseq, verb: order ? 'SORT' : 'SEARCH' })
  if (wanted?.update) contexts.add(session, call, { key, order, result: uids, items: wanted.items }, before)
}
