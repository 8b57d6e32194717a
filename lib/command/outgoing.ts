/** Entries of the queue, or of its drop directory for who may not write there. */
import type { Draft } from '../queue/draft.js'
import { beginDrop, mayEnqueue } from '../queue/drop.js'
import type { Submission } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import { MailError, TemporaryError } from '../sys/error.js'

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

export function unavailable(error: unknown): MailError {
  if (error instanceof MailError && error.temporary) return error
  return new TemporaryError('the message cannot be put into the queue', { cause: error })
}
