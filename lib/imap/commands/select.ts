/** SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2). */
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import type { Session } from '../session.js'
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
  args.end()
  if (session.mailbox) {
    await session.deselect()
    session.note('CLOSED', 'The mailbox before is closed.')
  }
  const mailbox = await session.mail.open(name, { readOnly })
  session.mailbox = mailbox
  session.state = 'selected'
  tellKeywords(session, mailbox, true)
  session.untagged(`${mailbox.uids.length} EXISTS`)
  session.untagged(`${mailbox.recent} RECENT`)
  if (mailbox.firstUnseen > 0) session.note(`UNSEEN ${mailbox.firstUnseen}`, 'The first message not seen.')
  session.note(`UIDVALIDITY ${mailbox.uidValidity}`, 'UIDs are good as long as this is the same.')
  session.note(`UIDNEXT ${mailbox.uidNext}`, 'The next UID is at least this.')
  return mailbox.readOnly
    ? { code: 'READ-ONLY', text: 'You may look.' }
    : { code: 'READ-WRITE', text: 'You may read and write.' }
}
