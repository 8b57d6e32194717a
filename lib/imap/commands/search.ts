/** SEARCH and UID SEARCH (RFC 3501 §6.4.4), with RETURN (RFC 4731, RFC 5182, RFC 9394). */
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { readSearch } from '../search-key.js'
import { readReturn, tellResult } from '../search-result.js'
import type { Session } from '../session.js'
import { lowerBound } from '../set.js'

export async function search(session: Session, args: Decoder, call: Call): Promise<void> {
  args.space()
  const wanted = readReturn(args)
  const program = readSearch(args, session)
  args.end()
  if (program.asksModseq) session.useCondstore()
  const mailbox = session.selected
  // RFC 5182 §2.1: a search that fails leaves an empty result.
  if (wanted?.save) session.saved = []
  const uids = await mailbox.search(program.key)
  const numbers = call.uid ? uids : uids.map(each => lowerBound(mailbox.uids, each) + 1)
  tellResult(session, call, { uids, numbers, wanted, asksModseq: program.asksModseq })
}
