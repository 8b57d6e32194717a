/** SEARCH and UID SEARCH (RFC 3501 §6.4.4). */
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { readSearch } from '../search-key.js'
import type { Session } from '../session.js'
import { lowerBound } from '../set.js'

export async function search(session: Session, args: Decoder, { uid }: Call): Promise<void> {
  args.space()
  const mailbox = session.selected
  const key = readSearch(args, mailbox)
  args.end()
  const { uids } = mailbox
  const found = await mailbox.search(key)
  const numbers = uid ? found : found.map(each => lowerBound(uids, each) + 1)
  session.untagged(`SEARCH${numbers.length > 0 ? ` ${numbers.join(' ')}` : ''}`)
}
