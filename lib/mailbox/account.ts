/** A user's mail: the folders of one Maildir, shared by all sessions of this process that have it open. */
import { realpathSync } from 'node:fs'
import { canonicalName, type Layout, parentsOf } from '../maildir/layout.js'
import { cleanTmp, makeMaildir } from '../maildir/maildir.js'
import { Log } from '../sys/log.js'
import { Mutex } from '../sys/mutex.js'
import { Attributes } from './attributes.js'
import { Folders, MailboxError } from './folders.js'
import { readGuid } from './guid.js'
import { Mailbox } from './mailbox.js'
import { drop, release, share } from './memory.js'
import { countFolder, Quota, type QuotaLimits } from './quota.js'
import { specialUses, standardFolders, useEntry } from './special-use.js'
import { MailboxGone } from './state.js'
import { changeSubscriptions, readSubscriptions } from './subscriptions.js'

/** A mailbox as LIST shows it. */
export interface Folder {
  readonly name: string
  /** False for a name that is there only since something stands below it. */
  readonly selectable: boolean
  readonly subscribed: boolean
  /** `\Sent`, `\Trash` … (RFC 6154). */
  readonly specialUse: string | undefined
}

/** What STATUS tells. */
export interface Status {
  readonly messages: number
  readonly recent: number
  readonly unseen: number
  readonly deleted: number
  readonly uidNext: number
  readonly uidValidity: number
  readonly highestModseq: number
  readonly guid: string
}

export interface AccountOptions {
  readonly layout?: Layout
  readonly log?: Log
  /** How much mail the user may have. */
  readonly quota?: QuotaLimits
  /** Milliseconds since 1970. */
  readonly clock?: () => number
}

/** Preparations under way, by root: two first logins at once make the folders once. */
const preparing = new Map<string, Mutex>()

/** When tmp/ was last cleaned, by root, in milliseconds of the monotonic clock. */
const cleaned = new Map<string, number>()
const cleanEvery = 3_600_000

/** One opened account; close() it when the session ends. */
export class Account {
  readonly root: string
  readonly #folders: Folders
  readonly #log: Log
  /** How much there is and may be. */
  readonly quota: Quota
  readonly #clock: () => number
  readonly #open = new Set<Mailbox>()
  /** What clients note of mailboxes. */
  readonly attributes: Attributes

  private constructor(root: string, options: AccountOptions) {
    this.root = root
    this.#folders = new Folders(root, options.layout ?? 'mutf7')
    this.#log = options.log ?? new Log()
    this.#clock = options.clock ?? Date.now
    this.attributes = new Attributes(root)
    this.quota = new Quota(root, options.quota ?? {})
  }

  /**
   * Opens a Maildir. One that is not there is made, with the folders Drafts, Sent, Junk, Trash and Archive, all
   * subscribed; one that is there gets those it lacks.
   *
   * @param root the Maildir (HOME/Maildir)
   */
  static async open(root: string, options: AccountOptions = {}): Promise<Account> {
    await makeMaildir(root)
    const account = new Account(realpathSync(root), options)
    const mutex = preparing.get(account.root) ?? new Mutex()
    preparing.set(account.root, mutex)
    await mutex.run(() => account.#prepare())
    return account
  }

  async #prepare(): Promise<void> {
    const names = Object.keys(standardFolders)
    const missing = names.filter(name => !this.#folders.find(name))
    for (const name of missing) await this.#folders.create(name)
    const isFresh = missing.length === names.length
    const add = isFresh ? ['INBOX', ...names] : missing
    if (add.length > 0) await changeSubscriptions(this.root, { add })
    await this.#clean()
  }

  /** What dead processes left in tmp/ of the mailboxes goes; once an hour for each Maildir is enough. */
  async #clean(): Promise<void> {
    const now = performance.now()
    if (now - (cleaned.get(this.root) ?? Number.NEGATIVE_INFINITY) < cleanEvery) return
    cleaned.set(this.root, now)
    for (const directory of this.#folders.list().values())
      await cleanTmp(directory === '' ? this.root : `${this.root}/${directory}`, this.#clock())
  }

  /** All mailboxes, and the names above them that are none, sorted; INBOX first. */
  list(): Folder[] {
    const subscribed = new Set(readSubscriptions(this.root))
    const selectable = this.#folders.list()
    const uses = this.#specialUses(selectable)
    const names = new Set(selectable.keys())
    for (const name of selectable.keys()) for (const parent of parentsOf(name)) names.add(parent)
    return [...names].sort(inboxFirst).map(name => ({
      name,
      selectable: selectable.has(name),
      subscribed: subscribed.has(name),
      specialUse: uses.get(name),
    }))
  }

  /** The directories of all mailboxes, by name. */
  directories(): ReadonlyMap<string, string> {
    return this.#paths(this.#folders.list())
  }

  #paths(entries: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const path = (entry: string) => (entry === '' ? this.root : `${this.root}/${entry}`)
    return new Map([...entries].map(([name, entry]) => [name, path(entry)]))
  }

  #specialUses(entries: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    return specialUses(this.#paths(entries), this.attributes)
  }

  /** The GUIDs of all mailboxes, by name; empty for one that has none yet. */
  guids(): ReadonlyMap<string, string> {
    return new Map([...this.directories()].map(([name, directory]) => [name, readGuid(directory) ?? '']))
  }

