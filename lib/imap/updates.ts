/** Untagged news of the selected mailbox, at the moments where they are legal (RFC 3501 §5.2, §5.5, §7.4.1). */
import { systemFlags } from '../message/flags.js'
import type { ImapMailbox, ImapUpdate } from './backend.js'
import type { Session } from './session.js'
import { formatSet } from './set.js'

const systemNames = systemFlags.map(flag => flag.name)
/** Flag lists come shared between messages, so their text is made once. */
const texts = new WeakMap<readonly string[], string>()

/** The flags of a message as FETCH shows them, without the parentheses; undefined when the message is gone. */
export function flagText(mailbox: ImapMailbox, uid: number): string | undefined {
  const flags = mailbox.flags(uid)
  if (!flags) return undefined
  let text = texts.get(flags)
  if (text === undefined) {
    text = flags.join(' ')
    texts.set(flags, text)
  }
  if (!mailbox.isRecent(uid)) return text
  return text === '' ? '\\Recent' : `${text} \\Recent`
}

/**
 * Tells what has changed since the client was told last.
 *
 * @param expunge whether messages may be taken away and numbers change: never while FETCH, STORE or SEARCH by
 *   sequence numbers are answered, nor when no command is in progress
 */
export async function tellUpdates(session: Session, expunge: boolean): Promise<void> {
  const { mailbox } = session
  if (!mailbox) return
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
        break
      case 'recent':
        session.untagged(`${update.count} RECENT`)
        break
      case 'flags':
        tellFlags(session, mailbox, update.seq, update.uid)
    }
  await session.contexts.tellChanges(session)
}

/** RFC 7162 §3.2.10: UIDs need no order, so those that go together are told together. */
function tellVanished(session: Session, updates: readonly ImapUpdate[]): void {
  const uids = updates.filter(update => update.kind === 'expunge').map(({ uid }) => uid)
  if (uids.length > 0) session.untagged(`VANISHED ${formatSet(uids.sort((a, b) => a - b))}`)
}

/** Tells the flags of one message, unless it is gone. */
export function tellFlags(session: Session, mailbox: ImapMailbox, seq: number, uid: number): void {
  const flags = flagText(mailbox, uid)
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
  else session.note(`PERMANENTFLAGS (${all} \\*)`, 'Flags and keywords are kept.')
}
