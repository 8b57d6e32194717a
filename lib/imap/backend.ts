/**
 * What the protocol asks of whoever keeps the mail. The interfaces go by state: a backend is asked before
 * login, an account after it, a mailbox while it is selected. All of them refuse by throwing an ImapError, whose code
 * the client reads (NONEXISTENT, ALREADYEXISTS, OVERQUOTA …); a TemporaryError becomes NO [UNAVAILABLE]. Names are
 * Unicode with "." between levels.
 */

import type { SearchKey, SortKey, ThreadAlgorithm } from '../message/query.js'
import type { Verifier } from '../wire/sasl.js'
import type { Rendered } from './render.js'
import type { Ranges } from './set.js'

export interface ImapPeer {
  readonly address: string
  /** Whether nobody can listen: TLS, loopback or a Unix socket. */
  readonly secure: boolean
  /** The id of the session, for logs. */
  readonly session: string
}

export interface ImapBackend {
  /** The SASL mechanisms that are offered where it is safe, in upper case. */
  readonly mechanisms: readonly string[]
  verifier(peer: ImapPeer): Verifier<ImapUser>
}

/** Somebody whose password was right. */
export interface ImapUser {
  readonly name: string
  open(): Promise<ImapAccount>
}

/** A mailbox as LIST shows it. */
export interface ImapFolder {
  readonly name: string
  /** False for a name that is only there since something stands below it. */
  readonly selectable: boolean
  readonly subscribed: boolean
  /** `\Sent`, `\Trash` … (RFC 6154 §2). */
  readonly specialUse: string | undefined
}

/** What STATUS may ask (RFC 3501 §6.3.10, RFC 7162 §3.1.7, RFC 9051 §6.3.11). */
export interface ImapStatus {
  readonly messages: number
  readonly recent: number
  readonly unseen: number
  readonly deleted: number
  readonly uidNext: number
  readonly uidValidity: number
  readonly highestModseq: number
  /** Given once, and kept when the mailbox is renamed (RFC 8474 §4). */
  readonly mailboxId: string
  /** Octets of all messages on the wire; counted when asked. */
  size(): Promise<number>
  /** Octets on disk that an expunge would free; counted when asked. */
  deletedStorage(): Promise<number>
}

