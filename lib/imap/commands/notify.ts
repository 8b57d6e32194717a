/** NOTIFY SET and NOTIFY NONE (RFC 5465 §3.1). */
import type { Decoder } from '../decode.js'
import { Notifier } from '../notify.js'
import { readWishes } from '../notify-events.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'
import { tellUpdates } from '../updates.js'

export async function notify(session: Session, args: Decoder): Promise<void> {
  args.space()
  const verb = args.word('SET or NONE')
  if (verb === 'NONE') {
    args.end()
    await replace(session, await Notifier.begin(session, { selected: undefined, groups: [] }, false))
    return
  }
  if (verb !== 'SET') throw bad('Write NOTIFY SET or NOTIFY NONE.')
  args.space()
  const tellStatus = args.tryWord('STATUS')
  if (tellStatus) args.space()
  const wishes = readWishes(args)
  // What has gathered so far is told as before, whatever is to be told from now on.
  await tellUpdates(session, true)
  await replace(session, await Notifier.begin(session, wishes, tellStatus))
}

async function replace(session: Session, notifier: Notifier): Promise<void> {
  await session.notifier?.close()
  session.notifier = notifier
}
