/** A message sent on as it is: RFC 5228 §4.2. */
import { toCrlf } from '../../message/wire.js'
import type { RedirectAction } from '../action.js'
import { parsePath } from '../address.js'
import type { Context } from '../context.js'
import { parseMailAddress } from '../mailbox-address.js'
import { ownAddress, postmaster } from '../user-address.js'
import { header, type Outgoing } from './outgoing.js'

const mark = 'X-Sieve-Redirected-From'

/** Says why a message must not be sent on: it has been here before, or everywhere. */
export function redirectRefused({ message }: RedirectAction, context: Context): string | undefined {
  const own = ownAddress(context).toLowerCase()
  if (message.named(mark.toLowerCase()).some(field => field.value.toLowerCase() === own))
    return 'a redirect brought the message here for the second time'
  const { maxReceived } = context.settings
  const hops = message.named('received').length
  return maxReceived > 0 && hops > maxReceived ? `the message has gone through ${hops} servers` : undefined
}

export function composeRedirect(action: RedirectAction, context: Context): Outgoing {
  const head = header([
    ['X-Sieve', 'Postern'],
    [mark, ownAddress(context)],
  ])
  const { notify, ret, by } = action
  return {
    from: envelopeSender(context),
    to: [action.address],
    data: Buffer.concat([Buffer.from(head), toCrlf(action.message.octets)]),
    ...(notify === undefined ? {} : { notify }),
    ...(ret === undefined ? {} : { ret }),
    ...(by === undefined ? {} : { by }),
  }
}

/** What the settings say; but the null reverse-path stays null, or a bounce would be redirected in circles. */
function envelopeSender(context: Context): string {
  const { envelope, settings } = context
  const sender = plain(envelope.from)
  if (sender === '') return ''
  const wanted = settings.redirectFrom.trim()
  switch (wanted) {
    case 'sender':
      return sender
    case 'recipient':
      return plain(envelope.to)
    case 'orig_recipient':
      return plain(envelope.originalTo ?? envelope.to)
    case 'user_email':
      return settings.userEmail ?? plain(envelope.to)
    case 'postmaster':
      return postmaster(context)
    default: {
      const inside = /^<\s*(.*?)\s*>$/.exec(wanted)?.[1] ?? wanted
      return inside === '' ? '' : (parseMailAddress(inside)?.address ?? sender)
    }
  }
}

function plain(path: string): string {
  const address = parsePath(path)
  if (!address) return ''
  return path
    .trim()
    .replace(/^<(.*)>$/, '$1')
    .replace(/^@[^:]*:/, '')
}
