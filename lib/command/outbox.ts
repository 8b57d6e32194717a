/** The way out for what scripts send: entries of the queue, or of its drop directory for who may not write there. */
import type { Config } from '../config/load.js'
import type { Outbox, OutgoingMessage } from '../deliver/filters.js'
import { beginDrop, mayEnqueue } from '../queue/drop.js'
import type { Notify, Submission } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import { MailError, TemporaryError } from '../sys/error.js'

/** @returns undefined where the configuration has no relay: nobody would send it on */
export function outboxOf({ relay, queue }: Pick<Config, 'relay' | 'queue'>): Outbox | undefined {
  if (!relay) return undefined
  let opened: Promise<Queue | undefined> | undefined
  return {
    begin: async message => {
      try {
        opened ??= openQueue(queue.directory)
        const found = await opened
        const submission = submissionOf(message)
        const draft = found ? found.begin(submission) : beginDrop(queue.directory, submission)
        await draft.write(message.data)
        return draft
      } catch (error) {
        opened = undefined
        if (error instanceof MailError && error.temporary) throw error
        throw new TemporaryError('what a script sends cannot be put into the queue', { cause: error })
      }
    },
  }
}

/** @returns undefined where this user may only drop */
async function openQueue(directory: string): Promise<Queue | undefined> {
  return (await mayEnqueue(directory)) ? Queue.open(directory) : undefined
}

function submissionOf({ from, to, notify, ret }: OutgoingMessage): Submission {
  const asked = notify?.toLowerCase().split(',') as Notify[] | undefined
  return {
    sender: from,
    recipients: to.map(address => ({ address, ...(asked && { notify: asked }) })),
    origin: 'a Sieve script',
    ...(ret !== undefined && { ret: ret === 'FULL' ? 'full' : 'headers' }),
    ...(/[^\0-\x7f]/.test([from, ...to].join('')) && { utf8: true }),
  }
}
