/** From what a client calls messages, numbers or UIDs, to positions in the mailbox it has selected. */
import type { ImapMailbox } from './backend.js'
import { bad } from './reply.js'
import type { Session } from './session.js'
import {
  hasStar,
  intersection,
  largestNamed,
  lowerBound,
  type Ranges,
  rangesOf,
  resolveSet,
  type SequenceSet,
  savedResult,
  spansOf,
  without,
} from './set.js'

/**
 * The messages of a set, as ascending spans [from, to) of positions in `mailbox.uids`.
 *
 * UIDs that are not there are passed over. A sequence number that is not there is the client's mistake (RFC 9051
 * §6.4: BAD), but `*` in an empty mailbox, or `5:*` where there are three, is not.
 */
export function spansOfSet(session: Session, set: SequenceSet, uid: boolean): Ranges {
  const { uids } = session.selected
  if (uid || set === savedResult) return [...spansOf(uidsOfSet(session, set), uids)]
  return sequenceNumbers(session, set).map(([first, last]) => [first - 1, last])
}

/** The UIDs that a set means, whether there are messages with them or not. */
export function uidsOfSet(session: Session, set: SequenceSet): Ranges {
  if (set === savedResult) return rangesOf(session.saved)
  const { uids } = session.selected
  return resolveSet(set, uids[uids.length - 1] ?? 0)
}

/** The sequence numbers that a set means. @throws ImapError BAD when there are not so many messages */
export function sequenceNumbers(session: Session, set: SequenceSet): Ranges {
  const { length } = session.selected.uids
  if (largestNamed(set) > length && !hasStar(set)) throw bad(`There are ${length} messages.`)
  return length === 0 ? [] : intersection(resolveSet(set, length), [[1, length]])
}

/** The UIDs at these positions, ascending. */
export function uidsAt(mailbox: ImapMailbox, spans: Ranges): number[] {
  const found: number[] = []
  for (const [from, to] of spans) for (let at = from; at < to; at++) found.push(mailbox.uids[at] as number)
  return found
}

/** So many more UIDs than messages may a table of all of them have. */
const sparse = 8

/**
 * What gives the sequence numbers of the session's messages.
 *
 * @param count how many will be asked for, in any order: for many of them a table is made
 */
export function numberer({ uids }: ImapMailbox, count: number): (uid: number) => number {
  const first = uids[0] ?? 0
  const range = (uids[uids.length - 1] ?? 0) - first + 1
  if (count * sparse < uids.length || range > uids.length * sparse) return uid => lowerBound(uids, uid) + 1
  const numbers = new Uint32Array(range)
  for (let at = 0; at < uids.length; at++) numbers[(uids[at] as number) - first] = at + 1
  return uid => numbers[uid - first] as number
}

/** The positions among these whose messages changed after a MODSEQ. */
export function changedSince(mailbox: ImapMailbox, spans: Ranges, modseq: number): Ranges {
  const changed: number[] = []
  for (const [from, to] of spans)
    for (let at = from; at < to; at++)
      if ((mailbox.modseq(mailbox.uids[at] as number) ?? 0) > modseq) changed.push(at)
  return rangesOf(changed).map(([first, last]) => [first, last + 1])
}

/**
 * Of these UIDs, those whose messages were expunged after a MODSEQ. Where that is too long ago to be remembered, or
 * the MODSEQ is none that was given here, all that have no message (RFC 7162 §3.2.5.1).
 */
export function vanishedSince(mailbox: ImapMailbox, among: Ranges, modseq: number): Ranges {
  const gone = modseq <= mailbox.highestModseq ? mailbox.goneSince(modseq) : undefined
  if (gone) return without(intersection(rangesOf(gone), among), mailbox.uids)
  const last = mailbox.uidNext - 1
  return last < 1 ? [] : without(intersection(among, [[1, last]]), mailbox.uids)
}
