/** The mail behind an IMAP session: logins and mailboxes in the form that lib/imap asks for. */
import type { Logins } from '../auth/login.js'
import type { User } from '../auth/users.js'
import type {
  AppendOptions,
  AppendTarget,
  ImapAccount,
  ImapAppend,
  ImapBackend,
  ImapFolder,
  ImapMailbox,
  ImapPeer,
  ImapQuota,
  ImapStatus,
  ImapUser,
  Metadata,
  QuotaOf,
} from '../imap/backend.js'
import { no } from '../imap/reply.js'
import { Account } from '../mailbox/account.js'
import { MailboxError } from '../mailbox/folders.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { limitsOf, type QuotaLimits } from '../mailbox/quota.js'
import { parseUses, useEntry } from '../mailbox/special-use.js'
import { MailboxGone } from '../mailbox/state.js'
import type { Appending } from '../mailbox/transfer.js'
import type { Delivery } from '../maildir/maildir.js'
import type { Log } from '../sys/log.js'
import { type Attempt, mechanisms, type Verifier } from '../wire/sasl.js'
import { type EventListener, Events } from './imap-events.js'
import { selectMailbox } from './imap-mailbox.js'
import { readAllMetadata, readMetadata, writeMetadata } from './imap-metadata.js'
import { answering } from './imap-refusal.js'
import { type Neighbours, type Opened, SharingAccount } from './imap-sharing.js'
import { watchAccount } from './imap-watch.js'

export interface ImapServiceOptions {
  readonly logins: Logins
  /** Names of SASL mechanisms, as configured. */
  readonly mechanisms: readonly string[]
  /** How much mail a user may have of whom the users file says nothing else. */
  readonly quota?: QuotaLimits
  /** Makes who is told of what a user's clients do with messages. */
  readonly events?: ((user: User) => EventListener | undefined) | undefined
  /** All users, where they may share mail with each other. */
  readonly neighbours?: Neighbours | undefined
  readonly log: Log
}

/** Makes the backend of one session. */
export function imapBackend({
  logins,
  mechanisms: names,
  quota,
  events,
  neighbours,
  log,
}: ImapServiceOptions): ImapBackend {
  const openMail = async (user: User, listener: EventListener | undefined): Promise<Opened> => {
    const limits = limitsOf(user.extra.get('userdb_quota_rule'), quota ?? {})
    const account = await Account.open(`${user.home}/Maildir`, { quota: limits, log })
    const told = new Events(account, listener)
    return { account, stored: new StoredAccount(account, told), events: told }
  }
  const verifier = (peer: ImapPeer): Verifier<ImapUser> => {
    const own = logins.verifier({ protocol: 'imap', ...peer })
    const { bearer } = own
    const enter = (user: User): ImapUser => ({
      name: user.name,
      open: async () => {
        const own = await openMail(user, events?.(user))
        if (!neighbours) return own.stored
        const open = (other: User) => openMail(other, undefined)
        return new SharingAccount({ user, users: neighbours, own, open })
      },
    })
    const proven = <K>(attempt: Attempt<K, User>): Attempt<K, ImapUser> => ({
      keys: attempt.keys,
      accept: async () => enter(await attempt.accept()),
      refuse: () => attempt.refuse(),
    })
    return {
      password: async (user, password) => enter(await own.password(user, password)),
      scram: async user => proven(await own.scram(user)),
      cram: async user => proven(await own.cram(user)),
      bearer: bearer && (async (user, token) => enter(await bearer(user, token))),
    }
  }
  const nobody = { address: '', secure: true, session: '' }
  return { mechanisms: mechanisms(names, verifier(nobody)), verifier }
}

/** A mailbox that messages shall go to; that it is not there is said with TRYCREATE (RFC 3501 §7.1). */
async function openTarget(account: Account, name: string): Promise<Mailbox> {
  return answering(async () => {
    try {
      return await account.open(name)
    } catch (error) {
      const isMissing = error instanceof MailboxError && error.trouble === 'nonexistent'
      if (isMissing || error instanceof MailboxGone) throw no('TRYCREATE', error.message, { cause: error })
      throw error
    }
  })
}

/** The name of an account's only quota root, as Dovecot's usual configuration calls it. */
const quotaRoot = 'User quota'

class StoredAccount implements ImapAccount {
  readonly #account: Account
  readonly #events: Events
  /** What {@link allMetadata} made, and of what. */
  #noted: { readonly from: object; readonly all: ReadonlyMap<string, Metadata> } | undefined

  constructor(account: Account, events: Events) {
    this.#account = account
    this.#events = events
  }

  async folders(): Promise<readonly ImapFolder[]> {
    return this.#account.list()
  }

  async subscriptions(): Promise<readonly string[]> {
    return this.#account.subscriptions()
  }

