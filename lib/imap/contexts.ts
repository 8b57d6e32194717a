/**
 * Results that are kept up to date for the client (RFC 5267 §4.3): SEARCH and SORT with RETURN (UPDATE). After each
 * synchronisation only messages that came or changed are searched anew; those that went are told at once, since
 * REMOVEFROM, unlike EXPUNGE, may come at any time.
 */
import type { SearchKey, SortKey } from '../message/query.js'
import type { ImapMailbox, ImapUpdate } from './backend.js'
import type { Call } from './command.js'
import { quote } from './encode.js'
import type { FetchItem } from './fetch-item.js'
import { FetchWriter } from './fetch-writer.js'
import { bad } from './reply.js'
import type { Session } from './session.js'
import { formatSet, lowerBound, type Range, rangesOf } from './set.js'

/** Each keeps its result, which may be all of a mailbox (§6). */
const mostContexts = 8

interface Context {
  readonly tag: string
  readonly uid: boolean
  /** With UIDs in the place of sequence numbers. */
  readonly key: SearchKey
  /** Undefined for SEARCH, whose results need no positions. */
  readonly order: readonly SortKey[] | undefined
  /** What to fetch of new messages that come into the result (RFC 5465 §7). */
  readonly items: readonly FetchItem[]
  /** UIDs, in order. */
  result: readonly number[]
}

/** What a mailbox was like when results were last brought up to date. */
interface Mark {
  readonly modseq: number
  readonly lastUid: number
}

export class Contexts {
  readonly #contexts = new Map<string, Context>()
  #mark: Mark = { modseq: 0, lastUid: 0 }

  clear(): void {
    this.#contexts.clear()
  }