export interface ImapAccount {
  /** All mailboxes, and the names above them that are no mailboxes themselves. */
  folders(): Promise<readonly ImapFolder[]>
  /** Names that are subscribed, whether there is such a mailbox or not. */
  subscriptions(): Promise<readonly string[]>
  subscribe(name: string): Promise<void>
  unsubscribe(name: string): Promise<void>
  /** @param specialUse as RFC 6154 §3 CREATE (USE …) asks, several with blanks between @throws ImapError NO [USEATTR] */
  create(name: string, specialUse?: string): Promise<{ readonly mailboxId: string }>
  delete(name: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  status(name: string): Promise<ImapStatus>
  open(name: string, options: { readonly readOnly: boolean }): Promise<ImapMailbox>
  /** Begins to add messages to a mailbox, which must be there (NO [TRYCREATE]). */
  append(name: string, options?: AppendTarget): Promise<ImapAppend>
  /** What is noted of a mailbox, or of the server (RFC 5464). @throws ImapError NO [NONEXISTENT] */
  metadata(mailbox: string | undefined): Promise<Metadata>
  /** Changes entries, all or none; undefined removes one. */
  setMetadata(mailbox: string | undefined, changes: ReadonlyMap<string, Buffer | undefined>): Promise<void>
  /** All that is noted, by the name of the mailbox, of the server under the empty name; the same object while nothing changes. */
  allMetadata(): Promise<ReadonlyMap<string, Metadata>>
  /** The ids of all mailboxes (RFC 8474), by name; empty for one that has none yet. */
  mailboxIds(): Promise<ReadonlyMap<string, string>>
  /**
   * Calls `heard` with the name of one of these mailboxes when something may have changed in it, and with nothing when
   * mailboxes, subscriptions or metadata may have.
   *
   * @returns ends it
   */
  watch(names: readonly string[], heard: (name: string | undefined) => void): Promise<() => void>
  /** What other users' mailboxes begin with, `shared.`; undefined where mail is not shared. */
  readonly othersPrefix?: string | undefined
  /** Who may do what; undefined where mail is not shared. */
  readonly acl?: ImapAcl | undefined
  /**
   * How much there is and may be; undefined without limits.
   *
   * @throws ImapError NO for a mailbox of another user that the client may not know or use
   */
  quota(of: QuotaOf): Promise<ImapQuota | undefined>
  close(): Promise<void>
}

/** Who may do what with mailboxes (RFC 4314). Identifiers are as clients write them: `bob`, `anyone`, `-bob`. */
export interface ImapAcl {
  /** The rights of the client itself. @throws ImapError NO [NONEXISTENT] */
  mine(mailbox: string): Promise<string>
  /** All that was said. @throws ImapError NO [NOPERM] to who does not administer the mailbox, as the others */
  entries(mailbox: string): Promise<readonly (readonly [identifier: string, rights: string])[]>
  change(mailbox: string, identifier: string, mode: StoreChange['mode'], rights: string): Promise<void>
  remove(mailbox: string, identifier: string): Promise<void>
  /** What this identifier always has, and what else it may be given. */
  grantable(mailbox: string, identifier: string): Promise<{ readonly always: string; readonly other: string }>
}

/** Values by name: `/private/comment`, in lower case. */
export type Metadata = ReadonlyMap<string, Buffer>

export interface AppendTarget {
  /** Octets of a message that goes when the new one has come: it needs no room of its own (RFC 8508). */
  readonly instead?: number | undefined
}

/** What a quota is asked for by: a mailbox, which need not be there yet, or the name of a root. */
export type QuotaOf = { readonly mailbox: string } | { readonly root: string }

/** Octets on disk, and messages (RFC 9208 §5). */
export interface ImapQuota {
  /** The name of the root. */
  readonly root: string
  readonly used: { readonly octets: number; readonly messages: number }
  readonly limits: { readonly octets?: number | undefined; readonly messages?: number | undefined }
}

export interface AppendOptions {
  readonly flags: readonly string[]
  /** INTERNALDATE in milliseconds since 1970; now when absent. */
  readonly date: number | undefined
  /** Octets as announced; undefined where nobody knows before they are there. */
  readonly size: number | undefined
}

/** Messages on their way into one mailbox: all of them arrive, or none (RFC 3502). */
export interface ImapAppend {
  begin(options: AppendOptions): Promise<void>
  /** Octets of the message that was begun last. */
  write(chunk: Uint8Array): Promise<void>
  /** Everything is on disk when this returns. @returns the new UIDs, in order */
  commit(): Promise<{ readonly uidValidity: number; readonly uids: readonly number[] }>
  /** Leaves nothing behind. */
  abort(): Promise<void>
}

/** Something that has to be told, in this order. `seq` counts as the client counts at that moment. */
export type ImapUpdate =
  | { readonly kind: 'expunge'; readonly seq: number; readonly uid: number }
  | { readonly kind: 'exists'; readonly count: number }
  | { readonly kind: 'recent'; readonly count: number }
  | { readonly kind: 'flags'; readonly seq: number; readonly uid: number }

export interface StoreChange {
  readonly mode: 'replace' | 'add' | 'remove'
  /** Flags and keywords by name; `\Recent` never. */
  readonly flags: readonly string[]
  /** Only messages that were not changed since this MODSEQ (RFC 7162 §3.1.3). */
  readonly unchangedSince?: number
}

export interface StoreResult {
  /** UIDs whose flags are now others than before. */
  readonly changed: readonly number[]
  /** UIDs that were not touched because of `unchangedSince`. */
  readonly modified: readonly number[]
  /** UIDs that are expunged already. */
  readonly expunged: readonly number[]
}

export interface CopyResult {
  readonly uidValidity: number
  /** Where each message came from and what it became, in the same order. */
  readonly from: readonly number[]
  readonly to: readonly number[]
}

/** Called now and then with how much of a long work is done. */
export type ProgressNote = (done: number, goal: number) => void

/** Threads, each message after its parent and before what answers it; siblings in their order. */
export interface ImapThreads {
  /** 0 for a message that is not there and that several answer, which stands at the top. */
  readonly uids: ArrayLike<number>
  /** Where the parent of each stands in `uids`; -1 at the top. */
  readonly parents: ArrayLike<number>
}

/**
 * A selected mailbox as one session sees it: messages that others have expunged stay, and keep their number, until
 * {@link sync} was allowed to tell so.
 */
export interface ImapMailbox {
  readonly name: string
  readonly readOnly: boolean
  readonly uidValidity: number
  readonly uidNext: number
  readonly highestModseq: number
  /** As {@link ImapStatus.mailboxId}. */
  readonly mailboxId: string
  /** Whether this session may change a flag (RFC 4314 §4); all may be where this is not there. */
  mayChange?(flag: string): boolean
  /** Whether it may remove messages; false where CLOSE leaves them (RFC 4314 §4). */
  readonly mayExpunge?: boolean
  /** Keywords in use, for FLAGS. */
  readonly keywords: readonly string[]
  /** UIDs in the order of the sequence numbers: the UID of message n stands at n - 1. */
  readonly uids: ArrayLike<number>
  /** How many messages are \Recent in this session. */
  readonly recent: number
  /** Sequence number of the first message without \Seen; 0 when there is none. */
  readonly firstUnseen: number

