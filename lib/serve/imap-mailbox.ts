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
import { bye } from '../imap/reply.js'
import { inRanges, type Ranges } from '../imap/set.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { MailboxGone } from '../mailbox/state.js'
import type { Transfer } from '../mailbox/transfer.js'
import type { View } from '../mailbox/view.js'
import { Flag } from '../message/flags.js'
import type { SearchKey, SortKey, ThreadAlgorithm } from '../message/query.js'
import type { Events } from './imap-events.js'
import { answering } from './imap-refusal.js'

/** Opens a mailbox to copy to. @throws ImapError NO [TRYCREATE] */
export type OpenTarget = (name: string) => Promise<Mailbox>

export class SelectedMailbox implements ImapMailbox {
  readonly #mailbox: Mailbox
  readonly #view: View
  readonly #openTarget: OpenTarget
  readonly #events: Events
  #keywords: readonly string[]

  constructor(mailbox: Mailbox, view: View, openTarget: OpenTarget, events: Events) {
    this.#events = events
    this.#mailbox = mailbox
    this.#view = view
    this.#openTarget = openTarget
    this.#keywords = keywordsOf(mailbox)
  }

  get name(): string {
    return this.#mailbox.name
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

  keep(uid: number, kind: string, octets: Buffer): void {
    this.#mailbox.keep(uid, kind, octets)
  }

  async store(uids: readonly number[], { mode, flags, unchangedSince }: StoreChange): Promise<StoreResult> {
    const since = unchangedSince === undefined ? {} : { unchangedSince }
    const work = () => this.#mailbox.store(uids, { mode, flags }, { by: this.#view, ...since })
    const { changed, modified, gone } = await this.#alive(() =>
      this.#events.marking(this.#mailbox, uids, work),
    )
    return { changed, modified, expunged: gone }
  }

  copy(uids: readonly number[], to: string): Promise<CopyResult> {
    return this.#transfer(to, target => this.#mailbox.copy(uids, target))
  }

  move(uids: readonly number[], to: string): Promise<CopyResult> {
    return this.#transfer(to, target => this.#mailbox.move(uids, target))
  }

  async #transfer(to: string, work: (target: Mailbox) => Promise<Transfer>): Promise<CopyResult> {
    const target = await this.#openTarget(to)
    try {
      const { validity, sources, targets } = await answering(() => this.#alive(() => work(target)))
      await this.#events.arrived(target, targets, this.#mailbox.name)
      return { uidValidity: validity, from: sources, to: targets }
    } finally {
      target.close()
    }
  }

  async remove(uids: readonly number[]): Promise<void> {
    await this.#alive(() => this.#mailbox.remove(uids))
  }

  async expunge(uids: Ranges | undefined): Promise<void> {
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
