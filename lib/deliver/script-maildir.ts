/** What the actions of scripts come to in a Maildir: which folder they mean, and which letters their flags are. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Keywords } from '../mailbox/keywords.js'
import { Noted } from '../mailbox/noted.js'
import { BadName, canonicalName, directoryOf } from '../maildir/layout.js'
import { type Delivered, Delivery, makeMaildir, type Target } from '../maildir/maildir.js'
import { Flag, flagBit, flagLetters } from '../message/flags.js'
import type { Outcome, StoreAction } from '../sieve/action.js'
import type { Version } from '../sieve/message.js'
import { isInbox, isStore } from '../sieve/result.js'
import { withDotlock } from '../sys/dotlock.js'
import { describe, MailError } from '../sys/error.js'

/** Where something is to be stored, as actions say it. */
export type Store = Pick<StoreAction, 'mailbox' | 'create' | 'flags' | 'specialUse' | 'mailboxId'>

/** The folders of a Maildir, asked and written without an index. */
export class ScriptMaildir {
  readonly #root: string
  readonly #noted: Noted

  constructor(root: string) {
    this.#root = root
    this.#noted = new Noted(root)
  }

  has(mailbox: string): boolean {
    const path = this.#pathOf(mailbox)
    return path !== undefined && existsSync(`${path}/cur`)
  }

  /** Whether a mailbox has a use; without one, whether any has. */
  hasUse(mailbox: string | undefined, use: string): boolean {
    return mailbox === undefined
      ? this.#noted.withUse(use) !== undefined
      : this.has(mailbox) && this.#noted.hasUse(mailbox, use)
  }

  hasId(id: string): boolean {
    return this.#noted.withId(id) !== undefined
  }

  /** The value of an annotation of a mailbox, or of the server (RFC 5464). */
  annotation(mailbox: string | undefined, entry: string): string | undefined {
    return this.#noted.value(mailbox, entry)
  }

  #pathOf(mailbox: string): string | undefined {
    try {
      return join(this.#root, directoryOf(mailbox))
    } catch (error) {
      if (error instanceof BadName) return undefined
      throw error
    }
  }

  /**
   * Stores what an outcome stores, or nothing.
   *
   * @throws MailError that says which mailbox failed, with everything taken back
   */
  async store({ actions, implicitKeep, keep }: Outcome): Promise<void> {
    const stores = actions.filter(isStore)
    const done: Delivered[] = []
    try {
      for (const action of stores) done.push(await this.#storeOne(action))
      if (implicitKeep && !stores.some(({ mailbox }) => mailbox === 'INBOX'))
        await this.keep(keep.message, keep.flags)
    } catch (error) {
      for (const { maildir, folder, name } of done) await rm(join(maildir, folder, name), { force: true })
      throw error
    }
  }

  /** Stores a message in INBOX. */
  async keep(message: Version, flags: readonly string[]): Promise<void> {
    await this.#put(this.#root, message, flags)
  }

  /**
   * The Maildir that a store goes to, which is made where that was asked for, and the letters of its flags there.
   *
   * @throws MailError that says which mailbox cannot be stored into
   */
  async target(store: Store): Promise<Target & { readonly mailbox: string }> {
    const { mailbox, create, flags } = store
    const failed = (why: string, cause?: unknown) =>
      new MailError(`failed to store into mailbox '${mailbox}': ${why}`, { cause })
    const wanted = this.wanted(store)
    const path = this.#pathOf(wanted)
    if (path === undefined) throw failed('this cannot be the name of a mailbox')
    try {
      if (!this.has(wanted)) {
        if (!isInbox(wanted) && !create) throw failed('the mailbox does not exist')
        await makeMaildir(path, !isInbox(wanted))
      }
      return { mailbox: wanted, ...(await targetOf(path, flags)) }
    } catch (error) {
      throw error instanceof MailError && error.message.startsWith('failed')
        ? error
        : failed(describe(error), error)
    }
  }

  /** The mailbox that a store means: the one with the id or the use it asks for, if there is one. */
  wanted({ mailbox, specialUse, mailboxId }: Pick<Store, 'mailbox' | 'specialUse' | 'mailboxId'>): string {
    const byId = mailboxId === undefined ? undefined : this.#noted.withId(mailboxId)
    const byUse = specialUse === undefined ? undefined : this.#noted.withUse(specialUse)
    return canonicalName(byId ?? byUse ?? mailbox)
  }

  async #storeOne(action: StoreAction): Promise<Delivered> {
    const { maildir } = await this.target({ ...action, flags: [] })
    try {
      return await this.#put(maildir, action.message, action.flags)
    } catch (error) {
      const { mailbox } = action
      throw new MailError(`failed to store into mailbox '${mailbox}': ${describe(error)}`, { cause: error })
    }
  }

  async #put(maildir: string, message: Version, flags: readonly string[]): Promise<Delivered> {
    const delivery = await Delivery.begin(maildir)
    try {
      await delivery.write(message.octets)
      const [delivered] = await delivery.commit([await targetOf(maildir, flags)])
      return delivered as Delivered
    } finally {
      await delivery.abort()
    }
  }
}

async function targetOf(maildir: string, flags: readonly string[]): Promise<Target> {
  return flags.length > 0 ? { maildir, flags: await lettersOf(maildir, flags) } : { maildir }
}

/** The letters of a file name that flags come to; keywords for which there is no letter left are passed over. */
async function lettersOf(maildir: string, flags: readonly string[]): Promise<string> {
  const system = flags.reduce((mask, flag) => mask | (flagBit(flag) ?? 0), 0)
  const keywords = flags.filter(flag => !flag.startsWith('\\'))
  if (keywords.length === 0) return flagLetters(system)
  const known = new Keywords(maildir)
  await withDotlock(join(maildir, 'dovecot-uidlist.lock'), async () => {
    known.read()
    await known.add(keywords)
  })
  // The first keyword's bit follows those of the system flags, and its letter is a.
  const first = Math.log2(Flag.draft) + 1
  const letters = keywords.flatMap(keyword => {
    const bit = known.bitOf(keyword)
    return bit === undefined ? [] : [String.fromCharCode(97 + Math.log2(bit) - first)]
  })
  return flagLetters(system) + letters.join('')
}
