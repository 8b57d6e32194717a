/** FETCH and UID FETCH (RFC 3501 §6.4.5), with the modifiers of RFC 7162 §3.1.4.1, §3.2.6 and RFC 9394 §3.3. */
import type { Answer, Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { type FetchItem, readItems } from '../fetch-item.js'
import { FetchWriter } from '../fetch-writer.js'
import { changedSince, spansOfSet, uidsOfSet, vanishedSince } from '../messages.js'
import { type PartialRange, partialSpans, readPartialRange } from '../partial.js'
import { bad, gone } from '../reply.js'
import type { Session } from '../session.js'
import { formatRanges, type SequenceSet } from '../set.js'

interface Modifiers {
  changedSince?: number
  vanished?: boolean
  partial?: PartialRange
}

export async function fetch(session: Session, args: Decoder, { uid }: Call): Promise<Answer | undefined> {
  args.space()
  const set = args.set()
  args.space()
  let items = readItems(args)
  const modifiers = args.trySpace() && !args.atEnd ? readModifiers(args) : {}
  args.end()
  if (modifiers.vanished && (!uid || !session.qresync || modifiers.changedSince === undefined))
    throw bad('VANISHED goes with UID FETCH, CHANGEDSINCE and ENABLE QRESYNC.')
  if (uid) items = withItem(items, 'uid')
  if (modifiers.changedSince !== undefined) items = withItem(items, 'modseq')
  if (items.some(item => item.kind === 'modseq')) session.useCondstore()
  const spans = chosen(session, set, uid, modifiers)
  const missing = await new FetchWriter(session, session.selected, items).run(spans)
  if (missing === 0) return undefined
  // A UID that is not there is passed over, and flags of what is gone matter to nobody; content is missed.
  if (!uid && items.some(item => content.has(item.kind))) throw gone()
  return { code: 'EXPUNGEISSUED', text: 'Some of the messages are gone already.' }
}

const content: ReadonlySet<FetchItem['kind']> = new Set([
  'envelope',
  'body',
  'structure',
  'section',
  'binary',
  'emailid',
  'threadid',
  'preview',
])

/** UID FETCH answers with UIDs whether they were asked for or not (RFC 3501 §6.4.8), CHANGEDSINCE with MODSEQs. */
function withItem(items: readonly FetchItem[], kind: 'uid' | 'modseq'): readonly FetchItem[] {
  return items.some(item => item.kind === kind) ? items : [{ kind }, ...items]
}

/** `(CHANGEDSINCE 12345 VANISHED PARTIAL -1:-100)`; iOS asks for what changed since 0. */
function readModifiers(args: Decoder): Modifiers {
  const modifiers: Modifiers = {}
  args.list(() => {
    const name = args.word('A modifier')
    if (name === 'CHANGEDSINCE') {
      args.space()
      modifiers.changedSince = args.number('MODSEQ', Number.MAX_SAFE_INTEGER)
    } else if (name === 'VANISHED') modifiers.vanished = true
    else if (name === 'PARTIAL') modifiers.partial = readPartialRange(args)
    else throw bad('There is no such modifier.')
  })
  return modifiers
}

/** The positions of the messages that are meant; tells of those that are gone where that was asked. */
function chosen(session: Session, set: SequenceSet, uid: boolean, modifiers: Modifiers) {
  const mailbox = session.selected
  const { changedSince: since, vanished, partial } = modifiers
  let spans = spansOfSet(session, set, uid)
  if (since !== undefined) {
    if (vanished) {
      const missing = vanishedSince(mailbox, uidsOfSet(session, set), since)
      if (missing.length > 0) session.untagged(`VANISHED (EARLIER) ${formatRanges(missing)}`)
    }
    // A MODSEQ that was never given here tells nothing: everything may have changed.
    if (since <= mailbox.highestModseq) spans = changedSince(mailbox, spans, since)
  }
  return partial ? partialSpans(spans, partial) : spans
}
