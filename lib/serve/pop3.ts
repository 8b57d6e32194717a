/** POP3 over a user's INBOX: the mail as it was when the session began, and what DELE becomes at QUIT. */
import { existsSync } from 'node:fs'
import type { User } from '../auth/users.js'
import { Account } from '../mailbox/account.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { limitsOf, type QuotaLimits } from '../mailbox/quota.js'
import type { View } from '../mailbox/view.js'
import { MaildropRefused } from '../pop3/authorization.js'
import type { Maildrop } from '../pop3/session.js'
import type { Log } from '../sys/log.js'
import { Pacer } from '../sys/pacer.js'

export interface MaildropOptions {
  /** What DELE and QUIT do: remove the message, move it to Trash, or nothing at all. */
  readonly delete: 'expunge' | 'trash' | 'ignore'
  /** Whether a second POP3 session of the same user is refused, as RFC 1939 §8 has it. */
  readonly lock: boolean
  /** How long after a login the same user's next is refused, in milliseconds; 0 for not at all (RFC 2449 §6.5). */
  readonly loginDelay: number
  /** How much mail a user may have of whom the users file says nothing else. */
  readonly quota?: QuotaLimits
  readonly log: Log
}

/** Maildrops that a session has for itself, by their root. */
const locked = new Set<string>()
/** When maildrops were opened last, by their root, in milliseconds; kept only as long as it matters. */
const opened = new Map<string, number>()

/**
 * Opens a user's INBOX for one POP3 session. Nothing is moved or claimed: to an IMAP session the messages stay as
 * recent as they were.
 *
 * @throws MaildropRefused where only one session may have it and one has, or the last login was too short ago
 * @throws TemporaryError when the disk refuses
 */
export async function openMaildrop(user: User, options: MaildropOptions): Promise<Maildrop> {
  const root = `${user.home}/Maildir`
  if (options.lock && locked.has(root))
    throw new MaildropRefused('IN-USE', 'another POP3 session has this mailbox')
  holdBack(root, options.loginDelay)
  if (options.lock) locked.add(root)
  let account: Account | undefined
  try {
    const quota = limitsOf(user.extra.get('userdb_quota_rule'), options.quota ?? {})
    account = await Account.open(root, { quota, log: options.log })
    const mailbox = await account.open('INBOX')
    const view = await mailbox.select({ readOnly: true })
    return new Inbox(account, mailbox, view, await sizesOf(mailbox, view.uids), options, () =>
      locked.delete(root),
    )
  } catch (error) {
    locked.delete(root)
    await account?.close()
    throw error
  }
}

function holdBack(root: string, delay: number): void {
  if (delay === 0) return
  const now = performance.now()
  for (const [each, time] of opened) if (now - time >= delay) opened.delete(each)
  if (opened.has(root)) throw new MaildropRefused('LOGIN-DELAY', 'the last login was too short a time ago')
  opened.set(root, now)
}

/** Sizes on the wire, from names and the index where they have them; reading yields to other sessions. */
async function sizesOf(mailbox: Mailbox, uids: Uint32Array): Promise<Uint32Array> {
  const sizes = new Uint32Array(uids.length)
  const pacer = new Pacer()
  for (const [index, uid] of uids.entries()) {
    sizes[index] = mailbox.size(uid) ?? 0
    if (pacer.isOver) await pacer.rest()
  }
  return sizes
}

class Inbox implements Maildrop {
  readonly #account: Account
  readonly #mailbox: Mailbox
  readonly #view: View
  readonly #sizes: Uint32Array
  readonly #options: MaildropOptions
  readonly #unlock: () => void

  constructor(
    account: Account,
    mailbox: Mailbox,
    view: View,
    sizes: Uint32Array,
    options: MaildropOptions,
    unlock: () => void,
  ) {
    this.#account = account
    this.#mailbox = mailbox
    this.#view = view
    this.#sizes = sizes
    this.#options = options
    this.#unlock = unlock
  }

  get count(): number {
    return this.#view.count
  }

  size(index: number): number {
    return this.#sizes[index] as number
  }

  uidl(index: number): string {
    return this.#mailbox.uidl(this.#uid(index))
  }

  read(index: number, take?: (storedSize: number) => Buffer): Buffer | undefined {
    const uid = this.#uid(index)
    return take ? this.#mailbox.readInto(uid, take) : this.#mailbox.read(uid)
  }

  has(index: number): boolean {
    const path = this.#mailbox.path(this.#uid(index))
    return path !== undefined && existsSync(path)
  }

  async remove(indexes: readonly number[]): Promise<void> {
    const uids = indexes.map(index => this.#uid(index))
    if (this.#options.delete === 'expunge') await this.#mailbox.remove(uids)
    else if (this.#options.delete === 'trash') {
      const trash = await this.#account.open('Trash')
      await this.#mailbox.move(uids, trash)
    }
  }

  async release(): Promise<void> {
    this.#unlock()
    this.#view.close()
    this.#mailbox.close()
    await this.#account.close()
  }

  /** The view is never moved on: a number means the same message from the first command to the last. */
  #uid(index: number): number {
    return this.#view.uidAt(index + 1)
  }
}
