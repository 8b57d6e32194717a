/** A selected mailbox: one session's View of a Mailbox that others share. */
import type {
  CopyResult,
  ImapMailbox,
  ImapThreads,
  ImapUpdate,
  ProgressNote,
  StoreChange,
  StoreResult,
} from '../imap/backend.js'
import type { Rendered } from '../imap/render.js'
import { bye, no } from '../imap/reply.js'
import { inRanges, type Ranges } from '../imap/set.js'
import type { Account } from '../mailbox/account.js'
import { allRights } from '../mailbox/acl.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { MailboxGone } from '../mailbox/state.js'
import type { Transfer } from '../mailbox/transfer.js'
import type { View } from '../mailbox/view.js'
import { Flag } from '../message/flags.js'
import type { SearchKey, SortKey, ThreadAlgorithm } from '../message/query.js'
import { flagsAllowed } from './imap-acl.js'
import type { Events } from './imap-events.js'
import { answering } from './imap-refusal.js'
import { hasThread, renderHere, renderThere } from './render-ahead.js'

/** Opens a mailbox to copy to, and tells the rights there where not all are given. @throws ImapError NO [TRYCREATE] */
export type OpenTarget = (name: string) => Promise<{ readonly mailbox: Mailbox; readonly rights?: string }>

export interface SelectOptions {
  readonly readOnly: boolean
  readonly openTarget: OpenTarget
  readonly events: Events
  /** The name that the client knows it by, where that is another. */
  readonly shown?: string
  /** What the client may do with it (RFC 4314 §4), where that is not all. */
  readonly rights?: string
}

/** Opens a mailbox for one session. @throws ImapError NO [NONEXISTENT] */
export async function selectMailbox(
  account: Account,
  name: string,
  options: SelectOptions,
): Promise<SelectedMailbox> {
  const mailbox = await answering(() => account.open(name))
  try {
    return new SelectedMailbox(mailbox, await mailbox.select({ readOnly: options.readOnly }), options)
  } catch (error) {
    mailbox.close()
    throw error
  }
}

export class SelectedMailbox implements ImapMailbox {
  readonly #mailbox: Mailbox
  readonly #view: View
  readonly #openTarget: OpenTarget
  readonly #events: Events
  readonly name: string
  readonly #rights: string
  #keywords: readonly string[]

  constructor(mailbox: Mailbox, view: View, options: SelectOptions) {
    this.#events = options.events
    this.#mailbox = mailbox
    this.#view = view
    this.#openTarget = options.openTarget
    this.#keywords = keywordsOf(mailbox)
    this.name = options.shown ?? mailbox.name
    this.#rights = options.rights ?? allRights
  }

  get mayExpunge(): boolean {
    return this.#rights.includes('e')
  }

