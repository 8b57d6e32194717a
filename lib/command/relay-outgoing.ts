/** The way out for what mail-smtpd takes in: entries of the queue, which mail-relay sends. */
import type { Submission as QueueSubmission } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import type { Relayed } from '../serve/incoming.js'
import type { Outside, Relay } from '../serve/submission.js'
import { deliverBy } from '../smtp/deliver-by.js'
import { SmtpError } from '../smtp/reply.js'
import type { Parts } from './parts.js'

/** @returns undefined where the configuration has no relay: mail for other domains is refused then */
export function outgoing(parts: Parts): Relay | undefined {
  const { relay, queue } = parts.config
  if (!relay) return undefined
  let opened: Promise<Queue> | undefined
  return {
    begin: async (recipients, message) => {
      opened ??= Queue.open(queue.directory)
      const submission = submissionOf(recipients, message)
      try {
        return (await opened).begin(submission, message.id)
      } catch (error) {
        opened = undefined
        throw error
      }
    },
  }
}

function submissionOf(recipients: readonly Outside[], message: Relayed): QueueSubmission {
  const { sender, login, peer, envelope } = message
  const { parameters } = envelope
  const ret = parameters.get('RET')?.toUpperCase()
  const envid = parameters.get('ENVID')
  const by = deliverBy(parameters)
  return {
    sender,
    recipients: recipients.map(recipientOf),
    origin: `${peer.protocol} ${peer.helo} [${peer.address}]`,
    ...(login && { login: login.name }),
    ...(envid !== undefined && { envid: decodeXtext(envid) }),
    ...(ret !== undefined && { ret: ret === 'FULL' ? 'full' : 'headers' }),
    ...(by && {
      by: {
        at: Math.max(message.now + by.seconds * 1000, 0),
        mode: by.mode === 'N' ? 'notify' : 'return',
        ...(by.trace && { trace: true }),
      },
    }),
    // RFC 2852 §4: the time has passed, and who had the message then has told the sender.
    ...(by && by.seconds <= 0 && { warned: true }),
    ...(envelope.utf8 && { utf8: true }),
    ...(parameters.has('REQUIRETLS') && { requireTls: true }),
  }
}

/** What was asked for the address the client gave holds for those an alias puts in its place (RFC 3461 §5.2.7.1). */
function recipientOf({ address, recipient }: Outside): QueueSubmission['recipients'][number] {
  const notify = recipient.parameters.get('NOTIFY')
  const original = recipient.parameters.get('ORCPT')
  return {
    address,
    ...(notify !== undefined && { notify: notify.toLowerCase().split(',') as never }),
    ...(original !== undefined && { original: decodeXtext(original) }),
  }
}

/** RFC 3461 §4. @throws SmtpError for what is none */
function decodeXtext(text: string): string {
  if (/\+(?![0-9A-F]{2})/.test(text)) throw new SmtpError(501, '5.5.4', 'ENVID and ORCPT are xtext')
  const octets = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(octets, 'latin1').toString('utf8')
}
