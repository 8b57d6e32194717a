/** SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2; the parameters of RFC 7162 §3.1.8, §3.2.5). */
import type { ImapMailbox } from '../backend.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { FetchWriter } from '../fetch-writer.js'
import { tellListed } from '../listing.js'
import { changedSince, vanishedSince } from '../messages.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'
import { formatRanges, largest, type Ranges, resolveSet, spansOf } from '../set.js'
import { tellKeywords } from '../updates.js'

export function select(session: Session, args: Decoder): Promise<Answer> {
  return open(session, args, false)
}

export function examine(session: Session, args: Decoder): Promise<Answer> {
  return open(session, args, true)
}

async function open(session: Session, args: Decoder, readOnly: boolean): Promise<Answer> {
  args.space()
  const name = args.mailbox()
  const known = args.trySpace() && !args.atEnd ? readParameters(session, args) : undefined
  args.end()
  if (session.mailbox) {
    await session.deselect()
    session.note('CLOSED', 'The mailbox before is closed.')
  }
  const mailbox = await session.mail.open(name, { readOnly })
  session.mailbox = mailbox
  session.state = 'selected'
  describe(session, mailbox)
  // RFC 9051 §6.3.2
  if (session.rev2) await tellListed(session, mailbox.name)
  if (known && known.uidValidity === mailbox.uidValidity) await resynchronise(session, mailbox, known)
  return mailbox.readOnly
    ? { code: 'READ-ONLY', text: 'You may look.' }
    : { code: 'READ-WRITE', text: 'You may read and write.' }
}

function describe(session: Session, mailbox: ImapMailbox): void {
  tellKeywords(session, mailbox, true)
  session.untagged(`${mailbox.uids.length} EXISTS`)
  if (!session.rev2) tellOldNews(session, mailbox)
  session.note(`UIDVALIDITY ${mailbox.uidValidity}`, 'UIDs are good as long as this is the same.')
  session.note(`UIDNEXT ${mailbox.uidNext}`, 'The next UID is at least this.')
  session.note(`MAILBOXID (${mailbox.mailboxId})`, 'The mailbox keeps this.')
  session.note(`HIGHESTMODSEQ ${mailbox.highestModseq}`, 'No change has a higher MODSEQ.')
}

/** What IMAP4rev2 has done away with (RFC 9051, Appendix E). */
function tellOldNews(session: Session, mailbox: ImapMailbox): void {
  session.untagged(`${mailbox.recent} RECENT`)
  if (mailbox.firstUnseen > 0) session.note(`UNSEEN ${mailbox.firstUnseen}`, 'The first message not seen.')
}

/** What a client that was here before still knows. */
interface Known {
  readonly uidValidity: number
  readonly modseq: number
  /** The UIDs it has; undefined for all there may have been. */
  readonly uids: Ranges | undefined
}

/** `(CONDSTORE)`, `(QRESYNC (UIDVALIDITY MODSEQ [UIDs [(numbers UIDs)]]))` */
function readParameters(session: Session, args: Decoder): Known | undefined {
  let known: Known | undefined
  const names = args.list(() => {
    const name = args.word('A parameter')
    if (name === 'QRESYNC') {
      args.space()
      known = readKnown(args)
    } else if (name !== 'CONDSTORE') throw bad('There is no such parameter.')
    return name
  })
  if (names.includes('QRESYNC') && !session.qresync) throw bad('ENABLE QRESYNC first.')
  if (names.includes('CONDSTORE')) session.enabled.add('CONDSTORE')
  return known
}

function readKnown(args: Decoder): Known {
  args.char('(')
  const uidValidity = args.nzNumber('UIDVALIDITY')
  args.space()
  const modseq = args.number('MODSEQ', Number.MAX_SAFE_INTEGER)
  let uids: Ranges | undefined
  if (args.trySpace() && args.peek !== '(') {
    uids = resolveSet(args.set(), largest)
    args.trySpace()
  }
  // Which numbers had which UIDs only helps a server that does not remember what went when (§3.2.5.2).
  if (args.tryChar('(')) {
    args.set()
    args.space()
    args.set()
    args.char(')')
  }
  args.char(')')
  return { uidValidity, modseq, uids }
}

/** RFC 7162 §3.2.5.1: what is gone, then what has changed. A MODSEQ that was never given here brings everything. */
async function resynchronise(session: Session, mailbox: ImapMailbox, { modseq, uids }: Known): Promise<void> {
  const among = uids ?? [[1, largest]]
  const vanished = vanishedSince(mailbox, among, modseq)
  if (vanished.length > 0) session.untagged(`VANISHED (EARLIER) ${formatRanges(vanished)}`)
  const since = modseq <= mailbox.highestModseq ? modseq : 0
  const spans = changedSince(mailbox, [...spansOf(among, mailbox.uids)], since)
  await new FetchWriter(session, mailbox, [{ kind: 'uid' }, { kind: 'flags' }, { kind: 'modseq' }]).run(spans)
}
