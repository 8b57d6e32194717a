/**
 * What mail-deliver seldom does: scripts, the way out, --explain. It is a bundle of its own, dist/bin/deliver-more.js,
 * so that a delivery that needs nothing of it does not have to parse it.
 */
import type { Sink } from '../deliver/stdin.js'
import { describe, type Exit, exits, MailError } from '../sys/error.js'
import { explainUser } from './deliver-explain.js'
import { type DeliverCall, deliverToUser } from './deliver-message.js'
import { deliveryRules } from './filtered-rules.js'
import { type Found, findRecipients } from './mailboxes.js'
import { beginOutgoing } from './outbox.js'

/** How it ended; the message is empty where all is well. Never throws. */
export async function deliverMore(
  call: DeliverCall,
  explain: boolean,
): Promise<{ readonly exit: Exit; readonly message: string }> {
  try {
    const found = await findRecipients(call.user, call.config)
    if (explain) await explainUser(call, found)
    else await deliver(call, found)
    return { exit: exits.ok, message: '' }
  } catch (error) {
    if (error instanceof MailError) return { exit: error.exit, message: describe(error) }
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { exit: exits.tryAgain, message: `internal error: ${stack}` }
  }
}

async function deliver(call: DeliverCall, found: Found): Promise<void> {
  const { config, log, remote } = found
  const rules = deliveryRules(config, log)
  if (remote.length > 0) await deliverToUser(call, found, rules, sender => forward(found, sender))
  else await deliverToUser(call, found, rules)
}

/** Addresses of other domains that the alias leads to. @throws MailError (69) where there is no way there */
async function forward({ remote, config }: Found, sender: string): Promise<Sink> {
  if (!config.relay)
    throw new MailError(`this leads to ${remote.join(', ')}, and the configuration has no [relay]`, {
      exit: exits.unavailable,
    })
  return beginOutgoing(config.queue.directory, {
    sender,
    recipients: remote.map(address => ({ address })),
    origin: `mail-deliver uid ${process.getuid?.() ?? 0}`,
  })
}
