/** mail-deliver -d: straight into the INBOX of who has no script; all else is another file's, which costs time to load. */
import { exits, MailError } from '../sys/error.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { type DeliverCall, deliverToUser } from './deliver-message.js'
import { rulesWith } from './delivery-rules.js'
import { findRecipients } from './mailboxes.js'

/** @throws MailError with the exit status of what went wrong */
export async function deliverUser(call: DeliverCall, explain: boolean): Promise<void> {
  const found = await findRecipients(call.user, call.config)
  const { recipients, remote, config, owner, log } = found
  const [first] = recipients
  if (first || remote.length > 0)
    becomeOwnerOf(first?.home ?? config.queue.directory, first ? owner : undefined)
  const rules = rulesWith(config, log, () => Promise.reject(new Error('a script appeared just now')))
  if (explain || remote.length > 0 || recipients.some(recipient => rules.hasScripts(recipient)))
    return deliverMore(call, explain)
  if (first) await deliverToUser(call, found, rules)
}

/** What it throws there is no MailError here, where that is another class: it comes back as words. */
async function deliverMore(call: DeliverCall, explain: boolean): Promise<void> {
  const { deliverMore } = await import('./deliver-more.js')
  const { exit, message } = await deliverMore(call, explain)
  if (exit !== exits.ok) throw new MailError(message, { exit })
}