  /** Clients subscribe what they can open; other names would only come back as ghosts. */
  async subscribe(name: string): Promise<void> {
    await answering(() => {
      if (!this.#account.has(name)) throw new MailboxError('nonexistent', `${name} does not exist`)
      return this.#account.subscribe(name)
    })
  }

  async unsubscribe(name: string): Promise<void> {
    await answering(() => this.#account.unsubscribe(name))
  }

  create(name: string, specialUse?: string): Promise<{ mailboxId: string }> {
    const uses = specialUse === undefined ? undefined : parseUses(specialUse)
    if (specialUse !== undefined && uses === undefined)
      throw no('USEATTR', 'There is no such special use here.')
    return answering(async () => {
      await this.#account.create(name)
      if (uses !== undefined) await this.#use(name, uses)
      return { mailboxId: (await this.#account.status(name)).guid }
    })
  }

  /** A mailbox that cannot have its use is not to be there (RFC 6154 §3). */
  async #use(name: string, uses: string): Promise<void> {
    try {
      await writeMetadata(this.#account, name, new Map([[useEntry, Buffer.from(uses)]]))
    } catch (error) {
      await this.#account.delete(name)
      throw error
    }
  }

  metadata(mailbox: string | undefined): Promise<Metadata> {
    return answering(() => readMetadata(this.#account, mailbox))
  }

  async allMetadata(): Promise<ReadonlyMap<string, Metadata>> {
    const noted = this.#account.attributes.all()
    if (this.#noted?.from !== noted) this.#noted = { from: noted, all: readAllMetadata(this.#account) }
    return this.#noted.all
  }

  async mailboxIds(): Promise<ReadonlyMap<string, string>> {
    return this.#account.guids()
  }

  watch(names: readonly string[], heard: (name: string | undefined) => void): Promise<() => void> {
    return watchAccount(this.#account, names, heard)
  }

  setMetadata(mailbox: string | undefined, changes: ReadonlyMap<string, Buffer | undefined>): Promise<void> {
    return answering(() => writeMetadata(this.#account, mailbox, changes))
  }

  delete(name: string): Promise<void> {
    return answering(() => this.#account.delete(name))
  }

  rename(from: string, to: string): Promise<void> {
    return answering(() => this.#account.rename(from, to))
  }

  async status(name: string): Promise<ImapStatus> {
    const status = await answering(() => this.#account.status(name))
    return {
      ...status,
      mailboxId: status.guid,
      size: () => this.#asking(name, mailbox => mailbox.totalSize()),
      deletedStorage: () => this.#asking(name, mailbox => mailbox.deletedStorage()),
    }
  }

  async #asking(name: string, ask: (mailbox: Mailbox) => Promise<number>): Promise<number> {
    const mailbox = await answering(() => this.#account.open(name))
    try {
      return await ask(mailbox)
    } finally {
      mailbox.close()
    }
  }

  async open(name: string, { readOnly }: { readonly readOnly: boolean }): Promise<ImapMailbox> {
    return selectMailbox(this.#account, name, {
      readOnly,
      openTarget: async target => ({ mailbox: await openTarget(this.#account, target) }),
      events: this.#events,
    })
  }

  async append(name: string, { instead }: AppendTarget = {}): Promise<ImapAppend> {
    return new StoredAppend(await openTarget(this.#account, name), instead, this.#events)
  }

  async quota(of: QuotaOf): Promise<ImapQuota | undefined> {
    const { quota } = this.#account
    if (!quota.isLimited || ('root' in of && of.root !== quotaRoot)) return undefined
    return { root: quotaRoot, used: quota.usage(), limits: quota.limits }
  }

  close(): Promise<void> {
    return this.#account.close()
  }
}

/** So many messages are brought to the disk at once while more are received: each has a file open. */
const mostSyncing = 16

/** Messages in tmp/ until all of them are there. */
class StoredAppend implements ImapAppend {
  readonly #mailbox: Mailbox
  readonly #instead: number | undefined
  readonly #messages: Appending[] = []
  readonly #events: Events
  #current: Delivery | undefined
  readonly #syncing: Promise<void>[] = []

  constructor(mailbox: Mailbox, instead: number | undefined, events: Events) {
    this.#mailbox = mailbox
    this.#instead = instead
    this.#events = events
  }

  async begin({ flags, date, size }: AppendOptions): Promise<void> {
    // Half of the octets are stored at least, if every second one is a CR: who has no room for them need not send them.
    const least = Math.ceil((size ?? 0) / 2) - (this.#instead ?? 0)
    await answering(() => this.#mailbox.requireRoom(least, this.#instead === undefined ? 1 : 0))
    await this.#bringOut()
    const delivery = await this.#mailbox.begin()
    this.#current = delivery
    this.#messages.push({ delivery, flags, ...(date === undefined ? {} : { date }) })
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#current?.write(chunk)
  }

  /** One message goes to the disk while the next is received (RFC 3502). */
  async #bringOut(): Promise<void> {
    const last = this.#messages.at(-1)
    if (!last) return
    const synced = last.delivery.sync(last.date)
    // Waited for below, or before all of them are placed.
    synced.catch(() => {})
    this.#syncing.push(synced)
    if (this.#syncing.length > mostSyncing) await this.#syncing.shift()
  }

  async commit(): Promise<{ uidValidity: number; uids: readonly number[] }> {
    await Promise.all(this.#syncing)
    const uids = await answering(() => this.#mailbox.append(this.#messages, this.#instead))
    const { uidValidity } = this.#mailbox
    await this.#events.arrived(this.#mailbox, uids)
    this.#mailbox.close()
    return { uidValidity, uids }
  }

  async abort(): Promise<void> {
    for (const { delivery } of this.#messages) await delivery.abort()
    this.#mailbox.close()
  }
}
