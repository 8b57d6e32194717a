/** CANCELUPDATE "tag" … (RFC 5267 §4.3.5): results are not kept up to date any more. */
import type { Decoder } from '../decode.js'
import { textOf } from '../name.js'
import type { Session } from '../session.js'

export async function cancelUpdate(session: Session, args: Decoder): Promise<void> {
  const tags: string[] = []
  args.space()
  do tags.push(textOf(args.string('A tag'), 'A tag'))
  while (args.trySpace() && !args.atEnd)
  args.end()
  session.contexts.cancel(tags)
}
