/**
 * Tells a client of events as they happen, also when no command is in progress (RFC 5465). Watchers only mark what may
 * have changed; rounds find out what has, one after another, and never while a command is being answered.
 */
import { describe, MailError } from '../sys/error.js'
import type { ImapMailbox, ImapStatus } from './backend.js'
import { type Listing, readListing, tellListing } from './listing.js'
import { covers, hasMessageEvents, type NotifyEvent, type Wishes } from './notify-events.js'
import { ImapError, no } from './reply.js'
import type { Session } from './session.js'
import { tellUpdates } from './updates.js'

/** More mailboxes than this are not watched for one client. */
const mostMailboxes = 1_000

/** What was last told of a mailbox that is not selected. */
type Known = Pick<ImapStatus, 'messages' | 'uidNext' | 'uidValidity' | 'unseen' | 'highestModseq'>

export class Notifier {
  wishes: Wishes
  readonly #session: Session
  readonly #known = new Map<string, Known>()
  #listing: Listing
  /** Events of messages in mailboxes that are not selected, by name. */
  #watched = new Map<string, ReadonlySet<NotifyEvent>>()
  #unwatch: () => void = nothing
  /** Which mailboxes are watched, with their ids: one of the same name may be another. */
  #watchedKey = ''
  #selected: ImapMailbox | undefined
  #unwatchSelected: () => void = nothing

  readonly #dirty = new Set<string>()
  /** What this client put into the selected mailbox with the command under way. */
  readonly #ownUids = new Set<number>()
  #isListDirty = false
  #isSelectedDirty = false
  #isHeld = true
  #isIdling = false
  #isClosed = false
  #running: Promise<void> | undefined

  private constructor(session: Session, wishes: Wishes, listing: Listing) {
    this.#session = session
    this.wishes = wishes
    this.#listing = listing
  }

  /**
   * Begins to watch; nothing is told before {@link release}.
   *
   * @param tellStatus whether to tell now how the mailboxes are that will be watched
   * @throws ImapError NO [NOTIFICATIONOVERFLOW] when they are too many
   */
  static async begin(session: Session, wishes: Wishes, tellStatus: boolean): Promise<Notifier> {
    const notifier = new Notifier(session, wishes, await readListing(session.mail))
    try {
      await notifier.#choose()
      await notifier.#learnAll(tellStatus)
      return notifier
    } catch (error) {
      await notifier.close()
      throw error
    }
  }

  /** Finds out which mailboxes to watch, and watches them. */
  async #choose(): Promise<void> {
    const { ids, shared, subscribed } = this.#listing
    const chosen = new Map<string, ReadonlySet<NotifyEvent>>()
    for (const name of [...ids.keys(), ...shared]) {
      const groups = this.wishes.groups.filter(
        group =>
          // What others share is in nobody's personal namespace (§6.2).
          (group.which !== 'PERSONAL' || ids.has(name)) && covers(group, name, subscribed.has(name)),
      )
      const events = new Set(groups.flatMap(group => [...group.events]))
      if (hasMessageEvents(events)) chosen.set(name, events)
    }
    if (chosen.size > mostMailboxes) throw no('NOTIFICATIONOVERFLOW', 'These are too many mailboxes.')
    this.#watched = chosen
    const key = JSON.stringify([...chosen.keys()].map(name => [name, ids.get(name)]))
    if (key === this.#watchedKey || !this.wishes.groups.some(({ events }) => events.size > 0)) return
    const unwatch = await this.#session.mail.watch([...chosen.keys()], name => this.#heard(name))
    this.#unwatch()
    this.#unwatch = unwatch
    this.#watchedKey = key
    if (this.#isClosed) unwatch()
  }

  #heard(name: string | undefined): void {
    if (name === undefined) this.#isListDirty = true
    else this.#dirty.add(name)
    this.#run()
  }

  async #learnAll(tellStatus: boolean): Promise<void> {
    const selected = this.#session.mailbox?.name
    for (const [name, events] of this.#watched) {
      if (this.#known.has(name)) continue
      const known = await this.#learn(name)
      if (known && tellStatus && name !== selected) this.#tellStatus(name, known, events, true)
    }
  }

