/** The folders of a Maildir on disk: listing, making, renaming, removing. Names are those of maildir/layout.ts. */
import { lstatSync, readdirSync, realpathSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { directoryOf, folderOf, type Layout, parentsOf, separator } from '../maildir/layout.js'
import { makeMaildir } from '../maildir/maildir.js'
import { syncDirectory } from '../sys/atomic.js'
import { errorCode, MailError } from '../sys/error.js'

/** What a mailbox that one asks for is not. */
export type Trouble = 'nonexistent' | 'alreadyExists' | 'hasChildren' | 'cannot' | 'overQuota'

/** A request about mailboxes that cannot be met; its message may be shown to the client. */
export class MailboxError extends MailError {
  override readonly name = 'MailboxError'
  readonly trouble: Trouble

  constructor(trouble: Trouble, message: string) {
    super(message)
    this.trouble = trouble
  }
}

/**
 * Where Dovecot, too, renames a folder before it removes it: neither shows it, and either clears away what a crash
 * left of it.
 */
const trash = '..DOVECOT-TRASHED'

/** The folders of one Maildir. */
export class Folders {
  readonly root: string
  readonly layout: Layout

  constructor(root: string, layout: Layout) {
    this.root = root
    this.layout = layout
  }

  /** All mailboxes by name with their directories' names; INBOX has an empty one. */
  list(): Map<string, string> {
    const found = new Map([['INBOX', '']])
    for (const entry of readdirSync(this.root, { withFileTypes: true })) {
      const name = folderOf(entry.name)
      if (name === undefined || entry.isFile() || found.has(name)) continue
      if (entry.isSymbolicLink() && !this.#staysInside(entry.name)) continue
      if (statSync(`${this.root}/${entry.name}/cur`, { throwIfNoEntry: false })?.isDirectory())
        found.set(name, entry.name)
    }
    return found
  }

  /** The directory of a mailbox that is there; undefined when it is not. */
  find(name: string): string | undefined {
    const usual = `${this.root}/${directoryOf(name, this.layout)}`.replace(/\/$/, '')
    if (statSync(`${usual}/cur`, { throwIfNoEntry: false })?.isDirectory())
      return this.#staysInside(usual.slice(this.root.length + 1)) ? usual : undefined
    const entry = this.list().get(name)
    return entry === undefined ? undefined : entry === '' ? this.root : `${this.root}/${entry}`
  }

  /** Whether a folder is none that leads out of the Maildir by a symbolic link. */
  #staysInside(entry: string): boolean {
    if (entry === '' || !lstatSync(`${this.root}/${entry}`).isSymbolicLink()) return true
    return realpathSync(`${this.root}/${entry}`).startsWith(`${realpathSync(this.root)}/`)
  }

  /** Makes a mailbox, and those above it. @throws MailboxError, BadName */
  async create(name: string): Promise<void> {
    if (this.find(name)) throw new MailboxError('alreadyExists', `${name} exists already`)
    for (const parent of parentsOf(name)) if (!this.find(parent)) await this.#make(parent)
    await this.#make(name)
  }

  async #make(name: string): Promise<void> {
    await makeMaildir(`${this.root}/${directoryOf(name, this.layout)}`, true)
    await syncDirectory(this.root)
  }

  /** Mailboxes below a name. */
  below(name: string): string[] {
    return [...this.list().keys()].filter(other => other.startsWith(name + separator))
  }

  /**
   * Removes a mailbox with everything in it.
   *
   * @param left called when the name is free: another program may make a mailbox of that name from then on
   * @throws MailboxError when it is not there or others are below it
   */
  async delete(name: string, left: () => void): Promise<void> {
    const directory = this.find(name)
    if (!directory) throw new MailboxError('nonexistent', `${name} does not exist`)
    if (this.below(name).length > 0)
      throw new MailboxError('hasChildren', `${name} has mailboxes below it; delete these first`)
    await this.#throwAway(directory)
    left()
    await syncDirectory(this.root)
    await this.#emptyTrash()
  }

  /** Sessions may delete several mailboxes at once, and each of them stands in the same place for a moment. */
  async #throwAway(directory: string): Promise<void> {
    for (let patience = 100; ; patience--)
      try {
        await this.#emptyTrash()
        renameSync(directory, `${this.root}/${trash}`)
        return
      } catch (error) {
        if (!isTaken(error) || patience === 0) throw error
      }
  }

  async #emptyTrash(): Promise<void> {
    for (let patience = 100; ; patience--)
      try {
        await rm(`${this.root}/${trash}`, { recursive: true, force: true })
        return
      } catch (error) {
        if (!isTaken(error) || patience === 0) throw error
      }
  }

  /**
   * Gives a mailbox, and those below it, another name.
   *
   * @returns old and new names
   * @throws MailboxError, BadName
   */
  async rename(from: string, to: string): Promise<[string, string][]> {
    const pairs = [from, ...this.below(from)]
      .filter(name => this.find(name))
      .map((name): [string, string] => [name, to + name.slice(from.length)])
    if (pairs.length === 0) throw new MailboxError('nonexistent', `${from} does not exist`)
    if (to.startsWith(from + separator)) throw new MailboxError('cannot', `${to} is below ${from}`)
    const targets = pairs.map(([, name]) => directoryOf(name, this.layout))
    for (const [, name] of pairs)
      if (this.find(name)) throw new MailboxError('alreadyExists', `${name} exists already`)
    for (const parent of parentsOf(to)) if (!this.find(parent)) await this.#make(parent)
    for (const [i, [name]] of pairs.entries()) this.#renameOne(name, targets[i]!)
    await syncDirectory(this.root)
    return pairs
  }

  #renameOne(name: string, target: string): void {
    try {
      renameSync(this.find(name)!, `${this.root}/${target}`)
    } catch (error) {
      if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
      throw new MailboxError('alreadyExists', `${target} exists already`)
    }
  }
}

function isTaken(error: unknown): boolean {
  return ['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')
}
