/** The way out for what scripts send. */
import type { Config } from '../config/load.js'
import type { Outbox, OutgoingMessage } from '../deliver/filters.js'
import type { Notify, Submission } from '../queue/entry.js'

/** @returns undefined where the configuration has no relay: nobody would send it on */
export function outboxOf({ relay, queue }: Pick<Config, 'relay' | 'queue'>): Outbox | undefined {
  if (!relay) return undefined
  return {
    begin: async message => {
      // Most scripts send nothing.
      const { beginOutgoing, unavailable } = await import('./outgoing.js')
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

function submissionOf({ from, to, notify, ret, by }: OutgoingMessage): Submission {
  const asked = notify?.toLowerCase().split(',') as Notify[] | undefined
  return {
    sender: from,
    recipients: to.map(address => ({ address, ...(asked && { notify: asked }) })),
    origin: 'a Sieve script',
    ...(by !== undefined && {
      by: {
        at: timeOf(by.time),
        mode: by.mode === 'N' ? 'notify' : 'return',
        ...(by.trace && { trace: true }),
      },
    }),
    ...(ret !== undefined && { ret: ret === 'FULL' ? 'full' : 'headers' }),
    ...(/[^\0-\x7f]/.test([from, ...to].join('')) && { utf8: true }),
  }
}

/** In milliseconds since 1970. */
function timeOf(text: string): number {
  return /^\d+$/.test(text) ? Date.now() + Number(text) * 1000 : Math.max(Date.parse(text), 0)
}
