/** mail-deliver -d: straight into the INBOX of who has no script; all else is another file's, which costs time to load. */
import { loadPart } from '../sys/bundle.js'
import { describe, type Exit, MailError } from '../sys/error.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { type DeliverCall, deliverToUser } from './deliver-message.js'
import { rulesWith } from './delivery-rules.js'
import { type Found, findRecipients } from './mailboxes.js'

/** @throws MailError with the exit status of what went wrong */
export async function deliverUser(call: DeliverCall, explain: boolean): Promise<void> {
  const found = await findRecipients(call.user, call.config)
  const { recipients, remote, config, owner, log } = found
  const [first] = recipients
  if (first || remote.length > 0)
    becomeOwnerOf(first?.home ?? config.queue.directory, first ? owner : undefined)
  const rules = rulesWith(config, log, () => Promise.reject(new Error('a script appeared just now')))
  if (explain || remote.length > 0 || recipients.some(recipient => rules.hasScripts(recipient)))
    return deliverMore(call, found, explain)
  if (first) await deliverToUser(call, found, rules)
}

type More = typeof import('./deliver-more.js')

/** What it throws there is a MailError of another bundle, and no MailError here: it is made one again. */
async function deliverMore(call: DeliverCall, found: Found, explain: boolean): Promise<void> {
  const more = await loadPart<More>(import.meta.url, 'deliver-more', () => import('./deliver-more.js'))
  try {
    await more.deliverMore(call, found, explain)
  } catch (error) {
    if (!(error instanceof Error) || !('exit' in error)) throw error
    throw new MailError(describe(error), { exit: error.exit as Exit })
  }
}
