/**
 * Mail that users share with each other (RFC 4314): one user's view of all accounts, their own without a prefix and
 * the others' below `shared.USER`, each mailbox as far as its entries in dovecot-acl allow.
 */
import { existsSync, readdirSync } from 'node:fs'
import type { User } from '../auth/users.js'
import type {
  AppendOptions,
  AppendTarget,
  ImapAccount,
  ImapAcl,
  ImapAppend,
  ImapFolder,
  ImapMailbox,
  ImapQuota,
  ImapStatus,
  Metadata,
  QuotaOf,
} from '../imap/backend.js'
import { no } from '../imap/reply.js'
import type { Account } from '../mailbox/account.js'
import { changeAcl, readAcl, rightsOf } from '../mailbox/acl.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { flagsAllowed, SharedAcl } from './imap-acl.js'
import type { Events } from './imap-events.js'
import { selectMailbox } from './imap-mailbox.js'

/** Where other users' mail begins. */
export const prefix = 'shared.'

/** One user's mail, opened. */
export interface Opened {
  readonly account: Account
  readonly stored: ImapAccount
  readonly events: Events
}

/** The users of this system, as one of them sees the others. */
export interface Neighbours {
  find(name: string): User | undefined
  [Symbol.iterator](): Iterator<User>
}

export interface SharingOptions {
  readonly user: User
  readonly users: Neighbours
  readonly own: Opened
  /** Opens another user's mail. */
  open(user: User): Promise<Opened>
}

/** A mailbox by the name that its account has for it. */
export interface Place extends Opened {
  readonly owner: User
  /** Empty for what stands above an account: `shared`, `shared.bob`. */
  readonly name: string
  readonly rights: string
}

export class SharingAccount implements ImapAccount {
  readonly othersPrefix = prefix
  readonly acl: ImapAcl
  readonly #options: SharingOptions
  readonly #others = new Map<string, Opened>()

  constructor(options: SharingOptions) {
    this.#options = options
    this.acl = new SharedAcl(name => this.#place(name, ''), options.users)
  }

  async folders(): Promise<readonly ImapFolder[]> {
    const own = await this.#options.own.stored.folders()
    const subscribed = new Set(await this.subscriptions())
    const found: ImapFolder[] = []
    for (const user of this.#options.users) {
      if (user.name === this.#options.user.name || !hasShared(user)) continue
      const other = await this.#open(user)
      for (const [name, directory] of other.account.directories()) {
        const shown = `${prefix}${this.#label(user)}.${name}`
        if (!this.#rights(user, directory).includes('l')) continue
        found.push({
          name: shown,
          selectable: true,
          subscribed: subscribed.has(shown),
          specialUse: undefined,
        })
      }
    }
    return [...own, ...parentsOf(found), ...found]
  }

  subscriptions(): Promise<readonly string[]> {
    return this.#options.own.stored.subscriptions()
  }

  async subscribe(name: string): Promise<void> {
    if (!isOthers(name)) return this.#options.own.stored.subscribe(name)
    await this.#place(name, 'l')
    await this.#options.own.account.subscribe(name)
  }

  unsubscribe(name: string): Promise<void> {
    return this.#options.own.stored.unsubscribe(name)
  }

  /** What stands below a mailbox is shared as that is. */
  async create(name: string, specialUse?: string): Promise<{ readonly mailboxId: string }> {
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('.')))
    if (isOthers(name)) {
      const above = await this.#place(parent, 'k')
      const made = await above.stored.create(`${above.name}.${name.slice(parent.length + 1)}`)
      await inherit(above, `${above.name}.${name.slice(parent.length + 1)}`)
      return made
    }
    const { own } = this.#options
    const made = await own.stored.create(name, specialUse)
    if (parent !== '' && own.account.has(parent)) await inherit({ ...own, name: parent }, name)
    return made
  }

  async delete(name: string): Promise<void> {
    const place = await this.#place(name, 'x')
    await place.stored.delete(place.name)
  }

  async rename(from: string, to: string): Promise<void> {
    const { own } = this.#options
    if (!isOthers(from) && !isOthers(to)) return own.stored.rename(from, to)
    const parent = to.slice(0, Math.max(0, to.lastIndexOf('.')))
    const source = await this.#place(from, 'x')
    const above = await this.#place(parent, 'k')
    if (above.account !== source.account) throw no('CANNOT', 'A mailbox stays with whose it is.')
    await source.stored.rename(source.name, `${above.name}.${to.slice(parent.length + 1)}`)
  }

  async status(name: string): Promise<ImapStatus> {
    const place = await this.#place(name, 'r')
    return place.stored.status(place.name)
  }

  async open(name: string, { readOnly }: { readonly readOnly: boolean }): Promise<ImapMailbox> {
    const place = await this.#place(name, 'r')
    return selectMailbox(place.account, place.name, {
      readOnly: readOnly || !/[wsteia]/.test(place.rights),
      shown: name,
      rights: place.rights,
      openTarget: target => this.#target(target),
      events: place.events,
    })
  }

  /** A mailbox to copy to, and which flags messages may have there. */
  async #target(name: string): Promise<{ mailbox: Mailbox; rights: string }> {
    const place = await this.#place(name, 'i', 'TRYCREATE')
    return { mailbox: await place.account.open(place.name), rights: place.rights }
  }

