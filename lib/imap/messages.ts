/** From what a client calls messages, numbers or UIDs, to positions in the mailbox it has selected. */
import type { ImapMailbox } from './backend.js'
import { bad } from './reply.js'
import { hasStar, largestNamed, type Ranges, resolveSet, type SequenceSet, spansOf } from './set.js'

/**
 * The messages of a set, as ascending spans [from, to) of positions in `mailbox.uids`.
 *
 * UIDs that are not there are passed over. A sequence number that is not there is the client's mistake (RFC 9051
 * §6.4: BAD), but `*` in an empty mailbox, or `5:*` where there are three, is not.
 */
export function spansOfSet(mailbox: ImapMailbox, set: SequenceSet, uid: boolean): Ranges {
  const { uids } = mailbox
  if (uid) return [...spansOf(resolveSet(set, uids[uids.length - 1] ?? 0), uids)]
  if (largestNamed(set) > uids.length && !hasStar(set)) throw bad(`There are ${uids.length} messages.`)
  return resolveSet(set, uids.length)
    .map(([first, last]) => [first - 1, Math.min(last, uids.length)] as const)
    .filter(([from, to]) => from < to)
}

/** The UIDs at these positions, ascending. */
export function uidsAt(mailbox: ImapMailbox, spans: Ranges): number[] {
  const found: number[] = []
  for (const [from, to] of spans) for (let at = from; at < to; at++) found.push(mailbox.uids[at] as number)
  return found
}
