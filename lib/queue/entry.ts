/**
 * One queued message: its envelope, the files it consists of, and every state they may be found in.
 *
 * In `mail/` of the queue's directory an entry with the identifier ID is up to four files:
 *
 *     ID.message    the octets of the message, written once, never changed
 *     ID.envelope   one line of JSON, replaced whole by rename; that it exists is what "accepted" means
 *     ID.claim      a hard link to the file of the process that works on the entry (see claim.ts)
 *     ID.dialogue   what was said in failed attempts, a line of JSON each; nothing depends on it
 *
 * | state     | message | envelope | claim | what it is, and what a process that finds it does            |
 * |-----------|---------|----------|-------|---------------------------------------------------------------|
 * | draft     | yes     | no       | no    | being received, or left by a process that died; not accepted. |
 * |           |         |          |       | Removed when nobody wrote to it for a day.                    |
 * | leftover  | yes     | no       | any   | finished, its removal was cut short; treated as a draft       |
 * | waiting   | yes     | yes      | no    | accepted; tried when its next time comes                      |
 * | under way | yes     | yes      | live  | somebody works on it: left alone                              |
 * | abandoned | yes     | yes      | dead  | its worker died: the claim is taken over, the entry is        |
 * |           |         |          |       | waiting again. Only what the dead worker had not yet had      |
 * |           |         |          |       | answered, or had not yet written down, is sent again.         |
 * | broken    | no      | yes      | any   | never made by us (a restored backup, say): moved to broken/   |
 * | broken    | any     | garbage  | any   | the same                                                      |
 *
 * Order makes these the only states. Accepting: message written and synced, envelope written beside it under a dotted
 * name and synced, renamed, directory synced, and then answered. Changing: a new envelope, synced and renamed over the
 * old one. Removing: envelope, directory synced, then the rest. A file whose name begins with a dot is an envelope
 * half written; it is removed when a day old.
 *
 * A report that is owed (a bounce, a warning) stands in the envelope before it is made, and its entry's identifier is
 * made of this entry's and a number; a worker that dies in between makes it once more under the same name.
 */
import { randomInt } from 'node:crypto'

export type Notify = 'never' | 'success' | 'failure' | 'delay'

/** The last word on a recipient: the reply of a server, or our own in the same form. */
export interface Said {
  /** When, in milliseconds since 1970. */
  readonly at: number
  /** RFC 5321 §4.2: 250, 451, 550 … */
  readonly code: number
  /** RFC 3463: 2.0.0, 4.4.1, 5.1.1 … */
  readonly status: string
  readonly text: string
  /** The host whose reply it is; absent when we say so ourselves. */
  readonly host?: string
}

/**
 * waiting: to be tried at `due`; delivered: here, in a mailbox; relayed: handed to a server that knows no delivery
 * reports; passed: handed to a server that will report itself; failed: given up.
 */
export type RecipientState = 'waiting' | 'delivered' | 'relayed' | 'passed' | 'failed'

export interface Recipient {
  readonly address: string
  /** ORCPT, its xtext decoded: `rfc822;first@example.org` (RFC 3461 §4.2). */
  readonly original?: string
  /** NOTIFY; absent means failure, and delay where we like (RFC 3461 §4.1). */
  readonly notify?: readonly Notify[]
  readonly state: RecipientState
  /** When it is tried next, in milliseconds since 1970. */
  readonly due: number
  readonly attempts: number
  readonly said?: Said
}

/** Which report is owed to the sender, about which recipients (by address). */
export interface Owed {
  readonly kind: ReportKind
  readonly number: number
  readonly recipients: readonly string[]
}

export type ReportKind = 'failure' | 'delay' | 'success'

