/** Untagged news of the selected mailbox, at the moments where they are legal (RFC 3501 §5.2, §5.5, §7.4.1). */
import { systemFlags } from '../message/flags.js'
import type { ImapMailbox, ImapUpdate } from './backend.js'
import type { FetchItem } from './fetch-item.js'
import { FetchWriter } from './fetch-writer.js'
import { flagText } from './flag-text.js'
import type { Session } from './session.js'
import { formatSet, lowerBound, type Range, rangesOf } from './set.js'

const systemNames = systemFlags.map(flag => flag.name)

/**
 * Tells what has changed since the client was told last.
 *
 * @param expunge whether messages may be taken away and numbers change: never while FETCH, STORE or SEARCH by
 *   sequence numbers are answered, nor when no command is in progress
 */
export async function tellUpdates(session: Session, expunge: boolean): Promise<void> {
  const { mailbox, notifier } = session
  if (!mailbox) return
  const { uids: old } = mailbox
  const lastKnown = old[old.length - 1] ?? 0
  const tellsFlags = notifier?.wishes.selected?.events.has('FLAGCHANGE') !== false
  const updates = await mailbox.sync({ expunge })
  tellKeywords(session, mailbox)
  session.contexts.tellGone(session, updates)
  if (session.qresync) tellVanished(session, updates)
  for (const update of updates)
    switch (update.kind) {
      case 'expunge':
        if (!session.qresync) session.untagged(`${update.seq} EXPUNGE`)
        break
      case 'exists':
        session.untagged(`${update.count} EXISTS`)
        session.toldAside = mailbox
        break
      case 'recent':
        if (!session.rev2) session.untagged(`${update.count} RECENT`)
        break
      case 'flags':
        if (tellsFlags) tellFlags(session, mailbox, update.seq, update.uid)
    }
  const items = notifier?.wishes.selected?.items ?? []
  if (items.length > 0) await tellNew(session, mailbox, lastKnown, items)
  await session.contexts.tellChanges(session)
}

/** RFC 5465 §5.2: what the client wants to know of each new message, but for those that it made itself. */
async function tellNew(
  session: Session,
  mailbox: ImapMailbox,
  lastKnown: number,
  items: readonly FetchItem[],
): Promise<void> {
  const positions: number[] = []
  for (let at = lowerBound(mailbox.uids, lastKnown + 1); at < mailbox.uids.length; at++)
    if (!session.notifier?.isOwn(mailbox.uids[at] as number)) positions.push(at)
  const spans = rangesOf(positions).map(([first, last]): Range => [first, last + 1])
  if (spans.length > 0) await new FetchWriter(session, mailbox, items).run(spans)
}

/** RFC 7162 §3.2.10: UIDs need no order, so those that go together are told together. */
function tellVanished(session: Session, updates: readonly ImapUpdate[]): void {
  const uids = updates.filter(update => update.kind === 'expunge').map(({ uid }) => uid)
  if (uids.length > 0) session.untagged(`VANISHED ${formatSet(uids.sort((a, b) => a - b))}`)
}

/** Tells the flags of one message, unless it is gone. */
export function tellFlags(session: Session, mailbox: ImapMailbox, seq: number, uid: number): void {
  const flags = flagText(session, mailbox, uid)
  if (flags === undefined) return
  const modseq = session.condstore ? ` MODSEQ (${mailbox.modseq(uid)})` : ''
  session.untagged(`${seq} FETCH (UID ${uid} FLAGS (${flags})${modseq})`)
}

/** A client learns of a keyword before it meets it on a message. */
export function tellKeywords(session: Session, mailbox: ImapMailbox, always = false): void {
  const { keywords } = mailbox
  if (!always && keywords.length === session.keywordsTold) return
  session.keywordsTold = keywords.length
  const all = [...systemNames, ...keywords].join(' ')
  session.untagged(`FLAGS (${all})`)
  if (mailbox.readOnly) session.note('PERMANENTFLAGS ()', 'Nothing can be changed here.')
  else {
    const kept = [...systemNames, ...keywords, '\\*'].filter(flag => mailbox.mayChange?.(flag) ?? true)
    session.note(`PERMANENTFLAGS (${kept.join(' ')})`, 'Flags and keywords are kept.')
  }
}
