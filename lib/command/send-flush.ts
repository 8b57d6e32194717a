/** sendmail -q: everything that waits is tried now, by the relay that runs or by one run of our own. */
import { Claimed } from '../queue/claimed.js'
import { exits } from '../sys/error.js'
import { openQueue } from './queue-entries.js'

/** Asks for all entries at once; a relay that runs takes notice. @returns the exit status */
export async function retryAll(config: string): Promise<number> {
  const { queue } = await openQueue(config)
  for (const id of await queue.list()) {
    const claimed = await queue.claim(id)
    if (!(claimed instanceof Claimed)) continue
    const { envelope } = claimed
    const recipients = envelope.recipients.map(each =>
      each.state === 'waiting' ? { ...each, due: 0 } : each,
    )
    await claimed.save({ ...envelope, recipients })
    await claimed.release()
  }
  queue.close()
  return exits.ok
}