  mayChange(flag: string): boolean {
    return flagsAllowed(this.#rights)(flag)
  }

  get readOnly(): boolean {
    return this.#view.readOnly
  }

  get uidValidity(): number {
    return this.#mailbox.uidValidity
  }

  get uidNext(): number {
    return this.#mailbox.uidNext
  }

  get highestModseq(): number {
    return this.#mailbox.highestModseq
  }

  get mailboxId(): string {
    return this.#mailbox.guid
  }

  get keywords(): readonly string[] {
    if (this.#view.takeKeywordNews()) this.#keywords = keywordsOf(this.#mailbox)
    return this.#keywords
  }

  get uids(): ArrayLike<number> {
    return this.#view.uids
  }

  get recent(): number {
    return this.#view.recentCount
  }

  get firstUnseen(): number {
    const { uids } = this.#view
    for (let at = 0; at < uids.length; at++) {
      const mask = this.#mailbox.mask(uids[at] as number)
      if (mask !== undefined && (mask & Flag.seen) === 0) return at + 1
    }
    return 0
  }

  flags(uid: number): readonly string[] | undefined {
    return this.#mailbox.message(uid)?.flags
  }

  isRecent(uid: number): boolean {
    return this.#view.isRecent(uid)
  }

  modseq(uid: number): number | undefined {
    return this.#mailbox.message(uid)?.modseq
  }

  size(uid: number): number | undefined {
    return this.#mailbox.size(uid)
  }

  date(uid: number): number | undefined {
    return this.#mailbox.date(uid)
  }

  savedDate(uid: number): number | undefined {
    return this.#mailbox.savedDate(uid)
  }

  emailId(uid: number): string | undefined {
    return this.#mailbox.emailId(uid)
  }

  threadId(uid: number): string | undefined {
    return this.#mailbox.threadId(uid)
  }

  read(uid: number): Buffer | undefined {
    return this.#mailbox.read(uid)
  }

  glance(uid: number): Buffer | undefined {
    return this.#mailbox.glance(uid)
  }

  cached(uid: number, kind: string): Buffer | undefined {
    return this.#mailbox.cached(uid, kind)
  }

  isCached(uid: number, kind: string): boolean {
    return this.#mailbox.isCached(uid, kind)
  }

  prepareCache(): Promise<void> | undefined {
    return this.#mailbox.prepareCache()
  }

  renderThere(uids: readonly number[], rendered: readonly Rendered[]): Promise<() => void> | undefined {
    return hasThread ? renderThere(this.#mailbox, uids, rendered) : undefined
  }

  renderHere(uids: readonly number[], rendered: readonly Rendered[], until: number): number {
    return renderHere(this.#mailbox, uids, rendered, until)
  }

  keep(uid: number, kind: string, octets: Buffer): void {
    this.#mailbox.keep(uid, kind, octets)
  }

  async store(uids: readonly number[], { mode, flags, unchangedSince }: StoreChange): Promise<StoreResult> {
    const since = unchangedSince === undefined ? {} : { unchangedSince }
    const change = this.#allowed(mode, flags)
    const work = () => this.#mailbox.store(uids, change, { by: this.#view, ...since })
    const { changed, modified, gone } = await this.#alive(() =>
      this.#events.marking(this.#mailbox, uids, work),
    )
    return { changed, modified, expunged: gone }
  }

  /** RFC 4314 §4: what may not be changed is passed over, and where that is all of it, the command refused. */
  #allowed(mode: StoreChange['mode'], flags: readonly string[]): Pick<StoreChange, 'mode' | 'flags'> {
    if (this.#rights === allRights) return { mode, flags }
    const may = flagsAllowed(this.#rights)
    const allowed = flags.filter(may)
    // To replace flags is to change all of them, which takes all of these rights.
    const isRefused = mode === 'replace' ? !/(?=.*w)(?=.*s)(?=.*t)/.test(this.#rights) : allowed.length === 0
    if (isRefused && flags.length + Number(mode === 'replace') > 0)
      throw no('NOPERM', 'You may not change these flags.')
    return { mode, flags: allowed }
  }

  #require(...rights: string[]): void {
    if (rights.some(right => !this.#rights.includes(right)))
      throw no('NOPERM', 'You may not remove messages here.')
  }

  copy(uids: readonly number[], to: string): Promise<CopyResult> {
    return this.#transfer(to, target => this.#mailbox.copy(uids, target))
  }

  async move(uids: readonly number[], to: string): Promise<CopyResult> {
    this.#require('t', 'e')
    return this.#transfer(to, target => this.#mailbox.move(uids, target))
  }

  async #transfer(to: string, work: (target: Mailbox) => Promise<Transfer>): Promise<CopyResult> {
    const { mailbox: target, rights = allRights } = await this.#openTarget(to)
    try {
      const { validity, sources, targets } = await answering(() =>
        this.#alive(() => this.#reaching(target, work)),
      )
      if (rights !== allRights) {
        const flags = target.flags.filter(flag => !flagsAllowed(rights)(flag))
        await target.store(targets, { mode: 'remove', flags })
      }
      await this.#events.arrived(target, targets, this.#mailbox.name)
      return { uidValidity: validity, from: sources, to: targets }
    } finally {
      target.close()
    }
  }

  /** A target that was deleted meanwhile is no reason to leave the session (RFC 3501 §6.4.7). */
  async #reaching(target: Mailbox, work: (target: Mailbox) => Promise<Transfer>): Promise<Transfer> {
    try {
      return await work(target)
    } catch (error) {
      if (error instanceof MailboxGone && target.isGone && !this.#mailbox.isGone)
        throw no('TRYCREATE', error.message, { cause: error })
      throw error
    }
  }

  async remove(uids: readonly number[]): Promise<void> {
    this.#require('t', 'e')
    await this.#alive(() => this.#mailbox.remove(uids))
  }

  async expunge(uids: Ranges | undefined): Promise<void> {
    this.#require('e')
    const all = [...this.#view.uids]
    await this.#alive(() => this.#mailbox.expunge(uids ? all.filter(uid => inRanges(uids, uid)) : all))
  }

  search(key: SearchKey, progress?: ProgressNote): Promise<readonly number[]> {
    return this.#mailbox.search(key, this.#view, progress)
  }

  sort(key: SearchKey, order: readonly SortKey[], progress?: ProgressNote): Promise<readonly number[]> {
    return this.#mailbox.sort(key, order, this.#view, progress)
  }

  thread(key: SearchKey, algorithm: ThreadAlgorithm, progress?: ProgressNote): Promise<ImapThreads> {
    return this.#mailbox.thread(key, algorithm, this.#view, progress)
  }

  async sync(options: { readonly expunge: boolean }): Promise<readonly ImapUpdate[]> {
    return this.#alive(async () => {
      await this.#mailbox.refresh()
      return this.#view.sync(options)
    })
  }

  goneSince(modseq: number): readonly number[] | undefined {
    return this.#mailbox.goneSince(modseq)
  }

  onChange(listener: () => void): () => void {
    return this.#mailbox.onChange(listener)
  }

  async close(): Promise<void> {
    this.#view.close()
    this.#mailbox.close()
  }

  /** A session whose mailbox is gone has numbers that mean nothing: it must begin anew (RFC 2180 §3.3). */
  async #alive<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof MailboxGone) throw bye('UNAVAILABLE', `${error.message}.`)
      throw error
    }
  }
}

function keywordsOf(mailbox: Mailbox): string[] {
  return mailbox.flags.filter(flag => !flag.startsWith('\\'))
}
