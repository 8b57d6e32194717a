/** Whose script it is: the address that answers and notifications come from. */

import { formatMailbox } from '../message/address.js'
import { parsePath } from './address.js'
import type { Context } from './context.js'

/** The user's address, as far as it is known: from the settings, else as the message was sent to it. */
export function ownAddress({ settings, envelope, user }: Context): string {
  if (settings.userEmail) return settings.userEmail
  const to = parsePath(envelope.to)
  if (to && to.domain !== '') return formatMailbox({ mailbox: to.local, host: to.domain })
  return user.includes('@') ? user : formatMailbox({ mailbox: to?.local ?? user, host: settings.hostname })
}