  async append(name: string, options?: AppendTarget): Promise<ImapAppend> {
    const place = await this.#place(name, 'i', 'TRYCREATE')
    const append = await place.stored.append(place.name, options)
    return {
      begin: (each: AppendOptions) =>
        append.begin({ ...each, flags: each.flags.filter(flagsAllowed(place.rights)) }),
      write: chunk => append.write(chunk),
      commit: () => append.commit(),
      abort: () => append.abort(),
    }
  }

  /** Of others' mailboxes only what is not private is there. */
  async metadata(mailbox: string | undefined): Promise<Metadata> {
    if (mailbox === undefined || !isOthers(mailbox)) return this.#options.own.stored.metadata(mailbox)
    const place = await this.#place(mailbox, 'r')
    const all = await place.stored.metadata(place.name)
    return new Map([...all].filter(([name]) => name.startsWith('/shared/')))
  }

  async setMetadata(
    mailbox: string | undefined,
    changes: ReadonlyMap<string, Buffer | undefined>,
  ): Promise<void> {
    if (mailbox === undefined || !isOthers(mailbox))
      return this.#options.own.stored.setMetadata(mailbox, changes)
    const place = await this.#place(mailbox, 'w')
    if ([...changes.keys()].some(name => !name.startsWith('/shared/')))
      throw no('NOPERM', "Private notes are the owner's.")
    await place.stored.setMetadata(place.name, changes)
  }

  allMetadata(): Promise<ReadonlyMap<string, Metadata>> {
    return this.#options.own.stored.allMetadata()
  }

  mailboxIds(): Promise<ReadonlyMap<string, string>> {
    return this.#options.own.stored.mailboxIds()
  }

