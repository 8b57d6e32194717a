/** STATUS (RFC 3501 §6.3.10). */
import type { ImapStatus } from '../backend.js'
import type { Decoder } from '../decode.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'

type Item = (status: ImapStatus, session: Session) => number | string | Promise<number>
const items: Readonly<Record<string, Item>> = {
  MESSAGES: status => status.messages,
  RECENT: status => status.recent,
  UIDNEXT: status => status.uidNext,
  UIDVALIDITY: status => status.uidValidity,
  UNSEEN: status => status.unseen,
  HIGHESTMODSEQ: status => status.highestModseq, // RFC 7162 §3.1.7
  SIZE: status => status.size(), // RFC 8438
  DELETED: status => status.deleted, // RFC 9051 §6.3.11
  'DELETED-STORAGE': status => status.deletedStorage(), // RFC 9208 §4.1.4
  MAILBOXID: status => `(${status.mailboxId})`, // RFC 8474 §4.3
  APPENDLIMIT: (_, session) => session.options.appendLimit, // RFC 7889
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
  for (const item of asked) parts.push(`${item} ${await items[item]?.(status, session)}`)
  if (asked.includes('HIGHESTMODSEQ')) session.useCondstore()
  session.untagged(`STATUS ${session.nameText(name)} (${parts.join(' ')})`)
}
