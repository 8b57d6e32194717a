/** mail-deliver: one message from standard input into a Maildir. What it does not need for that is not loaded. */
import { resolve } from 'node:path'
import type { LocalRecipient } from '../deliver/deliver.js'
import { exits, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'

export const deliver: Command = command({
  name: 'mail-deliver',
  summary: 'Deliver one message from standard input into a Maildir',
  silent: true,
  options: {
    user: { type: 'string', short: 'd', argument: 'USER', help: 'the user, or an alias, whom it is for' },
    sender: {
      type: 'string',
      short: 'f',
      argument: 'SENDER',
      help: 'the envelope sender; empty for a bounce',
    },
    mailbox: { type: 'string', short: 'm', argument: 'FOLDER', help: 'the folder instead of the INBOX' },
    maildir: { type: 'string', argument: 'DIR', help: 'this Maildir, without any configuration' },
  },
  run: async ({ values, config }) => {
    const sender = values.sender === undefined ? undefined : addressOf(values.sender)
    const recipients = await recipientsOf(values.user, values.maildir, config)
    if (recipients.length === 0) return
    const { deliverStdin } = await import('../deliver/stdin.js')
    await deliverStdin({ sender, recipients, alone: recipients.length === 1 }, values.mailbox)
  },
})

/** `<a@x>`, `a@x`, `<>` or nothing, as callers write it. @throws MailError (64) for what would break the header */
function addressOf(text: string): string {
  const address = text.replace(/^<(.*)>$/s, '$1')
  if (!/[\x00-\x20<>\x7f]/.test(address)) return address
  throw new MailError(`${JSON.stringify(text)} is no sender address`, { exit: exits.usage })
}

async function recipientsOf(
  user: string | undefined,
  maildir: string | undefined,
  config: string,
): Promise<readonly LocalRecipient[]> {
  if ((user === undefined) === (maildir === undefined))
    throw new MailError('say where to deliver: either -d USER or --maildir DIR', { exit: exits.usage })
  const { becomeOwnerOf } = await import('../sys/privileges.js')
  if (user !== undefined) {
    const { findRecipients } = await import('./mailboxes.js')
    const { recipients, owner } = await findRecipients(user, config)
    if (recipients[0]?.home !== undefined) becomeOwnerOf(recipients[0].home, owner)
    return recipients
  }
  const path = resolve(maildir as string)
  becomeOwnerOf(path)
  return [{ name: undefined, maildir: path, home: undefined, detail: undefined }]
}
