/** STORE and UID STORE (RFC 3501 §6.4.6). */

import { flagBit } from '../../message/flags.js'
import type { StoreChange } from '../backend.js'
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { spansOfSet, uidsAt } from '../messages.js'
import { bad, gone } from '../reply.js'
import type { Session } from '../session.js'
import { tellFlags, tellKeywords } from '../updates.js'

const modes = { FLAGS: 'replace', '+FLAGS': 'add', '-FLAGS': 'remove' } as const

/** In a mailbox opened by EXAMINE nothing changes and nothing is wrong, as clients know it from Dovecot. */
export async function store(session: Session, args: Decoder, { uid }: Call): Promise<Answer | undefined> {
  args.space()
  const set = args.set()
  args.space()
  const [item = '', silent] = args.word('What to store').split('.')
  const mode = Object.hasOwn(modes, item) ? modes[item as keyof typeof modes] : undefined
  if (!mode || (silent !== undefined && silent !== 'SILENT')) throw bad('Store FLAGS, +FLAGS or -FLAGS.')
  args.space()
  const flags = readFlags(args)
  args.end()
  const mailbox = session.selected
  const uids = uidsAt(mailbox, spansOfSet(mailbox, set, uid))
  if (mailbox.readOnly || uids.length === 0) return undefined
  const result = await mailbox.store(uids, { mode, flags } satisfies StoreChange)
  tellKeywords(session, mailbox)
  if (silent === undefined) tellAll(session, uids)
  if (result.expunged.length === 0) return undefined
  // RFC 2180 §4.2: who wants to hear of every message is told that this cannot be.
  if (!uid && silent === undefined) throw gone()
  return { code: 'EXPUNGEISSUED', text: 'Some of the messages are gone already.' }
}

/** `(\Seen $Junk)`, or the same without parentheses. */
function readFlags(args: Decoder): string[] {
  const flags = args.peek === '(' ? args.list(() => args.flag()) : bareFlags(args)
  return storable(flags)
}

function bareFlags(args: Decoder): string[] {
  const flags: string[] = []
  do flags.push(args.flag())
  while (args.trySpace() && !args.atEnd)
  return flags
}

/** Takes out `\Recent`, which is the server's alone. @throws ImapError BAD for a system flag that does not exist */
export function storable(flags: readonly string[]): string[] {
  const kept = flags.filter(flag => flag.toLowerCase() !== '\\recent')
  for (const flag of kept)
    if (flag.startsWith('\\') && flagBit(flag) === undefined) throw bad('There is no such system flag.')
  return kept
}

function tellAll(session: Session, uids: readonly number[]): void {
  const mailbox = session.selected
  let at = 0
  for (const uid of uids) {
    while (mailbox.uids[at] !== uid) at++
    tellFlags(session, mailbox, at + 1, uid)
  }
}
