/** Fetched mail through the user's filters, as if it had come by SMTP (`deliver = "sieve"`). */
import type { Config } from '../config/load.js'
import { intoInbox, LocalDelivery, type LocalRecipient, type Placement } from '../deliver/deliver.js'
import type { Deliver } from '../fetch/run.js'
import { parseAddress } from '../message/address.js'
import { Head } from '../message/head.js'
import type { HeaderField } from '../message/header.js'
import { toLf } from '../message/wire.js'
import { describe, exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { deliveryRules } from './filtered-rules.js'
import { findRecipients } from './mailboxes.js'

/**
 * Where an address leads, for messages to be delivered there. A filter that rejects a message cannot send it back to
 * who wrote it, since the provider took it long ago: it goes to the INBOX.
 *
 * @throws MailError (78) for an address that leads out of here
 */
export async function delivererFor(into: string, config: Config, log: Log): Promise<Deliver> {
  const { recipients, remote } = await findRecipients(into, config.file)
  if (recipients.length === 0 || remote.length > 0)
    throw new MailError(`${into} must lead to mailboxes here, with deliver = "sieve"`, { exit: exits.config })
  const rules = deliveryRules(config, log)
  const named = recipients.map(recipient => ({ ...recipient, address: into, refusable: true }))
  return async (octets, rest) => {
    const head = headOf(octets, recipients)
    const refused = await deliver(named, head, rest, rules.place)
    for (const [{ name }, error] of refused)
      log.warning('fetched-rejected', { mailbox: name, reason: describe(error) })
    if (refused.size > 0) await deliver([...refused.keys()], head, rest, intoInbox)
  }
}

/** Without the lines that delivery writes itself: who fetches what was forwarded from here makes no loop. */
function headOf(octets: Buffer, recipients: readonly LocalRecipient[]): Head {
  const head = new Head(toLf(octets))
  const names = recipients.map(({ name }) => name)
  const isOurs = (field: HeaderField) =>
    field.key === 'delivered-to' && names.includes(head.header.value(field).toLowerCase())
  return new Head(Buffer.concat([...head.rewrite('', isOurs)]))
}

/** @returns who refused it, and why */
async function deliver(
  recipients: readonly LocalRecipient[],
  head: Head,
  rest: Parameters<Deliver>[1],
  place: Placement,
): Promise<ReadonlyMap<LocalRecipient, Error>> {
  const envelope = { recipients, alone: recipients.length === 1, sender: senderOf(head) }
  const delivery = await LocalDelivery.begin(envelope, head, place)
  try {
    for (const part of head.rewrite('', ({ key }) => key === 'return-path')) await delivery.write(part)
    for await (const piece of rest?.() ?? []) await delivery.write(piece)
    return (await delivery.commit()).refused
  } catch (error) {
    await delivery.abort()
    throw error
  }
}

/** The envelope's sender, as the provider wrote it down. */
function senderOf(head: Head): string {
  const value = head.header.first('return-path')?.trim() ?? ''
  const address = value === '' ? undefined : parseAddress(value)
  return address ? `${address.mailbox}@${address.host}` : ''
}
