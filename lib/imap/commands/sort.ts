/** SORT and UID SORT (RFC 5256 §3, RFC 5957), with RETURN (RFC 5267, RFC 5182, RFC 9394). */
import type { SortField, SortKey } from '../../message/query.js'
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { bad } from '../reply.js'
import { readCriteria } from '../search-key.js'
import { readReturn } from '../search-result.js'
import type { Session } from '../session.js'
import { answer } from './search.js'

export async function sort(session: Session, args: Decoder, call: Call): Promise<void> {
  args.space()
  const wanted = readReturn(args)
  const order = args.list(() => readKey(args))
  if (order.length === 0) throw bad('Name what to sort by.')
  args.space()
  const program = readCriteria(args, session)
  args.end()
  await answer(session, call, wanted, program, order)
}

const fields: ReadonlySet<string> = new Set<SortField>([
  ...(['arrival', 'cc', 'date', 'from', 'size', 'subject', 'to'] as const),
  ...(['displayfrom', 'displayto'] as const),
])

/** `REVERSE DATE`; saying REVERSE twice is once too often. */
function readKey(args: Decoder): SortKey {
  const reverse = args.tryWord('REVERSE')
  if (reverse) args.space()
  const field = args.word('A sort key').toLowerCase()
  if (!fields.has(field)) throw bad('There is no such sort key.')
  return { field: field as SortField, reverse }
}