  /**
   * Flags and keywords of a message, without \Recent; undefined when it is gone. The same list object stands for the
   * same flags.
   */
  flags(uid: number): readonly string[] | undefined
  isRecent(uid: number): boolean
  modseq(uid: number): number | undefined
  /** Octets on the wire; undefined when they must be counted and the message is gone. */
  size(uid: number): number | undefined
  /** INTERNALDATE, in milliseconds since 1970; undefined when it must be looked up and the message is gone. */
  date(uid: number): number | undefined
  /** When the message came into this mailbox (RFC 8514), as {@link date}. */
  savedDate(uid: number): number | undefined
  /** What a message's copies share with it alone (RFC 8474 §5.1); undefined when it is gone. */
  emailId(uid: number): string | undefined
  /** The thread a message belongs to (RFC 8474 §5.2), empty for none; undefined when it is gone. */
  threadId(uid: number): string | undefined
  /**
   * The message as it is stored, with LF or CRLF.
   *
   * @returns octets that nobody changes; undefined when the message is gone
   */
  read(uid: number): Buffer | undefined
  /** The same for a short look: the octets are good until the next call, or the next await. */
  glance(uid: number): Buffer | undefined
  /** A rendered answer that was kept, as wire octets; undefined when there is none. */
  cached(uid: number, kind: string): Buffer | undefined
  /** Whether something rendered was kept, as far as is known without reading it. */
  isCached(uid: number, kind: string): boolean
  /** To be waited for before many are asked for. */
  prepareCache(): Promise<void> | undefined
  /**
   * Renders on a thread what will be asked for. Never throws.
   *
   * @returns what keeps it, as far as it could be rendered; undefined where there is no thread
   */
  renderThere(uids: readonly number[], rendered: readonly Rendered[]): Promise<() => void> | undefined
  /**
   * Renders and keeps what is asked for next.
   *
   * @param until when to stop, in milliseconds of the monotonic clock
   * @returns how many of the messages were done
   */
  renderHere(uids: readonly number[], rendered: readonly Rendered[], until: number): number
  /** Keeps a rendered answer. */
  keep(uid: number, kind: string, octets: Buffer): void

  /** Changes flags. What it changes is not told by {@link sync} again: the command does that. */
  store(uids: readonly number[], change: StoreChange): Promise<StoreResult>
  copy(uids: readonly number[], to: string): Promise<CopyResult>
  /** As {@link copy}, and the messages are gone here; {@link sync} tells. */
  move(uids: readonly number[], to: string): Promise<CopyResult>
  /** Removes messages whatever their flags. {@link sync} tells. */
  remove(uids: readonly number[]): Promise<void>
  /** Removes the messages marked \Deleted, of these UIDs or of all. {@link sync} tells. */
  expunge(uids: Ranges | undefined): Promise<void>
  /** @returns UIDs of this session's messages, ascending */
  search(key: SearchKey, progress?: ProgressNote): Promise<readonly number[]>
  /** @returns UIDs of this session's messages in this order; those that are equal by sequence number (RFC 5256 §3) */
  sort(key: SearchKey, order: readonly SortKey[], progress?: ProgressNote): Promise<readonly number[]>
  thread(key: SearchKey, algorithm: ThreadAlgorithm, progress?: ProgressNote): Promise<ImapThreads>

  /** UIDs that were expunged after a MODSEQ, ascending; undefined when that is too long ago to say. */
  goneSince(modseq: number): readonly number[] | undefined

  /** Catches up with the disk and with other sessions. @returns what the client has to be told, in order */
  sync(options: { readonly expunge: boolean }): Promise<readonly ImapUpdate[]>
  /** Calls `listener` when there may be something to {@link sync}. @returns what ends that */
  onChange(listener: () => void): () => void
  close(): Promise<void>
}
