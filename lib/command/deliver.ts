/** mail-deliver: one message from standard input into a Maildir. What it does not need for that is not loaded. */
import { resolve } from 'node:path'
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
    recipient: {
      type: 'string',
      short: 'r',
      argument: 'ADDRESS',
      help: 'the address it was sent to, as scripts are to see it',
    },
    original: {
      type: 'string',
      short: 'a',
      argument: 'ADDRESS',
      help: 'the address it was sent to first, before other servers changed it',
    },
    mailbox: { type: 'string', short: 'm', argument: 'FOLDER', help: 'the folder instead of the INBOX' },
    refuse: {
      type: 'boolean',
      short: 'e',
      help: 'exit with 77 where a script rejects, and send no rejection',
    },
    maildir: { type: 'string', argument: 'DIR', help: 'this Maildir, without any configuration' },
    explain: { type: 'boolean', help: 'say what would happen, step by step, and do nothing' },
  },
  run: async ({ values, config }) => {
    const { user, maildir, mailbox, refuse } = values
    const sender = values.sender === undefined ? undefined : addressOf(values.sender)
    if ((user === undefined) === (maildir === undefined))
      throw new MailError('say where to deliver: either -d USER or --maildir DIR', { exit: exits.usage })
    if (user === undefined) {
      if (values.explain) throw new MailError('--explain goes with -d USER', { exit: exits.usage })
      await intoMaildir(resolve(maildir as string), mailbox, sender)
      return exits.ok
    }
    const address = values.recipient === undefined ? undefined : addressOf(values.recipient)
    const original = values.original === undefined ? undefined : addressOf(values.original)
    const call = { user, config, sender, address, original, mailbox, refuse }
    await (await import('./deliver-user.js')).deliverUser(call, values.explain)
    return exits.ok
  },
})

/** `<a@x>`, `a@x`, `<>` or nothing, as callers write it. @throws MailError (64) for what would break the header */
function addressOf(text: string): string {
  const address = text.replace(/^<(.*)>$/s, '$1')
  if (!/[\x00-\x20<>\x7f]/.test(address)) return address
  throw new MailError(`${JSON.stringify(text)} is no sender address`, { exit: exits.usage })
}

async function intoMaildir(maildir: string, folder = 'INBOX', sender?: string): Promise<void> {
  const { becomeOwnerOf } = await import('../sys/privileges.js')
  const { intoFolder, LocalDelivery } = await import('../deliver/deliver.js')
  const { deliverStdin } = await import('../deliver/stdin.js')
  const place = intoFolder(folder)
  becomeOwnerOf(maildir)
  const recipients = [{ name: undefined, maildir, home: undefined, detail: undefined }]
  await deliverStdin(sender, async head => [
    await LocalDelivery.begin({ sender, recipients, alone: true }, head, place),
  ])
}
