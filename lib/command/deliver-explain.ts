/** mail-deliver --explain: the way of the message on standard input, told and not gone. */
import { explain } from '../deliver/explain.js'
import { readMessage } from '../deliver/stdin.js'
import { traceLines } from '../deliver/trace.js'
import { wireSize } from '../message/wire.js'
import { exits } from '../sys/error.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { type DeliverCall, recipientWords } from './deliver-user.js'
import { deliveryRules } from './delivery-rules.js'
import { findRecipients } from './mailboxes.js'
import { formatEvent } from './sieve-run.js'

/** @returns the exit status @throws MailError where there is no such user, or no message */
export async function explainUser(call: DeliverCall): Promise<number> {
  const { user, sender } = call
  const found = await findRecipients(user, call.config)
  const { recipients, remote, config, owner, log } = found
  if (recipients[0]?.home !== undefined) becomeOwnerOf(recipients[0].home, owner)
  const { head, octets } = readMessage()
  say(`message: ${octets.length} octets from <${sender ?? ''}>`)
  for (const { name } of recipients) if (name !== user) say(`alias: ${user} leads to ${name}`)
  for (const address of remote)
    say(
      `alias: ${user} leads to ${address}${config.relay ? ': queued' : ', and there is no [relay]: refused'}`,
    )
  if (recipients.length === 0 && remote.length === 0) say(`alias: ${user} leads to /dev/null: dropped`)
  const rules = deliveryRules(config, log)
  for (const recipient of recipients) {
    const { name = '' } = recipient
    const lines = traceLines(head, sender, recipients.length === 1 ? name : undefined)
    const whole = Buffer.concat([Buffer.from(lines), octets])
    const written = {
      envelope: { sender, recipients, alone: recipients.length === 1 },
      head,
      path: '',
      octets: whole,
      size: wireSize(whole),
      storedSize: whole.length,
    }
    const tell = (line: string) => say(`${name}: ${line}`)
    await explain(rules, { ...recipient, ...recipientWords(call) }, written, tell, formatEvent)
  }
  return exits.ok
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