  /** What a mailbox is for (RFC 6154), one use or several with blanks between; undefined for none. */
  specialUse(name: string): string | undefined {
    return this.#specialUses(this.#folders.list()).get(name)
  }

  /** The GUID of a mailbox: its MAILBOXID, and what its attributes are kept by. @throws MailboxError nonexistent */
  async guidOf(name: string): Promise<string> {
    const directory = this.#folders.find(canonicalName(name))
    const known = directory === undefined ? undefined : readGuid(directory)
    return known ?? (await this.status(name)).guid
  }

  /** Names that are subscribed, whether they are there or not. */
  subscriptions(): string[] {
    return readSubscriptions(this.root)
  }

  subscribe(name: string): Promise<void> {
    return changeSubscriptions(this.root, { add: [name] })
  }

  unsubscribe(name: string): Promise<void> {
    return changeSubscriptions(this.root, { remove: [name] })
  }

  /** Whether there is such a mailbox. */
  has(name: string): boolean {
    return this.#folders.find(canonicalName(name)) !== undefined
  }

  /** @throws MailboxError alreadyExists; BadName */
  async create(name: string): Promise<void> {
    await this.#folders.create(canonicalName(name))
  }

  /** @throws MailboxError nonexistent, hasChildren, or cannot for INBOX */
  async delete(name: string): Promise<void> {
    if (canonicalName(name) === 'INBOX') throw new MailboxError('cannot', 'INBOX cannot be deleted')
    const directory = this.#folders.find(name)
    const freed = this.quota.isKept && directory !== undefined ? countFolder(directory) : undefined
    const guid = directory === undefined ? undefined : readGuid(directory)
    await this.#folders.delete(name, () => {
      if (directory !== undefined) drop(directory)
    })
    if (freed) await this.quota.add({ octets: -freed.octets, messages: -freed.messages })
    if (guid !== undefined) await this.attributes.forget(guid)
  }

  /**
   * Renames a mailbox and those below it. Renaming INBOX moves its messages into the new mailbox and leaves it empty
   * (RFC 3501 §6.3.5).
   *
   * @throws MailboxError, BadName
   */
  async rename(from: string, to: string): Promise<void> {
    if (canonicalName(to) === 'INBOX') throw new MailboxError('alreadyExists', 'INBOX exists already')
    if (canonicalName(from) === 'INBOX') return this.#renameInbox(to)
    const before = new Map([from, ...this.#folders.below(from)].map(name => [name, this.#folders.find(name)]))
    await this.#folders.rename(from, to)
    for (const directory of before.values()) if (directory !== undefined) drop(directory)
  }

  async #renameInbox(to: string): Promise<void> {
    await this.create(to)
    const [source, target] = [await this.open('INBOX'), await this.open(to)]
    try {
      await source.refresh()
      await source.move(source.uids.slice(), target)
      await this.#copyNotes(source.guid, target.guid)
    } finally {
      source.close()
      target.close()
    }
  }

  /** What is noted of INBOX goes along when it is renamed, and stays (RFC 5464 §4.1); its use and the server's do not. */
  async #copyNotes(from: string, to: string): Promise<void> {
    const notes = [...this.attributes.of(from)].filter(
      ([name]) => name !== useEntry && !name.includes('/vendor/vendor.dovecot/'),
    )
    if (notes.length > 0) await this.attributes.change(to, new Map(notes))
  }

  /**
   * Opens a mailbox; close() it. What it knows is as old as its last refresh().
   *
   * @throws MailboxError nonexistent
   */
  async open(name: string): Promise<Mailbox> {
    try {
      return await this.#openNow(name)
    } catch (error) {
      // Deleted by another program since we had it open; it may have made one of that name again.
      if (!(error instanceof MailboxGone)) throw error
      return this.#openNow(name)
    }
  }

  async #openNow(name: string): Promise<Mailbox> {
    const canonical = canonicalName(name)
    const directory = this.#folders.find(canonical)
    if (directory === undefined) throw new MailboxError('nonexistent', `${name} does not exist`)
    const options = { name: canonical, root: this.root, directory, log: this.#log, clock: this.#clock }
    const state = share(options)
    const mailbox = new Mailbox(
      state,
      () => {
        this.#open.delete(mailbox)
        release(state)
      },
      this.quota,
    )
    this.#open.add(mailbox)
    try {
      await mailbox.refresh()
    } catch (error) {
      mailbox.close()
      throw error
    }
    return mailbox
  }

  /** @throws MailboxError nonexistent */
  async status(name: string): Promise<Status> {
    const mailbox = await this.open(name)
    try {
      return {
        messages: mailbox.count,
        recent: mailbox.recentCount,
        unseen: mailbox.unseenCount,
        deleted: mailbox.deletedCount,
        uidNext: mailbox.uidNext,
        uidValidity: mailbox.uidValidity,
        highestModseq: mailbox.highestModseq,
        guid: mailbox.guid,
      }
    } finally {
      mailbox.close()
    }
  }

  /** Closes what is still open. */
  async close(): Promise<void> {
    for (const mailbox of [...this.#open]) mailbox.close()
  }
}

function inboxFirst(a: string, b: string): number {
  if (a === 'INBOX' || b === 'INBOX') return a === b ? 0 : a === 'INBOX' ? -1 : 1
  return a < b ? -1 : 1
}
