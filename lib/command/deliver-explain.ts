/** mail-deliver --explain: the way of the message on standard input, told and not gone. */
import { explain } from '../deliver/explain.js'
import { readMessage } from '../deliver/stdin.js'
import { traceLines } from '../deliver/trace.js'
import { wireSize } from '../message/wire.js'
import { type DeliverCall, recipientWords } from './deliver-message.js'
import { deliveryRules, openFilters } from './filtered-rules.js'
import type { Found } from './mailboxes.js'
import { formatEvent } from './sieve-run.js'

/** @throws MailError where there is no message */
export async function explainUser(call: DeliverCall, found: Found): Promise<void> {
  const { user, sender } = call
  const { recipients, remote, config, log } = found
  const { head, octets } = readMessage()
  say(`message: ${octets.length} octets from <${sender ?? ''}>`)
  for (const { name } of recipients) if (name !== user) say(`alias: ${user} leads to ${name}`)
  for (const address of remote)
    say(
      `alias: ${user} leads to ${address}${config.relay ? ': queued' : ', and there is no [relay]: refused'}`,
    )
  if (recipients.length === 0 && remote.length === 0) say(`alias: ${user} leads to /dev/null: dropped`)
  const rules = deliveryRules(config, log)
  const filters = await openFilters(config, log)
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
    await explain(rules, filters, { ...recipient, ...recipientWords(call) }, written, tell, formatEvent)
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
