/** What answers make of an envelope: pure. */
import type { Envelope, Owed, Recipient, RecipientState, ReportKind, Said } from '../queue/entry.js'
import { endOf, nextAttempt, type Schedule, wantsReport } from '../queue/schedule.js'

/** What became of one recipient in an attempt. */
export interface Outcome {
  readonly state: RecipientState
  readonly said: Said
  /** Whether the sender is told that it was handed on, whoever asked for reports of success (RFC 2852 §4). */
  readonly handed?: boolean
}

export interface Circumstances {
  readonly schedule: Schedule
  readonly now: number
  /** Between 0 and 1. */
  readonly random: number
}

/** Enters the outcomes, by address, and what reports are owed for them. */
export function settle(
  envelope: Envelope,
  outcomes: ReadonlyMap<string, Outcome>,
  { schedule, now, random }: Circumstances,
): Envelope {
  const changed: Recipient[] = []
  const handed = new Set<Recipient>()
  const recipients = envelope.recipients.map(recipient => {
    const outcome = recipient.state === 'waiting' ? outcomes.get(recipient.address) : undefined
    if (!outcome) return recipient
    const attempts = recipient.attempts + 1
    const due = outcome.state === 'waiting' ? nextAttempt(schedule, attempts, now, random) : recipient.due
    const next = { ...recipient, state: outcome.state, said: outcome.said, attempts, due }
    changed.push(next)
    if (outcome.handed) handed.add(next)
    return next
  })
  const failed = changed.filter(each => each.state === 'failed' && wantsReport(each, 'failure'))
  const done = changed.filter(each =>
    handed.has(each)
      ? !each.notify?.includes('never')
      : (each.state === 'delivered' || each.state === 'relayed') && wantsReport(each, 'success'),
  )
  return owe(owe({ ...envelope, recipients }, 'failure', failed), 'success', done)
}

/** Gives up on all who still wait. */
export function expire(envelope: Envelope, schedule: Schedule, now: number): Envelope {
  const age = ageOf(endOf(envelope, schedule) - envelope.arrived)
  const outcomes = new Map(
    envelope.recipients.map(({ address, said }): [string, Outcome] => {
      const last = said ? `; the last answer was ${said.code} ${said.status} ${said.text}` : ''
      const text = `could not be delivered within ${age}${last}`
      const host = said?.host === undefined ? {} : { host: said.host }
      return [
        address,
        { state: 'failed', said: { at: said?.at ?? now, code: 554, status: '5.4.7', text, ...host } },
      ]
    }),
  )
  return settle(envelope, outcomes, { schedule, now, random: 0 })
}

/**
 * Owes the warning that the message is late, to those who want it, and notes that it was given. A time to be told by is
 * a wish to be told (RFC 2852 §4): only NOTIFY=NEVER is stronger.
 */
export function warn(envelope: Envelope): Envelope {
  const wants = (each: Recipient) =>
    envelope.by?.mode === 'notify' ? !each.notify?.includes('never') : wantsReport(each, 'delay')
  const late = envelope.recipients.filter(each => each.state === 'waiting' && wants(each))
  return { ...owe(envelope, 'delay', late), warned: true }
}

function owe(envelope: Envelope, kind: ReportKind, about: readonly Recipient[]): Envelope {
  if (about.length === 0) return envelope
  const number = (envelope.reports ?? 0) + 1
  const owed: Owed = { kind, number, recipients: about.map(({ address }) => address) }
  return { ...envelope, reports: number, owed: [...(envelope.owed ?? []), owed] }
}

/** Notes a report as made. */
export function paid(envelope: Envelope, number: number): Envelope {
  const { owed = [], ...rest } = envelope
  const left = owed.filter(each => each.number !== number)
  return left.length > 0 ? { ...rest, owed: left } : rest
}

/** Moves recipients to a later time without counting an attempt. */
export function postpone(
  envelope: Envelope,
  addresses: ReadonlySet<string>,
  said: Said,
  due?: number,
): Envelope {
  const recipients = envelope.recipients.map(each =>
    each.state === 'waiting' && addresses.has(each.address) ? { ...each, said, due: due ?? each.due } : each,
  )
  return { ...envelope, recipients }
}

function ageOf(milliseconds: number): string {
  const units: [number, string][] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1_000, 'second'],
  ]
  const [length, name] = units.find(([unit]) => milliseconds >= unit) ?? [1, 'millisecond']
  const count = Math.round(milliseconds / length)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
