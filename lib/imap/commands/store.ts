/** STORE and UID STORE (RFC 3501 §6.4.6, conditional as RFC 7162 §3.1.3 has it). */
import { flagBit } from '../../message/flags.js'
import type { StoreResult } from '../backend.js'
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { spansOfSet, uidsAt } from '../messages.js'
import { bad, gone } from '../reply.js'
import type { Session } from '../session.js'
import { formatSet, lowerBound } from '../set.js'
import { tellFlags, tellKeywords } from '../updates.js'

const modes = { FLAGS: 'replace', '+FLAGS': 'add', '-FLAGS': 'remove' } as const

/** In a mailbox opened by EXAMINE nothing changes and nothing is wrong, as clients know it from Dovecot. */
export async function store(session: Session, args: Decoder, { uid }: Call): Promise<Answer | undefined> {
  args.space()
  const set = args.set()
  args.space()
  const unchangedSince = args.peek === '(' ? readModifier(args) : undefined
  const [item = '', silent] = args.word('What to store').split('.')
  const mode = Object.hasOwn(modes, item) ? modes[item as keyof typeof modes] : undefined
  if (!mode || (silent !== undefined && silent !== 'SILENT')) throw bad('Store FLAGS, +FLAGS or -FLAGS.')
  args.space()
  const flags = readFlags(args)
  args.end()
  const mailbox = session.selected
  const uids = uidsAt(mailbox, spansOfSet(session, set, uid))
  if (unchangedSince !== undefined) session.useCondstore()
  if (mailbox.readOnly || uids.length === 0) return undefined
  const condition = unchangedSince === undefined ? {} : { unchangedSince }
  const result = await mailbox.store(uids, { mode, flags, ...condition })
  tellKeywords(session, mailbox)
  if (silent === undefined) tellAll(session, uids)
  else if (session.condstore) tellModseqs(session, result.changed)
  return answerOf(session, result, uid, silent === undefined)
}

/** `(UNCHANGEDSINCE 12345) ` */
function readModifier(args: Decoder): number {
  const [since] = args.list(() => {
    if (args.word('A modifier') !== 'UNCHANGEDSINCE') throw bad('There is no such modifier.')
    args.space()
    return args.number('MODSEQ', Number.MAX_SAFE_INTEGER)
  })
  args.space()
  if (since === undefined) throw bad('A modifier is missing.')
  return since
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
  for (const uid of uids) tellFlags(session, mailbox, lowerBound(mailbox.uids, uid) + 1, uid)
}

/** Silence is about flags: who keeps MODSEQs must hear of the new ones (RFC 7162 §3.1.3). */
function tellModseqs(session: Session, uids: readonly number[]): void {
  const mailbox = session.selected
  for (const uid of uids) {
    const seq = lowerBound(mailbox.uids, uid) + 1
    session.untagged(`${seq} FETCH (UID ${uid} MODSEQ (${mailbox.modseq(uid)}))`)
  }
}

function answerOf(
  session: Session,
  { modified, expunged }: StoreResult,
  uid: boolean,
  wantsAll: boolean,
): Answer | undefined {
  const { uids } = session.selected
  if (modified.length > 0) {
    const numbers = uid ? modified : modified.map(each => lowerBound(uids, each) + 1)
    return { code: `MODIFIED ${formatSet(numbers)}`, text: 'These were changed by somebody else.' }
  }
  if (expunged.length === 0) return undefined
  // RFC 2180 §4.2: who wants to hear of every message is told that this cannot be.
  if (!uid && wantsAll) throw gone()
  return { code: 'EXPUNGEISSUED', text: 'Some of the messages are gone already.' }
}
