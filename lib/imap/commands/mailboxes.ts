/** What changes the list of mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 §6.3.3–7). */
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { tellListed } from '../listing.js'
import { bad, no } from '../reply.js'
import type { Session } from '../session.js'

/** With a special use where one is asked for (RFC 6154 §3). */
export async function create(session: Session, args: Decoder): Promise<Answer> {
  args.space()
  const name = args.mailbox()
  const use = args.trySpace() && !args.atEnd ? readParameters(args) : undefined
  args.end()
  const normal = normalised(session, name)
  const { mailboxId } = await session.mail.create(normal, use)
  if (normal !== withoutEnd(name)) await tellListed(session, normal, name)
  return { code: `MAILBOXID (${mailboxId})` }
}

/** `CREATE a.b.` announces children; nothing has to be prepared for them. */
function withoutEnd(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** A new name in Net-Unicode (RFC 9051 §6.3.4), where names are Unicode on the wire; modified UTF-7 stays what it is. */
function normalised(session: Session, name: string): string {
  return session.utf8 ? withoutEnd(name).normalize('NFC') : withoutEnd(name)
}

/** `(USE (\Drafts \Sent))` (RFC 6154 §3) */
function readParameters(args: Decoder): string | undefined {
  const uses: string[] = []
  args.list(() => {
    if (args.word('A parameter') !== 'USE') throw bad('There is no such parameter.')
    args.space()
    uses.push(...args.list(() => args.flag()))
  })
  return uses.length > 0 ? uses.join(' ') : undefined
}

export async function deleteMailbox(session: Session, args: Decoder): Promise<void> {
  args.space()
  const name = args.mailbox()
  args.end()
  if (name === 'INBOX') throw no('CANNOT', 'INBOX stays.')
  await requireDelete(session, name)
  await leave(session, name)
  await session.mail.delete(name)
}

export async function rename(session: Session, args: Decoder): Promise<void> {
  args.space()
  const from = args.mailbox()
  args.space()
  const to = args.mailbox()
  args.end()
  if (to === '') throw bad('The new name is missing.')
  await requireDelete(session, from)
  if (from !== 'INBOX') await leave(session, from)
  const normal = normalised(session, to)
  await session.mail.rename(from, normal)
  if (normal !== withoutEnd(to)) await tellListed(session, normal, from)
}

/** Of others' mailboxes it is asked first: one that stays need not be left (RFC 4314 §4). */
async function requireDelete({ mail }: Session, name: string): Promise<void> {
  if (mail.othersPrefix === undefined || !name.startsWith(mail.othersPrefix)) return
  const rights = await mail.acl?.mine(name)
  if (!rights?.includes('x')) throw no('NOPERM', 'You have no right to that.')
}

/** A mailbox that is selected here and is about to go or to change its name is closed first. */
async function leave(session: Session, name: string): Promise<void> {
  const selected = session.mailbox?.name
  if (selected === undefined || (selected !== name && !selected.startsWith(`${name}.`))) return
  await session.deselect()
  session.note('CLOSED', 'The mailbox is closed.')
}

export async function subscribe(session: Session, args: Decoder): Promise<void> {
  args.space()
  const name = args.mailbox()
  args.end()
  await session.mail.subscribe(name)
}

export async function unsubscribe(session: Session, args: Decoder): Promise<void> {
  args.space()
  const name = args.mailbox()
  args.end()
  await session.mail.unsubscribe(name)
}