  async #learn(name: string): Promise<Known | undefined> {
    try {
      const { messages, uidNext, uidValidity, unseen, highestModseq } = await this.#session.mail.status(name)
      const known = { messages, uidNext, uidValidity, unseen, highestModseq }
      this.#known.set(name, known)
      return known
    } catch (error) {
      // It is gone, or just going: the list of mailboxes will tell.
      if (!(error instanceof MailError)) throw error
      this.#known.delete(name)
      return undefined
    }
  }

  /** RFC 5465 §3.1, §5.1–5.3. @param asked whether the client asked for the state, not for changes */
  #tellStatus(name: string, known: Known, events: ReadonlySet<NotifyEvent>, asked = false): void {
    const items = [
      `MESSAGES ${known.messages}`,
      `UIDNEXT ${known.uidNext}`,
      `UIDVALIDITY ${known.uidValidity}`,
    ]
    if (events.has('FLAGCHANGE')) items.push(`UNSEEN ${known.unseen}`)
    if (this.#session.condstore || (asked && events.has('FLAGCHANGE')))
      items.push(`HIGHESTMODSEQ ${known.highestModseq}`)
    this.#session.untagged(`STATUS ${this.#session.nameText(name)} (${items.join(' ')})`)
  }

  /** A command begins. Resolves when nothing is being told any more. */
  async hold(): Promise<void> {
    this.#isHeld = true
    this.#isIdling = false
    await this.#running
  }

  /** A command has been answered, or IDLE has begun: from now on events are told as they happen. */
  release(isIdling = false): void {
    this.#ownUids.clear()
    this.#isHeld = false
    this.#isIdling = isIdling
    if (isIdling && this.wishes.selected) this.#isSelectedDirty = true
    this.#run()
  }

  /** Whether an answer may be half written: nothing else must come between. */
  get isTelling(): boolean {
    return this.#running !== undefined
  }

  /** This client itself put messages into a mailbox: that is no news to it. */
  async own(name: string, uids: readonly number[] = []): Promise<void> {
    if (name === this.#session.mailbox?.name) for (const uid of uids) this.#ownUids.add(uid)
    else if (this.#known.has(name)) await this.#quietly(() => this.#learn(name))
  }

  /** Whether a new message in the selected mailbox comes from this client. */
  isOwn(uid: number): boolean {
    return this.#ownUids.has(uid)
  }

  /** This client itself changed the list of mailboxes, its subscriptions or metadata. */
  async ownList(): Promise<void> {
    await this.#quietly(async () => {
      this.#listing = await readListing(this.#session.mail)
      await this.#choose()
      await this.#learnAll(false)
    })
  }

  /** What the client asked for is done: it must not look undone since we cannot see how things are now. */
  async #quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#session.log.warning('notify-failed', { reason: describe(error) })
    }
  }

  #run(): void {
    if (this.#isHeld || this.#isClosed) return
    this.#running ??= this.#rounds().finally(() => {
      this.#running = undefined
    })
  }

  async #rounds(): Promise<void> {
    const { connection, reader, log } = this.#session
    try {
      await this.#follow()
      while (this.#isDirty && !this.#isHeld && !this.#isClosed) {
        // A client that does not read is not buried: what happens meanwhile becomes one event.
        await connection.drain(reader.timeout)
        await this.#round()
        connection.flush()
      }
    } catch (error) {
      log.warning('notify-failed', { reason: describe(error) })
      if (!(error instanceof ImapError)) return
      if (error.code === 'NOTIFICATIONOVERFLOW') return this.#giveUp(error)
      this.#session.untagged(error.line)
      connection.close()
    }
  }

  /** RFC 5465 §5.8: there has come more than we are willing to watch. */
  #giveUp(error: ImapError): void {
    this.#session.note(error.code, error.message)
    this.#session.connection.flush()
    this.wishes = { selected: undefined, groups: [] }
    this.#watched.clear()
    this.#dirty.clear()
    this.#isListDirty = this.#isSelectedDirty = false
    this.#unwatch()
    this.#unwatchSelected()
    this.#unwatch = this.#unwatchSelected = nothing
  }

  get #isDirty(): boolean {
    return this.#isSelectedDirty || this.#isListDirty || this.#dirty.size > 0
  }

  /** Another mailbox may be selected now. What happened to the one before while it was selected is known. */
  async #follow(): Promise<void> {
    const { mailbox } = this.#session
    if (mailbox === this.#selected) return
    const before = this.#selected?.name
    this.#selected = mailbox
    this.#unwatchSelected()
    this.#unwatchSelected = nothing
    if (before !== undefined) await this.own(before)
    if (!mailbox || !this.wishes.selected) return
    this.#unwatchSelected = mailbox.onChange(() => {
      this.#isSelectedDirty = true
      this.#run()
    })
  }

  async #round(): Promise<void> {
    if (this.#isSelectedDirty) {
      this.#isSelectedDirty = false
      await tellUpdates(this.#session, this.#isIdling || this.wishes.selected?.delayed === false)
    }
    if (this.#isListDirty) {
      this.#isListDirty = false
      await this.#tellList()
    }
    for (const name of [...this.#dirty]) {
      this.#dirty.delete(name)
      if (name !== this.#session.mailbox?.name) await this.#tellMailbox(name)
    }
  }

  async #tellList(): Promise<void> {
    const before = this.#listing
    this.#listing = await readListing(this.#session.mail)
    const after = this.#listing
    const { groups } = this.wishes
    await tellListing(this.#session, before, after, (event, name) =>
      groups.some(
        group =>
          group.events.has(event) &&
          (name === '' || covers(group, name, before.subscribed.has(name) || after.subscribed.has(name))),
      ),
    )
    await this.#choose()
    for (const name of [...this.#known.keys()]) if (!this.#watched.has(name)) this.#known.delete(name)
    // In a mailbox that is new here, what is there is news.
    for (const name of this.#watched.keys()) if (!this.#known.has(name)) this.#dirty.add(name)
  }

  async #tellMailbox(name: string): Promise<void> {
    const events = this.#watched.get(name)
    const before = this.#known.get(name) ?? {
      messages: 0,
      uidNext: 1,
      uidValidity: 0,
      unseen: 0,
      highestModseq: 0,
    }
    const now = events && (await this.#learn(name))
    if (!events || !now) return
    const isNew = before.uidValidity === 0 && now.messages === 0
    const isCount = now.messages !== before.messages || now.uidNext !== before.uidNext
    const isFlag =
      now.unseen !== before.unseen ||
      (now.uidValidity !== before.uidValidity && !isNew) ||
      (this.#session.condstore && now.highestModseq !== before.highestModseq && !isNew)
    if (isCount || (isFlag && events.has('FLAGCHANGE'))) this.#tellStatus(name, now, events)
  }

  /** Ends the watching. Resolves when nothing is being told any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#unwatch()
    this.#unwatchSelected()
    await this.#running
  }
}

function nothing(): void {}