  /** A tag stands for one search (§4.3). @throws ImapError BAD when it stands for another already */
  check({ tag }: Call): void {
    if (this.#contexts.has(tag)) throw bad('That tag stands for another search.')
  }

  /**
   * Begins to tell of changes to a result, or says that it will not.
   *
   * @param before what {@link begin} gave before the search
   */
  add(session: Session, { tag, uid }: Call, search: Omit<Context, 'tag' | 'uid'>, before: Mark): void {
    if (this.#contexts.size >= mostContexts) {
      session.untagged(`NO [NOUPDATE ${quote(tag)}] There are too many searches to keep up to date.`)
      return
    }
    // What changed since the others were brought up to date is looked at for all of them.
    if (this.#contexts.size === 0 || before.modseq < this.#mark.modseq) this.#mark = before
    const key = withoutNumbers(search.key, session.selected.uids)
    this.#contexts.set(tag, { ...search, key, tag, uid })
  }

  /** To be called before a search whose result will be kept. */
  begin(mailbox: ImapMailbox): Mark {
    return { modseq: mailbox.highestModseq, lastUid: mailbox.uids[mailbox.uids.length - 1] ?? 0 }
  }

  /** CANCELUPDATE. @throws ImapError BAD for a tag that stands for nothing */
  cancel(tags: readonly string[]): void {
    for (const tag of tags)
      if (!this.#contexts.has(tag)) throw bad('No search that is kept up to date has that tag.')
    for (const tag of tags) this.#contexts.delete(tag)
  }

  /** Takes messages out of the results before their EXPUNGE is told, while their numbers are good (§4.3.4). */
  tellGone(session: Session, updates: readonly ImapUpdate[]): void {
    if (this.#contexts.size === 0) return
    const gone = new Map<number, number>()
    // The highest come first, so each has the number that it had before all of them.
    for (const update of updates) if (update.kind === 'expunge') gone.set(update.uid, update.seq)
    if (gone.size === 0) return
    for (const context of this.#contexts.values()) {
      const number = (uid: number) => (context.uid ? uid : (gone.get(uid) as number))
      tell(session, context, [removal(context, uid => gone.has(uid), number)])
    }
  }

  /** Finds what came into results and what left them since this was last done, and tells it. */
  async tellChanges(session: Session): Promise<void> {
    const { mailbox } = session
    if (!mailbox || this.#contexts.size === 0) return
    const now = this.begin(mailbox)
    const mark = this.#mark
    if (now.modseq === mark.modseq && now.lastUid === mark.lastUid) return
    const isChanged: SearchKey = {
      kind: 'or',
      keys: [
        { kind: 'modseq', modseq: mark.modseq + 1 },
        { kind: 'uid', set: [[mark.lastUid + 1, 0xffff_ffff]] },
      ],
    }
    const gone = mailbox.goneSince(mark.modseq)
    const changed = new Set([...(await mailbox.search(isChanged)), ...(gone ?? missing(mailbox))])
    this.#mark = now
    if (changed.size === 0) return
    for (const context of [...this.#contexts.values()])
      await bring(session, mailbox, context, isChanged, changed, mark.lastUid)
  }
}

/** UIDs of messages that the session counts and that are gone. */
function missing(mailbox: ImapMailbox): number[] {
  return Array.from(mailbox.uids).filter(uid => mailbox.modseq(uid) === undefined)
}

/**
 * Brings one result up to date.
 *
 * @param changed UIDs of messages that came, changed or went
 * @param lastUid the last UID that was there before
 */
async function bring(
  session: Session,
  mailbox: ImapMailbox,
  context: Context,
  isChanged: SearchKey,
  changed: ReadonlySet<number>,
  lastUid: number,
): Promise<void> {
  const fitting = new Set(await mailbox.search({ kind: 'and', keys: [isChanged, context.key] }))
  const number = (uid: number) => (context.uid ? uid : lowerBound(mailbox.uids, uid) + 1)
  const removed = removal(context, uid => changed.has(uid) && !fitting.has(uid), number)
  const known = new Set(context.result)
  const added = [...fitting].filter(uid => !known.has(uid))
  if (added.length === 0) return tell(session, context, [removed])
  const all = [...context.result, ...added].sort((a, b) => a - b)
  const next = context.order ? await mailbox.sort({ kind: 'uid', set: rangesOf(all) }, context.order) : all
  // Some may have gone while this was found out.
  const isThere = new Set(next)
  const lost = removal(context, uid => !isThere.has(uid), number)
  context.result = next
  if (context.items.length > 0) {
    const positions = all
      .filter(uid => uid > lastUid && isThere.has(uid))
      .map(uid => lowerBound(mailbox.uids, uid))
    const spans = rangesOf(positions).map(([first, last]): Range => [first, last + 1])
    await new FetchWriter(session, mailbox, context.items).run(spans)
  }
  tell(session, context, [removed, lost, addition(context, new Set(added), number)])
}

/** Takes messages out of a result. @returns the data item that says so, or '' */
function removal(
  context: Context,
  isGone: (uid: number) => boolean,
  number: (uid: number) => number,
): string {
  const pairs = pairsOf(context, isGone, number)
  if (pairs.length === 0) return ''
  context.result = context.result.filter(uid => !isGone(uid))
  // From the end, so that each position is good when its turn comes.
  return `REMOVEFROM (${pairs.reverse().join(' ')})`
}

function addition(context: Context, added: ReadonlySet<number>, number: (uid: number) => number): string {
  const pairs = pairsOf(context, uid => added.has(uid), number)
  return pairs.length === 0 ? '' : `ADDTO (${pairs.join(' ')})`
}

/** `1 2733`: where the chosen stand in a result, as far as they stand together; 0 for a result in mailbox order. */
function pairsOf(
  { result, order }: Context,
  isChosen: (uid: number) => boolean,
  number: (uid: number) => number,
): string[] {
  if (!order) {
    const numbers = result.filter(isChosen).map(number)
    return numbers.length === 0 ? [] : [`0 ${formatSet(numbers)}`]
  }
  const pairs: string[] = []
  for (let at = 0; at < result.length; at++) {
    const start = at
    while (at < result.length && isChosen(result[at] as number)) at++
    if (at > start) pairs.push(`${start + 1} ${formatSet(result.slice(start, at).map(number))}`)
  }
  return pairs
}

function tell(session: Session, { tag, uid }: Context, items: readonly string[]): void {
  const told = items.filter(item => item !== '')
  if (told.length > 0) session.untagged(`ESEARCH (TAG ${quote(tag)}) ${uid ? 'UID ' : ''}${told.join(' ')}`)
}

/** Sequence numbers mean the messages that had them when the command came (§4.3). */
function withoutNumbers(key: SearchKey, uids: ArrayLike<number>): SearchKey {
  switch (key.kind) {
    case 'and':
    case 'or':
      return { kind: key.kind, keys: key.keys.map(inner => withoutNumbers(inner, uids)) }
    case 'not':
      return { kind: 'not', key: withoutNumbers(key.key, uids) }
    case 'seq': {
      const named = new Set<number>()
      for (const [first, last] of key.set)
        for (let seq = first; seq <= Math.min(last, uids.length); seq++) named.add(uids[seq - 1] as number)
      return { kind: 'uid', set: rangesOf([...named].sort((a, b) => a - b)) }
    }
    default:
      return key
  }
}