  async watch(names: readonly string[], heard: (name: string | undefined) => void): Promise<() => void> {
    const ends = [
      await this.#options.own.stored.watch(
        names.filter(name => !isOthers(name)),
        heard,
      ),
    ]
    for (const name of names.filter(isOthers)) {
      const place = await this.#place(name, 'r').catch(() => undefined)
      if (place) ends.push(await place.stored.watch([place.name], news => news !== undefined && heard(name)))
    }
    return () => {
      for (const end of ends) end()
    }
  }

  /**
   * The room of another user's mailbox is its owner's, and its root is called after them. Who may read there, or leave
   * something, may know it.
   */
  async quota(of: QuotaOf): Promise<ImapQuota | undefined> {
    if ('mailbox' in of) {
      if (!isOthers(of.mailbox)) return this.#options.own.stored.quota(of)
      const place = await this.#place(of.mailbox, '')
      const { owner, stored } = place.rights.includes('i') ? place : await this.#place(of.mailbox, 'r')
      return this.#named(owner, await stored.quota({ mailbox: of.mailbox }))
    }
    const colon = of.root.indexOf(':')
    const owner = colon > 0 ? this.#userOf(of.root.slice(0, colon)) : undefined
    if (!owner) return this.#options.own.stored.quota(of)
    if (!hasShared(owner)) return undefined
    const { account, stored } = await this.#open(owner)
    const isUsable = [...account.directories().values()].some(each => /[ri]/.test(this.#rights(owner, each)))
    return isUsable ? this.#named(owner, await stored.quota({ root: of.root.slice(colon + 1) })) : undefined
  }

  #named(owner: User, quota: ImapQuota | undefined): ImapQuota | undefined {
    return quota && { ...quota, root: `${this.#label(owner)}:${quota.root}` }
  }

  async close(): Promise<void> {
    for (const { stored } of this.#others.values()) await stored.close()
    await this.#options.own.stored.close()
  }

  /**
   * Finds a mailbox, and sees that it may be used.
   *
   * @param needed a right, or none
   * @throws ImapError NO [NONEXISTENT] for one that may not even be looked up, [NOPERM]
   */
  async #place(name: string, needed: string, missing = 'NONEXISTENT'): Promise<Place> {
    const { user, own } = this.#options
    const nonexistent = () => no(missing, `${name} does not exist`)
    let place: Omit<Place, 'rights'> = { ...own, owner: user, name }
    if (isOthers(name)) {
      const [label = '', ...rest] = name.slice(prefix.length).split('.')
      const owner = this.#userOf(label)
      if (!owner || rest.length === 0 || !hasShared(owner)) throw nonexistent()
      place = { ...(await this.#open(owner)), owner, name: rest.join('.') }
    }
    const directory = place.account.directories().get(place.name)
    if (directory === undefined) throw nonexistent()
    const rights = this.#rights(place.owner, directory)
    if (rights.includes(needed)) return { ...place, rights }
    throw /[la]/.test(rights) ? no('NOPERM', 'You have no right to that.') : nonexistent()
  }

  #rights(owner: User, directory: string): string {
    const { user, users } = this.#options
    const isNamed = (name: string) => users.find(name)?.name === user.name
    return rightsOf(readAcl(directory), { isOwner: owner.name === user.name, isNamed })
  }

  async #open(user: User): Promise<Opened> {
    const known = this.#others.get(user.name) ?? (await this.#options.open(user))
    this.#others.set(user.name, known)
    return known
  }

  /** The level that stands for a user: the bare name where that is enough; dots part levels, so they are slashes. */
  #label({ name, local }: User): string {
    return (this.#options.users.find(local)?.name === name ? local : name).replaceAll('.', '/')
  }

  #userOf(label: string): User | undefined {
    const user = this.#options.users.find(label.replaceAll('/', '.'))
    return user && user.name !== this.#options.user.name ? user : undefined
  }
}

function isOthers(name: string): boolean {
  return name.startsWith(prefix) || name === prefix.slice(0, -1)
}

/** Whether somebody has said of any mailbox who may use it; cheaper than to open the account. */
function hasShared({ home }: User): boolean {
  const root = `${home}/Maildir`
  const directories = [
    '',
    ...(existsSync(root) ? readdirSync(root).filter(each => each.startsWith('.')) : []),
  ]
  return directories.some(directory => existsSync(`${root}/${directory}/dovecot-acl`))
}

/** Names above mailboxes that are none. */
function parentsOf(folders: readonly ImapFolder[]): ImapFolder[] {
  const names = new Set<string>()
  for (const { name } of folders)
    for (let dot = name.indexOf('.'); dot > 0; dot = name.indexOf('.', dot + 1)) names.add(name.slice(0, dot))
  for (const { name } of folders) names.delete(name)
  return [...names].map(name => ({ name, selectable: false, subscribed: false, specialUse: undefined }))
}

async function inherit(parent: Pick<Place, 'account' | 'name'>, name: string): Promise<void> {
  const directories = parent.account.directories()
  const from = directories.get(parent.name)
  const to = directories.get(name)
  const entries = from === undefined ? undefined : readAcl(from)
  if (entries && to !== undefined) await changeAcl(to, () => entries)
}
