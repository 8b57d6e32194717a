/**
 * What mail-deliver seldom does: scripts, the way out, --explain. It is a bundle of its own, dist/bin/deliver-more.bundle,
 * so that a delivery that needs nothing of it does not have to parse it.
 */
import type { Sink } from '../deliver/stdin.js'
import { exits, MailError } from '../sys/error.js'
import { type DeliverCall, deliverToUser } from './deliver-message.js'
import { deliveryRules } from './filtered-rules.js'
import type { Found } from './mailboxes.js'

/** @throws MailError with the exit status of what went wrong */
export async function deliverMore(call: DeliverCall, found: Found, explain: boolean): Promise<void> {
  if (!explain) return deliver(call, found)
  const { explainUser } = await import('./deliver-explain.js')
  await explainUser(call, found)
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
  const { beginOutgoing } = await import('./outgoing.js')
  return beginOutgoing(config.queue.directory, {
    sender,
    recipients: remote.map(address => ({ address })),
    origin: `mail-deliver uid ${process.getuid?.() ?? 0}`,
  })
}
