/** Who is told of what clients do with messages, so that scripts can run (RFC 6785). */
import type { Account } from '../mailbox/account.js'
import type { Mailbox } from '../mailbox/mailbox.js'

export type Cause = 'APPEND' | 'COPY' | 'FLAG'

/** What was done; the mailbox is open until {@link EventListener.happened} returns. */
export interface ImapEvent {
  readonly cause: Cause
  readonly account: Account
  readonly mailbox: Mailbox
  readonly uids: readonly number[]
  readonly from?: string
  readonly changed?: ReadonlyMap<number, readonly string[]>
}

/** One user's listener. */
export interface EventListener {
  /** Whether it wants to hear of such events in a mailbox. */
  watches(account: Account, mailbox: string, cause: Cause): boolean
  /** Never throws. */
  happened(event: ImapEvent): Promise<void>
}

/** The events of one account. */
export class Events {
  readonly #account: Account
  readonly #listener: EventListener | undefined

  constructor(account: Account, listener: EventListener | undefined) {
    this.#account = account
    this.#listener = listener
  }

  /** Messages have come into a mailbox. @param from the mailbox they were copied from */
  async arrived(mailbox: Mailbox, uids: readonly number[], from?: string): Promise<void> {
    const cause = from === undefined ? 'APPEND' : 'COPY'
    if (uids.length === 0 || !this.#listener?.watches(this.#account, mailbox.name, cause)) return
    const account = this.#account
    await this.#listener.happened({ cause, account, mailbox, uids, ...(from !== undefined && { from }) })
  }

  /** Changes flags, and tells which are others then. */
  async marking<R extends { readonly changed: readonly number[] }>(
    mailbox: Mailbox,
    uids: readonly number[],
    work: () => Promise<R>,
  ): Promise<R> {
    if (!this.#listener?.watches(this.#account, mailbox.name, 'FLAG')) return work()
    const before = new Map(uids.map(uid => [uid, mailbox.message(uid)?.flags ?? []]))
    const result = await work()
    const changed = new Map(
      result.changed.map(uid => [uid, difference(before.get(uid) ?? [], mailbox.message(uid)?.flags ?? [])]),
    )
    if (changed.size > 0)
      await this.#listener.happened({
        cause: 'FLAG',
        account: this.#account,
        mailbox,
        uids: result.changed,
        changed,
      })
    return result
  }
}

function difference(a: readonly string[], b: readonly string[]): string[] {
  return [...a.filter(flag => !b.includes(flag)), ...b.filter(flag => !a.includes(flag))]
}
