/** STATUS (RFC 3501 §6.3.10). */
import type { ImapStatus } from '../backend.js'
import type { Decoder } from '../decode.js'
import { mailboxText } from '../encode.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'

const items: Readonly<Record<string, (status: ImapStatus) => number | Promise<number>>> = {
  MESSAGES: status => status.messages,
  RECENT: status => status.recent,
  UIDNEXT: status => status.uidNext,
  UIDVALIDITY: status => status.uidValidity,
  UNSEEN: status => status.unseen,
}

export async function status(session: Session, args: Decoder): Promise<void> {
  args.space()
  const name = args.mailbox()
  args.space()
  const asked = statusItems(args)
  args.end()
  await tellStatus(session, name, asked)
}

/** `(MESSAGES UIDNEXT)`, checked. */
export function statusItems(args: Decoder): string[] {
  const asked = args.list(() => args.word('A status item'))
  if (asked.length === 0) throw bad('Say what you want to know.')
  for (const item of asked) if (!Object.hasOwn(items, item)) throw bad('There is no such status item.')
  return asked
}

/** @throws ImapError NO when there is no such mailbox */
export async function tellStatus(session: Session, name: string, asked: readonly string[]): Promise<void> {
  const status = await session.mail.status(name)
  const parts: string[] = []
  for (const item of asked) parts.push(`${item} ${await items[item]?.(status)}`)
  session.untagged(`STATUS ${mailboxText(name)} (${parts.join(' ')})`)
}
