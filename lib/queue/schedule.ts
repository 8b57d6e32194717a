/** When to try again, when to warn, when to give up: pure, the clock and chance handed in. All times in milliseconds. */
import type { Envelope, Recipient } from './entry.js'

export interface Schedule {
  /** The wait after the first failed attempt; it doubles with each further one. */
  readonly firstRetry: number
  /** The longest wait. */
  readonly lastRetry: number
  /** How long after its arrival an entry is given up. */
  readonly maxAge: number
  /** How long after its arrival the sender is warned that it is still here; 0 for never. */
  readonly warnAfter: number
}

const minute = 60_000
const hour = 60 * minute

export const defaultSchedule: Schedule = {
  firstRetry: minute,
  lastRetry: hour,
  maxAge: 5 * 24 * hour,
  warnAfter: 4 * hour,
}

/**
 * The time of the next attempt. A tenth is left to chance, so that what failed together does not come back together.
 *
 * @param attempts how many failed so far, at least 1
 * @param random between 0 and 1
 */
export function nextAttempt(schedule: Schedule, attempts: number, now: number, random: number): number {
  const { firstRetry, lastRetry } = schedule
  const wait = Math.min(lastRetry, firstRetry * 2 ** Math.min(attempts - 1, 30))
  return Math.round(now + wait * (0.95 + 0.1 * random))
}

/** Whether an entry has been here too long, or long enough for a warning. Held entries wait as long as they must. */
export function review(envelope: Envelope, schedule: Schedule, now: number): 'expired' | 'warn' | undefined {
  if (envelope.held !== undefined) return undefined
  if (now >= endOf(envelope, schedule)) return 'expired'
  return !envelope.warned && now >= warningAt(envelope, schedule) ? 'warn' : undefined
}

/** When {@link review} will say something new; Infinity when it will not. */
export function nextReview(envelope: Envelope, schedule: Schedule): number {
  if (envelope.held !== undefined) return Number.POSITIVE_INFINITY
  const end = endOf(envelope, schedule)
  return envelope.warned ? end : Math.min(warningAt(envelope, schedule), end)
}

/** When an entry is given up: when it is too old, or when its sender wanted it back. */
export function endOf({ arrived, by }: Envelope, { maxAge }: Schedule): number {
  return Math.min(arrived + maxAge, by?.mode === 'return' ? by.at : Number.POSITIVE_INFINITY)
}

/** When the sender is told that it is still here: when we like, or when the sender wanted to know. */
function warningAt({ arrived, by }: Envelope, { warnAfter }: Schedule): number {
  // One warning is given: where a time was named, it is that one.
  if (by?.mode === 'notify') return by.at
  return warnAfter === 0 ? Number.POSITIVE_INFINITY : arrived + warnAfter
}

/** Whether a recipient's sender wants to hear of this (RFC 3461 §4.1; without NOTIFY: of failures and delays). */
export function wantsReport(recipient: Recipient, kind: 'failure' | 'delay' | 'success'): boolean {
  return recipient.notify ? recipient.notify.includes(kind) : kind !== 'success'
}
