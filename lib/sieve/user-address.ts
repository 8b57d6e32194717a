/** Whose script it is: the addresses that are the user's, and the one that answers and notifications come from. */
import { formatMailbox } from '../message/address.js'
import { parsePath } from './address.js'
import type { Context } from './context.js'

/** The user's address, as far as it is known: from the settings, else as the message was sent to it. */
export function ownAddress({ settings, envelope, user }: Context): string {
  if (settings.userEmail) return settings.userEmail
  const to = parsePath(envelope.to)
  if (to?.local !== undefined && to.domain !== undefined)
    return formatMailbox({ mailbox: to.local, host: to.domain })
  return user.includes('@') ? user : formatMailbox({ mailbox: to?.local ?? user, host: settings.hostname })
}

/** Every address that is the user's, in lower case: those known, that of the envelope, those the script names. */
export function ownAddresses(context: Context, named: readonly string[]): ReadonlySet<string> {
  const { envelope, settings, addresses = [], user } = context
  const original = settings.vacationUseOriginalRecipient ? [envelope.originalTo] : []
  const all = [...named, envelope.to, ...original, settings.userEmail, ...addresses, user]
  return new Set(
    all.flatMap(text => {
      const path = text === undefined ? undefined : parsePath(text.replace(/^[^<]*(?=<)/, ''))
      return path?.domain === undefined ? [] : [path.all.toLowerCase()]
    }),
  )
}

/** The postmaster of this host. */
export function postmaster({ settings }: Context): string {
  return settings.postmaster === '' ? `postmaster@${settings.hostname}` : settings.postmaster
}
