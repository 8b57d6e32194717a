/** What changes the list of mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 §6.3.3–7). */
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { bad, no } from '../reply.js'
import type { Session } from '../session.js'

/** `CREATE a.b.` announces children; nothing has to be prepared for them. */
export async function create(session: Session, args: Decoder): Promise<Answer> {
  args.space()
  const name = args.mailbox()
  const use = args.trySpace() && !args.atEnd ? readParameters(args) : undefined
  args.end()
  const { mailboxId } = await session.mail.create(name.endsWith('.') ? name.slice(0, -1) : name, use)
  return { code: `MAILBOXID (${mailboxId})` }
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
  if (from !== 'INBOX') await leave(session, from)
  await session.mail.rename(from, to.endsWith('.') ? to.slice(0, -1) : to)
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