export interface Envelope {
  /** When it was accepted, in milliseconds since 1970. */
  readonly arrived: number
  /** The reverse-path; empty is the null one. */
  readonly sender: string
  readonly recipients: readonly Recipient[]
  /** Octets of the message as it is stored, and as it is on the wire, its lines ending in CRLF. */
  readonly size: number
  readonly wireSize: number
  /** ENVID, its xtext decoded, and RET (RFC 3461 §4.3, §4.4). */
  readonly envid?: string
  readonly ret?: 'full' | 'headers'
  /** SMTPUTF8 was asked for (RFC 6531). */
  readonly utf8?: boolean
  /** REQUIRETLS was asked for (RFC 8689). */
  readonly requireTls?: boolean
  /** When it is to be there, in milliseconds since 1970, and what happens if it is not (RFC 2852 §4). */
  readonly by?: By
  /** Where it came from, for people: `smtp root@pve [10.0.0.7]`, `mail-send uid 1000`. */
  readonly origin?: string
  /** The login that submitted it. */
  readonly login?: string
  /** Why it is held; held entries are not tried, and do not grow too old. */
  readonly held?: string
  /** Whether the sender was warned of the delay. */
  readonly warned?: boolean
  /** Whether a copy is in the Sent folder of the login. */
  readonly filed?: boolean
  /** Set on what we wrote ourselves: a report, or the report of a report that failed. */
  readonly report?: 'report' | 'double'
  /** How many reports were made for this entry, and those not made yet. */
  readonly reports?: number
  readonly owed?: readonly Owed[]
}

/** A time by which a message is to be there (RFC 2852). */
export interface By {
  /** In milliseconds since 1970. */
  readonly at: number
  /** What happens when it has passed: the sender is told, or the message goes back. */
  readonly mode: 'notify' | 'return'
  /** Whether the sender wants to hear of each server that it is handed to. */
  readonly trace?: boolean
}

/** What somebody who hands a message in says of it; the queue adds the rest. */
export type Submission = Omit<
  Envelope,
  'arrived' | 'recipients' | 'size' | 'wireSize' | 'filed' | 'reports' | 'owed'
> & {
  readonly arrived?: number
  readonly recipients: readonly Pick<Recipient, 'address' | 'original' | 'notify'>[]
}

export interface Entry {
  readonly id: string
  readonly envelope: Envelope
}

const identifier = /^[0-9a-z]{14}(?:-[0-9a-z]{1,4}){0,4}$/

/** A new identifier: the time in milliseconds and chance, in base 36, so that names sort by age. */
export function newIdentifier(now: number): string {
  return (
    now.toString(36).padStart(8, '0') +
    randomInt(36 ** 6)
      .toString(36)
      .padStart(6, '0')
  )
}

export function isIdentifier(text: string): boolean {
  return identifier.test(text)
}

/** The identifier of the report with this number about an entry. */
export function reportIdentifier(id: string, number: number): string {
  return `${id}-${number.toString(36)}`
}

/** Whether nothing is left to be done for an entry. */
export function isFinished(envelope: Envelope): boolean {
  return !envelope.owed?.length && envelope.recipients.every(({ state }) => state !== 'waiting')
}

/** When an entry wants attention, in milliseconds since 1970; Infinity while it is held. */
export function dueAt(envelope: Envelope): number {
  if (envelope.held !== undefined) return Number.POSITIVE_INFINITY
  if (envelope.owed?.length || isFinished(envelope)) return 0
  const waiting = envelope.recipients.filter(({ state }) => state === 'waiting')
  return Math.min(...waiting.map(({ due }) => due))
}

/** What a submission becomes when it is accepted. */
export function envelopeOf(
  submission: Submission,
  sizes: Pick<Envelope, 'size' | 'wireSize'>,
  now: number,
): Envelope {
  const { recipients, arrived = now, ...rest } = submission
  return {
    ...rest,
    arrived,
    ...sizes,
    recipients: [...new Map(recipients.map(each => [each.address, each])).values()].map(recipient => ({
      ...recipient,
      state: 'waiting',
      due: now,
      attempts: 0,
    })),
  }
}
