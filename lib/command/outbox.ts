/** The way out for what scripts send: entries of the queue, or of its drop directory for who may not write there. */
import type { Config } from '../config/load.js'
import type { Outbox, OutgoingMessage } from '../deliver/filters.js'
import type { Draft } from '../queue/draft.js'
import { beginDrop, mayEnqueue } from '../queue/drop.js'
import type { Notify, Submission } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import { MailError, TemporaryError } from '../sys/error.js'

/** @returns undefined where the configuration has no relay: nobody would send it on */
export function outboxOf({ relay, queue }: Pick<Config, 'relay' | 'queue'>): Outbox | undefined {
  if (!relay) return undefined
  return {
    begin: async message => {
      const draft = await beginOutgoing(queue.directory, submissionOf(message))
      try {
        await draft.write(message.data)
        return draft
      } catch (error) {
        await draft.abort()
        throw unavailable(error)
      }
    },
  }
}

const opened = new Map<string, Promise<Queue | undefined>>()

/** Begins an entry of a queue, or of its drop directory. @throws TemporaryError */
export async function beginOutgoing(directory: string, submission: Submission): Promise<Draft> {
  try {
    const opening = opened.get(directory) ?? open(directory)
    opened.set(directory, opening)
    const queue = await opening
    return queue ? queue.begin(submission) : beginDrop(directory, submission)
  } catch (error) {
    opened.delete(directory)
    throw unavailable(error)
  }
}

/** @returns undefined where this user may only drop */
async function open(directory: string): Promise<Queue | undefined> {
  return (await mayEnqueue(directory)) ? Queue.open(directory) : undefined
}

function unavailable(error: unknown): MailError {
  if (error instanceof MailError && error.temporary) return error
  return new TemporaryError('the message cannot be put into the queue', { cause: error })
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
