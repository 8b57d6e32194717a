/** Where fetched mail goes: the folders of one user's Maildir. */
import { existsSync, readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { Account } from '../mailbox/account.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { MailboxGone } from '../mailbox/state.js'
import { separator } from '../maildir/layout.js'
import type { Delivery } from '../maildir/maildir.js'
import { uniqueOf, withSizes } from '../maildir/name.js'
import type { Log } from '../sys/log.js'
import { Pacer } from '../sys/pacer.js'
import { type Candidate, keyOf } from './identity.js'
import type { Known } from './state-line.js'

/** A message to be stored. */
export interface Incoming {
  /** Written, and seen by nobody yet: {@link Target.stage}. */
  readonly delivery: Delivery
  readonly flags: readonly string[]
  readonly date: number | undefined
}

/** As much of a message as its header may be long, to find it again. */
const headSize = 65_536

export class Target {
  readonly #maildir: string
  readonly #log: Log
  readonly #open = new Map<string, Mailbox>()
  #account: Promise<Account> | undefined

  /** @param maildir HOME/Maildir; opened when it is needed, and made when there is something for it */
  constructor(maildir: string, log: Log) {
    this.#maildir = maildir
    this.#log = log
  }

  /** The user's mail. */
  account(): Promise<Account> {
    this.#account ??= Account.open(this.#maildir, { log: this.#log })
    return this.#account
  }

  /** A mailbox as it is on disk now; undefined where there is none. */
  async find(name: string): Promise<Mailbox | undefined> {
    if (!this.#account && !existsSync(this.#maildir)) return undefined
    const account = await this.account()
    if (!account.has(name)) return undefined
    const known = this.#open.get(name)
    try {
      await known?.refresh()
    } catch (error) {
      // Another one stands in its place.
      if (!(error instanceof MailboxGone)) throw error
      known?.close()
      this.#open.delete(name)
    }
    if (known && this.#open.has(name)) return known
    const mailbox = await account.open(name)
    this.#open.set(name, mailbox)
    return mailbox
  }

  /** The same; one that is not there is made, and subscribed. */
  async make(name: string): Promise<Mailbox> {
    const found = await this.find(name)
    if (found) return found
    this.#open.get(name)?.close()
    this.#open.delete(name)
    const account = await this.account()
    if (!account.has(name)) await account.create(name)
    await account.subscribe(name)
    return (await this.find(name)) as Mailbox
  }

  /**
   * Renames a mailbox, with those below it.
   *
   * @param validity its UIDVALIDITY, to be sure that it is the one
   * @returns whether it has the new name now, be it that it had it before
   */
  async rename(from: string, to: string, validity: number): Promise<boolean> {
    const account = await this.account()
    if (account.has(to)) return (await this.find(to))?.uidValidity === validity
    if (from === 'INBOX' || (await this.find(from))?.uidValidity !== validity) return false
    for (const [name, mailbox] of this.#open) {
      if (name !== from && !name.startsWith(`${from}${separator}`)) continue
      mailbox.close()
      this.#open.delete(name)
    }
    await account.rename(from, to)
    await account.unsubscribe(from)
    await account.subscribe(to)
    return true
  }

  /**
   * Stores messages, all or none; on disk with their UIDs when this returns.
   *
   * @param intend is told the unique parts of the file names before any of them is there
   * @returns their UIDs
   */
  async place(
    mailbox: Mailbox,
    messages: readonly Incoming[],
    intend: (uniques: string[]) => Promise<void>,
  ): Promise<number[]> {
    const deliveries = messages.map(({ delivery }) => delivery)
    try {
      await Promise.all(messages.map(({ delivery, date }) => delivery.sync(date)))
      const uniques = deliveries.map(({ temporary, storedSize, size }) =>
        withSizes(basename(temporary), storedSize, size),
      )
      await intend(uniques)
      return await mailbox.append(
        messages.map(({ delivery, flags, date }) => ({
          delivery,
          flags,
          ...(date !== undefined && { date }),
        })),
      )
    } catch (error) {
      await Promise.all(deliveries.map(delivery => delivery.abort()))
      throw error
    }
  }

  /** Brings a message to disk; nobody sees it before it is placed. @param date as in {@link Incoming} */
  async stage(mailbox: Mailbox, octets: Buffer, date: number | undefined): Promise<Delivery> {
    const delivery = await mailbox.begin()
    await delivery.whole(octets, date)
    return delivery
  }

  /** Writes a large message, piece by piece; nobody sees it before it is placed, which brings it to disk. */
  async write(mailbox: Mailbox, pieces: AsyncIterable<Buffer>): Promise<Delivery> {
    const delivery = await mailbox.begin()
    try {
      for await (const piece of pieces) await delivery.write(piece)
      return delivery
    } catch (error) {
      await delivery.abort()
      throw error
    }
  }

  /** What identifies each message of a mailbox from a UID up, but for those that are known. */
  async identify(mailbox: Mailbox, from = 0, known: ReadonlySet<number> = new Set()): Promise<Candidate[]> {
    const found: Candidate[] = []
    const pacer = new Pacer()
    for (const uid of mailbox.uids.slice()) {
      if (uid < from || known.has(uid)) continue
      const head = mailbox.read(uid, headSize)
      const size = mailbox.size(uid)
      if (head && size !== undefined) found.push({ key: keyOf(head, size, mailbox.date(uid)), local: uid })
      if (pacer.isOver) await pacer.rest()
    }
    return found
  }

  /** What mbsync stored here, by UIDs there. @param pairs the number behind `,U=` in file names by UID there */
  async knownFrom(
    mailbox: Mailbox,
    pairs: ReadonlyMap<number, number>,
  ): Promise<[uid: number, known: Known][]> {
    const keys = new Map((await this.identify(mailbox)).map(({ local, key }) => [local, key]))
    const numbered = new Map<number, number>()
    for (const part of ['cur', 'new'])
      for (const name of readdirSync(`${mailbox.directory}/${part}`, 'latin1')) {
        const [, number] = /,U=(\d+)/.exec(uniqueOf(name)) ?? []
        const local = number === undefined ? undefined : mailbox.uidOf(uniqueOf(name))
        if (local !== undefined) numbered.set(Number(number), local)
      }
    return [...pairs].map(([uid, number]) => {
      const local = numbered.get(number) ?? 0
      return [uid, { local, key: keys.get(local) ?? '', flags: '' }]
    })
  }

  /** Moves messages to Trash; those that are not there any more are passed over. @returns how many */
  async trash(mailbox: Mailbox, uids: readonly number[]): Promise<number> {
    const present = uids.filter(uid => mailbox.message(uid) !== undefined)
    if (present.length === 0 || mailbox.name === 'Trash') return 0
    const { sources } = await mailbox.move(present, await this.make('Trash'))
    return sources.length
  }

  async close(): Promise<void> {
    for (const mailbox of this.#open.values()) mailbox.close()
    await (await this.#account)?.close()
  }
}
