/** GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): how much room a user's mail has. One limit holds for all mailboxes of one. */
import type { ImapQuota } from '../backend.js'
import type { Decoder } from '../decode.js'
import { quote } from '../encode.js'
import { no } from '../reply.js'
import type { Session } from '../session.js'

export async function getQuota(session: Session, args: Decoder): Promise<void> {
  args.space()
  const name = args.text('The quota root')
  args.end()
  const quota = await session.mail.quota({ root: name })
  if (!quota) throw no('NONEXISTENT', 'There is no such quota root.')
  tellQuota(session, quota)
}

/** A mailbox that is not there yet would have the same root. */
export async function getQuotaRoot(session: Session, args: Decoder): Promise<void> {
  args.space()
  const name = args.mailbox()
  args.end()
  const quota = await session.mail.quota({ mailbox: name })
  session.untagged(`QUOTAROOT ${session.nameText(name)}${quota ? ` ${quote(quota.root)}` : ''}`)
  if (quota) tellQuota(session, quota)
}

/** Limits are the configuration's; that they can be set here is not advertised (QUOTASET). */
export async function setQuota(_: Session, args: Decoder): Promise<void> {
  args.space()
  args.astring('The quota root')
  args.space()
  args.list(() => {
    args.atom('A resource')
    args.space()
    args.number('A limit', Number.MAX_SAFE_INTEGER)
  })
  args.end()
  throw no('NOPERM', 'Only the administrator sets limits.')
}

/** STORAGE counts in units of 1024 octets (§5.1). */
function tellQuota(session: Session, { root, used, limits }: ImapQuota): void {
  const resources: string[] = []
  if (limits.octets !== undefined)
    resources.push(`STORAGE ${Math.ceil(used.octets / 1024)} ${Math.floor(limits.octets / 1024)}`)
  if (limits.messages !== undefined) resources.push(`MESSAGE ${used.messages} ${limits.messages}`)
  session.untagged(`QUOTA ${quote(root)} (${resources.join(' ')})`)
}
