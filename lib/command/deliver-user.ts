/** mail-deliver -d: to a user of the configuration, or wherever an alias leads. */
import { LocalDelivery, makeFolder } from '../deliver/deliver.js'
import { deliverStdin, type Sink } from '../deliver/stdin.js'
import { parseAddress } from '../message/address.js'
import type { Head } from '../message/head.js'
import { exits, MailError } from '../sys/error.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { deliveryRules } from './delivery-rules.js'
import { type Found, findRecipients } from './mailboxes.js'

/** What mail-deliver was called with. */
export interface DeliverCall {
  readonly user: string
  /** The configuration's path. */
  readonly config: string
  readonly sender: string | undefined
  /** The recipient, and the first one, as scripts see them. */
  readonly address: string | undefined
  readonly original: string | undefined
  /** Where it goes that no script puts elsewhere. */
  readonly mailbox: string | undefined
  /** Whether a rejection is an exit status, and not a message. */
  readonly refuse: boolean
}

/** @throws MailError with the exit status of what went wrong */
export async function deliverToUser(call: DeliverCall): Promise<void> {
  const found = await findRecipients(call.user, call.config)
  const { recipients, remote, config, owner } = found
  if (recipients.length === 0 && remote.length === 0) return
  becomeOwnerOf(recipients[0]?.home ?? config.queue.directory, recipients.length > 0 ? owner : undefined)
  const { mailbox, sender } = call
  if (mailbox !== undefined) for (const { maildir } of recipients) await makeFolder(maildir, mailbox)
  await deliverStdin(sender, async head => {
    const sinks: Sink[] = []
    try {
      if (remote.length > 0) sinks.push(await forward(found, sender ?? returnPath(head)))
      if (recipients.length > 0) sinks.push(await locally(found, call, head))
      // What goes out is sent last: until then everything can be taken back.
      return sinks.reverse()
    } catch (error) {
      for (const sink of sinks) await sink.abort()
      throw error
    }
  })
}

async function locally(
  { recipients, config, log, remote }: Found,
  call: DeliverCall,
  head: Head,
): Promise<Sink> {
  const { sender, refuse } = call
  const alone = recipients.length === 1 && remote.length === 0
  const named = recipients.map(recipient => ({
    ...recipient,
    // Where nothing can be sent, who calls is told.
    refusable: alone && (refuse || !config.relay),
    ...recipientWords(call),
  }))
  const rules = deliveryRules(config, log)
  const delivery = await LocalDelivery.begin(
    { sender, recipients: named, alone: recipients.length === 1 },
    head,
    rules.place,
  )
  return {
    write: octets => delivery.write(octets),
    abort: () => delivery.abort(),
    commit: async () => {
      const { refused } = await delivery.commit()
      for (const error of refused.values()) throw error
    },
  }
}

/** What the call says of each recipient. */
export function recipientWords({ user, address, original, mailbox }: DeliverCall) {
  const to = address ?? (user.includes('@') ? user : undefined)
  return {
    ...(to !== undefined && { address: to }),
    ...(original !== undefined && { original }),
    ...(mailbox !== undefined && { folder: mailbox }),
  }
}

/** Addresses of other domains that the alias leads to. @throws MailError (69) where there is no way there */
async function forward({ remote, config }: Found, sender: string): Promise<Sink> {
  if (!config.relay)
    throw new MailError(`this leads to ${remote.join(', ')}, and the configuration has no [relay]`, {
      exit: exits.unavailable,
    })
  const { beginDrop, mayEnqueue } = await import('../queue/drop.js')
  const { Queue } = await import('../queue/queue.js')
  const { directory } = config.queue
  const submission = {
    sender,
    recipients: remote.map(address => ({ address })),
    origin: `mail-deliver uid ${process.getuid?.() ?? 0}`,
  }
  return (await mayEnqueue(directory))
    ? (await Queue.open(directory)).begin(submission)
    : beginDrop(directory, submission)
}

/** Who sent it, where the caller does not say. */
function returnPath(head: Head): string {
  const value = head.header.first('return-path')?.trim() ?? ''
  const address = value === '' ? undefined : parseAddress(value)
  return address ? `${address.mailbox}@${address.host}` : ''
}
