/** What comes into a user's mailboxes and what goes, counted against the quota (quota.ts). */
import { Flag } from '../message/flags.js'
import { describe } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { MailboxError } from './folders.js'
import { storedSizeOf } from './message.js'
import type { Quota, Usage } from './quota.js'
import type { State } from './state.js'

/** Octets on disk by UID. */
type Weights = ReadonlyMap<number, number>

export class Charges {
  readonly #quota: Quota
  readonly #state: State

  constructor(quota: Quota, state: State) {
    this.#quota = quota
    this.#state = state
  }

  /** Whether anybody counts. */
  get isKept(): boolean {
    return this.#quota.isKept
  }

  /** @throws MailboxError overQuota when so much more does not fit */
  require(more: Usage): void {
    if (this.#quota.isLimited && !this.#quota.fits(more, this.#state.clock()))
      throw new MailboxError('overQuota', 'the mail of this user is as much as it may be')
  }

  /** Notes what came, or with negative numbers went. What was done stays done, even if it cannot be noted. */
  async note(change: Usage): Promise<void> {
    if (change.messages === 0 && change.octets === 0) return
    try {
      await this.#quota.add(change)
    } catch (error) {
      this.#state.log.warning('quota-not-noted', { mailbox: this.#state.name, error: describe(error) })
    }
  }

  /** Notes that messages went. */
  noteGone(weights: Weights, gone: readonly number[]): Promise<void> {
    const went = gone.filter(uid => weights.has(uid))
    return this.note({
      octets: -went.reduce((sum, uid) => sum + (weights.get(uid) ?? 0), 0),
      messages: -went.length,
    })
  }
}

/** How much each of these messages takes; those that are gone are left out. */
export async function weigh(state: State, uids: ArrayLike<number>, deletedOnly = false): Promise<Weights> {
  const weights = new Map<number, number>()
  const pacer = new Pacer()
  for (let i = 0; i < uids.length; i++) {
    const uid = uids[i] as number
    const row = state.table.find(uid)
    if (row < 0 || (deletedOnly && ((state.table.masks[row] ?? 0) & Flag.deleted) === 0)) continue
    const size = storedSizeOf(state, uid)
    if (size !== undefined) weights.set(uid, size)
    if (pacer.isOver) await pacer.rest()
  }
  return weights
}

/** The sum of all. */
export function totalOf(weights: Weights): Usage {
  let octets = 0
  for (const size of weights.values()) octets += size
  return { octets, messages: weights.size }
}
