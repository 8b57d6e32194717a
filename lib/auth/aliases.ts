/** Which mailboxes and outside addresses an address stands for: aliases(5), virtual addresses, +detail, catch-all. */
import type { User } from './users.js'

/** A mailbox here that a message goes to. */
export interface Local {
  readonly user: User
  /** What stood after `+` in the local part: `alice+shop@…` has `shop`; undefined without. As written. */
  readonly detail: string | undefined
}

/** What an address comes to. All lists are free of doubles. */
export interface Expansion {
  readonly users: readonly Local[]
  /** Addresses of other domains, as the aliases file writes them (or as asked, where no alias was involved). */
  readonly remote: readonly string[]
  /** Addresses of our domains that are nobody's: the asked one itself, or one that an alias names. */
  readonly unknown: readonly string[]
  /** An alias that leads back to itself: the chain of addresses, the first and the last being the same. */
  readonly loop: readonly string[] | undefined
  /** Whether some alias sends to /dev/null: with nothing else in the lists, the message is taken and thrown away. */
  readonly discard: boolean
}
