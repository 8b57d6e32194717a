/** The message on standard input to users of the configuration, or wherever an alias leads. */
import { LocalDelivery, makeFolder } from '../deliver/deliver.js'
import type { Rules } from '../deliver/rules.js'
import { deliverStdin, type Sink } from '../deliver/stdin.js'
import { parseAddress } from '../message/address.js'
import type { Head } from '../message/head.js'
import type { Found } from './mailboxes.js'

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

/**
 * Takes the message on standard input where it goes.
 *
 * @param forward opens the way to addresses of other domains
 * @throws MailError with the exit status of what went wrong
 */
export async function deliverToUser(
  call: DeliverCall,
  found: Found,
  rules: Rules,
  forward?: (sender: string) => Promise<Sink>,
): Promise<void> {
  const { recipients } = found
  const { mailbox, sender } = call
  if (mailbox !== undefined) for (const { maildir } of recipients) await makeFolder(maildir, mailbox)
  await deliverStdin(sender, async head => {
    const sinks: Sink[] = []
    try {
      if (forward) sinks.push(await forward(sender ?? returnPath(head)))
      if (recipients.length > 0) sinks.push(await locally(found, call, rules, head))
      // What goes out is sent last: until then everything can be taken back.
      return sinks.reverse()
    } catch (error) {
      for (const sink of sinks) await sink.abort()
      throw error
    }
  })
}

async function locally(
  { recipients, config, remote }: Found,
  call: DeliverCall,
  rules: Rules,
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

/** Who sent it, where the caller does not say. */
function returnPath(head: Head): string {
  const value = head.header.first('return-path')?.trim() ?? ''
  const address = value === '' ? undefined : parseAddress(value)
  return address ? `${address.mailbox}@${address.host}` : ''
}
