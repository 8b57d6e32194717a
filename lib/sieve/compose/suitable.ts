/** Whether a message may be answered by a machine: RFC 5230 §4.5, §4.6 and RFC 3834 §2. */
import { formatMailbox, parseAddressList } from '../../message/address.js'
import { parsePath } from '../address.js'
import type { Context } from '../context.js'
import type { Version } from '../message.js'
import { ownAddresses } from '../user-address.js'

const listFields = ['id', 'help', 'subscribe', 'unsubscribe', 'post', 'owner', 'archive'].map(
  name => `list-${name}`,
)

/** Senders that nobody reads the mail of (RFC 5230 §4.6). */
const robots =
  /^(mailer-daemon|listserv|majordomo|mailman|double-bounce|no-?reply|do-?not-?reply)([+.-].*)?$|^owner-|-(request|owner|bounces?|relay|confirm|errors?)$/i

/** Says why there should be no automatic answer to a message; undefined when there may be one. */
export function unsuitable(
  message: Version,
  context: Context,
  addresses: readonly string[],
): string | undefined {
  const sender = parsePath(context.envelope.from)
  if (!sender) return 'the message has no sender to answer'
  const own = ownAddresses(context, addresses)
  if (own.has(fold(sender.all))) return 'the sender is the user'
  if (sender.local === undefined) return 'the sender is no address'
  if (robots.test(sender.local)) return 'the sender is a program'
  const list = listFields.find(name => message.named(name).length > 0)
  if (list) return `the message comes from a mailing list: it has a ${list} field`
  return automatic(message)
}

/** Says why a message seems to be a machine's. */
export function automatic(message: Version): string | undefined {
  const value = (name: string) => message.named(name)[0]?.value.toLowerCase() ?? ''
  const submitted = message
    .named('auto-submitted')
    .map(field => field.value.toLowerCase().replace(/[\s;(].*$/, ''))
  if (submitted.some(kind => kind !== 'no' && kind !== '')) return 'the message was submitted automatically'
  if (/^(bulk|junk|list)$/.test(value('precedence')))
    return `the message has the precedence ${value('precedence')}`
  if (/\b(all|oof|autoreply)\b/.test(value('x-auto-response-suppress')))
    return 'the message asks for no answer'
  if (/^yes/.test(value('x-spam-flag'))) return 'the message is spam'
  return undefined
}

const recipientFields = ['to', 'cc', 'bcc', 'resent-to', 'resent-cc', 'resent-bcc']

/** The user's address as the message's header has it (RFC 5230 §4.5); undefined when it is not there. */
export function addressedAs(
  message: Version,
  context: Context,
  addresses: readonly string[],
): string | undefined {
  const own = ownAddresses(context, addresses)
  return recipientFields
    .flatMap(name => message.named(name))
    .flatMap(field => parseAddressList(field.rawValue))
    .map(formatMailbox)
    .find(address => own.has(fold(address)))
}

/** Local parts are compared without case too: who would not answer because of a capital? */
function fold(address: string): string {
  return address.toLowerCase()
}
