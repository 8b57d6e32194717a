/** What a client wants to hear of (RFC 5465 §5, §6, §8), decoded. */
import type { Decoder } from './decode.js'
import { type FetchItem, readItemList } from './fetch-item.js'
import { bad, no } from './reply.js'

/** Names as RFC 5465 §8 has them, in upper case: the first three are of messages. */
export type NotifyEvent =
  | 'MESSAGENEW'
  | 'MESSAGEEXPUNGE'
  | 'FLAGCHANGE'
  | 'MAILBOXNAME'
  | 'SUBSCRIPTIONCHANGE'
  | 'MAILBOXMETADATACHANGE'
  | 'SERVERMETADATACHANGE'

/** As they are told in BADEVENT. */
const supported = [
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
  'MailboxName',
  'SubscriptionChange',
  'MailboxMetadataChange',
  'ServerMetadataChange',
]
const names = new Map(supported.map(name => [name.toUpperCase(), name.toUpperCase() as NotifyEvent]))
const ofMessages: ReadonlySet<NotifyEvent> = new Set(['MESSAGENEW', 'MESSAGEEXPUNGE', 'FLAGCHANGE'])

/** The mailbox that is selected. */
export interface SelectedWish {
  /** Expunges wait for a command in which they may be told (§6.1.2). */
  readonly delayed: boolean
  readonly events: ReadonlySet<NotifyEvent>
  /** What to fetch of each new message. */
  readonly items: readonly FetchItem[]
}

/** Some other mailboxes. */
export interface EventGroup {
  readonly which: 'PERSONAL' | 'SUBSCRIBED' | 'SUBTREE' | 'MAILBOXES'
  /** For SUBTREE and MAILBOXES. */
  readonly names: readonly string[]
  readonly events: ReadonlySet<NotifyEvent>
}

export interface Wishes {
  /** Undefined where nothing is to be told of the selected mailbox (§3.1). */
  readonly selected: SelectedWish | undefined
  readonly groups: readonly EventGroup[]
}

/** Reads event groups up to the end of the command. @throws ImapError BAD; NO [BADEVENT …] for what is not known */
export function readWishes(args: Decoder): Wishes {
  const reader = new Reader(args)
  do reader.group()
  while (args.trySpace())
  args.end()
  if (reader.unknown) throw no(`BADEVENT (${supported.join(' ')})`, 'One of these events is not known here.')
  return { selected: reader.selected, groups: reader.groups }
}

class Reader {
  readonly #args: Decoder
  readonly groups: EventGroup[] = []
  selected: SelectedWish | undefined
  /** Whether there was an event that nobody here knows. */
  unknown = false
  #items: readonly FetchItem[] = []
  #hasSelected = false

  constructor(args: Decoder) {
    this.#args = args
  }

  /** `(mailboxes (a b) (MessageNew MessageExpunge))` */
  group(): void {
    const args = this.#args
    args.char('(')
    const filter = args.word('Which mailboxes')
    if (filter === 'SELECTED' || filter === 'SELECTED-DELAYED') this.#selected(filter === 'SELECTED-DELAYED')
    else this.#others(filter)
    args.char(')')
  }

  #selected(delayed: boolean): void {
    if (this.#hasSelected) throw bad('Say SELECTED or SELECTED-DELAYED, and say it once.')
    this.#hasSelected = true
    const events = this.#events(true)
    for (const event of events)
      if (!ofMessages.has(event)) throw bad('SELECTED goes with events of messages.')
    if (events.size > 0) this.selected = { delayed, events, items: this.#items }
  }

  #others(filter: string): void {
    const args = this.#args
    if (filter === 'SUBTREE' || filter === 'MAILBOXES') {
      args.space()
      const named = args.peek === '(' ? args.list(() => args.mailbox()) : [args.mailbox()]
      if (named.length === 0) throw bad('Name the mailboxes.')
      this.groups.push({ which: filter, names: named, events: this.#events(false) })
    } else if (filter === 'PERSONAL' || filter === 'INBOXES' || filter === 'SUBSCRIBED') {
      // Filters may deliver into any mailbox, so all of them are inboxes (§6.3).
      const which = filter === 'SUBSCRIBED' ? filter : 'PERSONAL'
      this.groups.push({ which, names: [], events: this.#events(false) })
    } else throw bad('There are no such mailboxes.')
  }

  #events(isSelected: boolean): Set<NotifyEvent> {
    const args = this.#args
    const events = new Set<NotifyEvent>()
    args.space()
    if (args.tryWord('NONE')) return events
    const count = args.list(() => {
      const name = args.word('An event')
      const event = names.get(name)
      if (event) events.add(event)
      else this.unknown = true
      if (name !== 'MESSAGENEW' || !args.rest.startsWith(' (')) return
      if (!isSelected) throw bad('Items to fetch go with SELECTED.')
      args.space()
      this.#items = readItemList(args)
    }).length
    if (count === 0) throw bad('Name the events, or write NONE.')
    if (events.has('MESSAGENEW') !== events.has('MESSAGEEXPUNGE'))
      throw bad('MessageNew and MessageExpunge go together.')
    if (events.has('FLAGCHANGE') && !events.has('MESSAGENEW'))
      throw bad('FlagChange goes with MessageNew and MessageExpunge.')
    return events
  }
}

/** Whether any of these events are of messages. */
export function hasMessageEvents(events: ReadonlySet<NotifyEvent>): boolean {
  return [...events].some(event => ofMessages.has(event))
}

/** Whether a group means a mailbox. */
export function covers(group: EventGroup, name: string, isSubscribed: boolean): boolean {
  switch (group.which) {
    case 'PERSONAL':
      return true
    case 'SUBSCRIBED':
      return isSubscribed
    case 'SUBTREE':
      return group.names.some(top => name === top || name.startsWith(`${top}.`))
    case 'MAILBOXES':
      return group.names.includes(name)
  }
}
