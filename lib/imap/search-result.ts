/** What is told of a search: all of it, or what RETURN asks for (RFC 4731, RFC 5182, RFC 7162 §3.1.5, RFC 9394). */
import type { Call } from './command.js'
import type { Decoder } from './decode.js'
import { quote } from './encode.js'
import { type FetchItem, readItemList } from './fetch-item.js'
import { type PartialRange, partialOf, readPartialRange } from './partial.js'
import { bad } from './reply.js'
import type { Session } from './session.js'
import { formatSet } from './set.js'

/** RETURN (…), decoded. */
export interface Wanted {
  readonly min: boolean
  readonly max: boolean
  readonly all: boolean
  readonly count: boolean
  readonly save: boolean
  readonly partial: PartialRange | undefined
  /** Whether changes of the result are to be told from now on (RFC 5267 §4.3). */
  readonly update: boolean
  /** What to fetch of new messages that come into the result (RFC 5465 §7). */
  readonly items: readonly FetchItem[]
}

/** What IMAP4rev2 tells of a search that does not say what it wants (RFC 9051 §6.4.4). */
export const allOfIt: Wanted = {
  min: false,
  max: false,
  all: true,
  count: false,
  save: false,
  partial: undefined,
  update: false,
  items: [],
}

export interface Found {
  /** In the order of the answer; ascending, unless they were sorted. */
  readonly uids: readonly number[]
  /** The same messages as the command calls them. */
  readonly numbers: readonly number[]
  /** Undefined for the answer as RFC 3501 has it. */
  readonly wanted: Wanted | undefined
  readonly asksModseq: boolean
  /** What the old answer is called; SEARCH unless given. */
  readonly verb?: 'SEARCH' | 'SORT'
}

const options = new Set(['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE', 'PARTIAL', 'UPDATE', 'CONTEXT'])

/**
 * `RETURN (MIN COUNT) `, where it stands. `RETURN ()` is ALL (RFC 4731 §3.1); CONTEXT is a hint and nothing else
 * (RFC 5267 §4.2).
 */
export function readReturn(args: Decoder): Wanted | undefined {
  if (!args.tryWord('RETURN')) return undefined
  args.space()
  let partial: PartialRange | undefined
  let items: readonly FetchItem[] = []
  const asked = args.list(() => {
    const option = args.word('A return option')
    if (!options.has(option)) throw bad('There is no such return option.')
    if (option === 'PARTIAL') partial = readPartialRange(args)
    if (option === 'UPDATE' && /^ ?\(/.test(args.rest)) {
      args.trySpace()
      items = readItemList(args)
    }
    return option
  })
  args.space()
  const isPlain = asked.every(option => option === 'CONTEXT')
  if (partial && asked.includes('ALL')) throw bad('Ask for ALL or for PARTIAL.')
  return {
    min: asked.includes('MIN'),
    max: asked.includes('MAX'),
    all: asked.includes('ALL') || isPlain,
    count: asked.includes('COUNT'),
    save: asked.includes('SAVE'),
    partial,
    update: asked.includes('UPDATE'),
    items,
  }
}

/** Writes the answer, and saves the result where that was asked. */
export function tellResult(session: Session, { tag, uid }: Call, found: Found): void {
  const { uids, numbers, wanted, asksModseq, verb = 'SEARCH' } = found
  if (!wanted) {
    const modseq = asksModseq && uids.length > 0 ? ` (MODSEQ ${highest(session, uids)})` : ''
    session.untagged(`${verb}${numbers.length > 0 ? ` ${numbers.join(' ')}` : ''}${modseq}`)
    return
  }
  const told = chosen(wanted, uids)
  if (wanted.save) session.saved = [...told].sort((a, b) => a - b)
  const parts = partsOf(wanted, numbers)
  if (parts.length === 0 && wanted.save && !wanted.all && !wanted.min && !wanted.max) return
  if (asksModseq && told.length > 0) parts.push(`MODSEQ ${highest(session, told)}`)
  session.untagged(['ESEARCH', `(TAG ${quote(tag)})`, ...(uid ? ['UID'] : []), ...parts].join(' '))
}

function partsOf(wanted: Wanted, numbers: readonly number[]): string[] {
  const parts: string[] = []
  const some = numbers.length > 0
  if (wanted.min && some) parts.push(`MIN ${numbers[0]}`)
  if (wanted.max && some) parts.push(`MAX ${numbers[numbers.length - 1]}`)
  if (wanted.count) parts.push(`COUNT ${numbers.length}`)
  if (wanted.all && some) parts.push(`ALL ${formatSet(numbers)}`)
  if (wanted.partial) {
    const page = numbers.slice(...partialOf(numbers.length, wanted.partial))
    parts.push(`PARTIAL (${wanted.partial.text} ${page.length > 0 ? formatSet(page) : 'NIL'})`)
  }
  return parts
}

/** What of the result counts for SAVE and for MODSEQ: only the ends, where only they were asked for (RFC 5182 §2.1). */
function chosen({ min, max, all, count, partial }: Wanted, uids: readonly number[]): readonly number[] {
  if (partial && !all && !count) return uids.slice(...partialOf(uids.length, partial))
  if (all || count || (!min && !max)) return uids
  const ends = [...(min ? uids.slice(0, 1) : []), ...(max ? uids.slice(-1) : [])]
  return [...new Set(ends)]
}

function highest(session: Session, uids: readonly number[]): number {
  let found = 0
  for (const uid of uids) found = Math.max(found, session.selected.modseq(uid) ?? 0)
  return found
}
