/** The actions of a run while they come together: which are the same, which exclude each other, when it is too many. */
import type { Action, RedirectAction, StoreAction } from './action.js'
import type { Settings } from './settings.js'

export class Result {
  readonly #settings: Settings
  /** Actions of the scripts before this one: done, as far as this one is concerned. */
  #done: Action[] = []
  #actions: Action[] = []
  /** Whether nothing yet said that the message should not be kept. */
  implicitKeep = true

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get actions(): readonly Action[] {
    return [...this.#done, ...this.#actions]
  }

  /** Whether the next script of a sequence is to be run: the message is still to be kept. */
  get keeps(): boolean {
    return this.implicitKeep || this.#actions.some(action => action.type === 'keep')
  }

  /**
   * Ends a script of a sequence that another one follows. What it did is done, but its `keep` is left to those that
   * follow: they may put the message elsewhere.
   */
  next(): void {
    if (this.keeps) this.#actions = this.#actions.filter(action => action.type !== 'keep')
    this.#done = [...this.#done, ...this.#actions]
    this.#actions = []
    this.implicitKeep = true
  }

  /** Drops what the running script wanted: it failed. */
  abandon(): void {
    this.#actions = []
    this.implicitKeep = true
  }

  /**
   * Takes an action.
   *
   * @returns what is wrong with it, if something is
   */
  add(action: Action): string | undefined {
    const problem = this.#conflict(action)
    if (problem !== undefined) return problem
    if (cancelsKeep(action)) this.implicitKeep = false
    if (this.#merge(action)) return undefined
    if (this.#settings.maxActions > 0 && this.#actions.length >= this.#settings.maxActions)
      return `total number of actions exceeds policy limit (${this.#settings.maxActions})`
    const redirects = this.#actions.filter(({ type }) => type === 'redirect').length
    if (action.type === 'redirect' && redirects >= this.#settings.maxRedirects)
      return `number of redirect actions exceeds policy limit (${this.#settings.maxRedirects})`
    this.#actions.push(action)
    return undefined
  }

  /** Finds an action that this one repeats, and makes one of both. */
  #merge(action: Action): boolean {
    switch (action.type) {
      case 'keep':
      case 'store':
        return this.#mergeStore(action)
      case 'redirect':
        return this.actions.some(other => other.type === 'redirect' && sameAddress(other, action))
      case 'discard':
        return this.#actions.some(other => other.type === 'discard')
      case 'reject':
      case 'vacation':
        // An earlier script of the sequence has answered already.
        return this.#done.some(({ type }) => type === 'reject' || type === 'vacation')
      default:
        return false
    }
  }

  /** One copy a mailbox (RFC 5228 §2.10.3); the flags given last win (RFC 5232 §3). */
  #mergeStore(action: StoreAction): boolean {
    for (const list of [this.#done, this.#actions]) {
      const i = list.findIndex(other => isStore(other) && sameMailbox(other, action))
      if (i < 0) continue
      const other = list[i] as StoreAction
      const { flags, create } = action
      const type = action.type === 'keep' ? 'keep' : other.type
      list[i] = { ...other, type, flags, create: create || other.create, copy: other.copy && action.copy }
      return true
    }
    return false
  }

  #conflict(action: Action): string | undefined {
    const others = this.#actions
    if (action.type === 'reject' && others.some(({ type }) => type === 'reject'))
      return 'duplicate reject action: a message can be rejected only once'
    if (action.type === 'vacation' && others.some(({ type }) => type === 'vacation'))
      return 'duplicate vacation action: a script may answer only once'
    for (const other of others) {
      const [reject, rest] = action.type === 'reject' ? [action, other] : [other, action]
      if (reject.type === 'reject' && (delivers(rest) || rest.type === 'vacation'))
        return `action conflict: the reject action and the ${nameOf(rest)} action exclude each other`
    }
    return undefined
  }
}

/** Whether an action stores the message. */
export function isStore(action: Action): action is StoreAction {
  return action.type === 'keep' || action.type === 'store'
}

function sameMailbox(a: StoreAction, b: StoreAction): boolean {
  const same = a.mailbox === b.mailbox || (isInbox(a.mailbox) && isInbox(b.mailbox))
  return same && a.specialUse === b.specialUse && a.mailboxId === b.mailboxId
}

/** INBOX is INBOX in any case (RFC 3501 §5.1). */
export function isInbox(mailbox: string): boolean {
  return mailbox.toUpperCase() === 'INBOX'
}

/** Domains are compared without case. */
function sameAddress(a: RedirectAction, b: RedirectAction): boolean {
  const fold = (address: string) => address.replace(/@[^@]*$/, domain => domain.toLowerCase())
  return fold(a.address) === fold(b.address)
}

function delivers(action: Action): boolean {
  return isStore(action) || action.type === 'redirect' || action.type === 'pipe'
}

function nameOf(action: Action): string {
  return action.type === 'store' ? 'fileinto' : action.type
}

/** RFC 5228 §2.10.2. */
function cancelsKeep(action: Action): boolean {
  switch (action.type) {
    case 'vacation':
    case 'notify':
    case 'report':
      return false
    case 'discard':
    case 'reject':
      return true
    default:
      return !action.copy
  }
}
