/** Local delivery: one message, written once, into the mailboxes of one user or of many. */
import { existsSync } from 'node:fs'
import { directoryOf } from '../maildir/layout.js'
import { Delivery, makeMaildir, type Target } from '../maildir/maildir.js'
import type { Head } from '../message/head.js'
import { SmtpError } from '../smtp/reply.js'
import { describe, exits, MailError } from '../sys/error.js'
import { loopsAt, traceLines } from './trace.js'

/** Somebody here whom a message is for. */
export interface LocalRecipient {
  /** `local@domain`, for Delivered-To; undefined where there is a Maildir and no user. */
  readonly name: string | undefined
  /** The Maildir that is the INBOX. */
  readonly maildir: string
  /** Where the user's scripts are; undefined where there is no user. */
  readonly home: string | undefined
  /** What stood behind "+" in the local part. */
  readonly detail: string | undefined
}

/** A user of lib/auth, with the detail of the address, as a recipient. */
export function recipientOf(
  user: { readonly name: string; readonly home: string },
  detail?: string,
): LocalRecipient {
  return { name: user.name, maildir: `${user.home}/Maildir`, home: user.home, detail }
}

/** The envelope of a local delivery. */
export interface LocalEnvelope {
  /** The reverse-path, empty for bounces; undefined where nobody told, and the header's own Return-Path counts. */
  readonly sender: string | undefined
  /** Each user once. */
  readonly recipients: readonly LocalRecipient[]
  /**
   * Whether nobody else gets the message: Delivered-To is written then. A file that several share by hard links
   * cannot name each of them, and must not name the others (they may be blind copies).
   */
  readonly alone: boolean
}

/** A message whose octets are on disk, in some tmp/, when it is asked where it goes. */
export interface Written {
  readonly envelope: LocalEnvelope
  readonly head: Head
  /** The whole file, its lines ending in LF. */
  readonly path: string
  /** Octets with line ends counted as CRLF. */
  readonly size: number
}

/**
 * Says where a message goes for one recipient: the place of the user's filters. An empty list throws it away.
 *
 * @throws SmtpError to refuse the message; a temporary MailError to be asked again later
 */
export type Placement = (
  recipient: LocalRecipient,
  message: Written,
) => Promise<readonly Target[]> | readonly Target[]

/** Into the INBOX, whatever it is. */
export const intoInbox: Placement = ({ maildir }) => [{ maildir }]

/** Into one folder, which is made where it is missing. @throws MailError (73) for a name that no folder can have */
export function intoFolder(folder: string): Placement {
  const directory = folderDirectory(folder)
  if (directory === '') return intoInbox
  return async ({ maildir }) => {
    const path = `${maildir}/${directory}`
    if (!existsSync(`${path}/tmp`)) await makeMaildir(path, true)
    return [{ maildir: path }]
  }
}

function folderDirectory(folder: string): string {
  try {
    return directoryOf(folder)
  } catch (error) {
    throw new MailError(describe(error), { exit: exits.cannotCreate })
  }
}

/** One message on its way to local mailboxes. End it with commit() or abort(). */
export class LocalDelivery {
  readonly #envelope: LocalEnvelope
  readonly #head: Head
  readonly #place: Placement
  readonly #delivery: Delivery

  private constructor(envelope: LocalEnvelope, head: Head, place: Placement, delivery: Delivery) {
    this.#envelope = envelope
    this.#head = head
    this.#place = place
    this.#delivery = delivery
  }

  /**
   * Opens the file and writes the trace lines; the header that the caller wants to pass on, and the body, follow.
   *
   * @param head the message's header as it came, to look for loops in; nothing of it is written
   * @throws SmtpError 554 5.4.6 for a message that has been here before
   * @throws TemporaryError for whatever the system refuses
   */
  static async begin(
    envelope: LocalEnvelope,
    head: Head,
    place: Placement = intoInbox,
  ): Promise<LocalDelivery> {
    const [first] = envelope.recipients
    if (!first) throw new RangeError('a delivery needs a recipient')
    for (const { name } of envelope.recipients) if (name !== undefined) refuseLoop(head, name)
    const delivery = await Delivery.begin(first.maildir)
    const lines = traceLines(head, envelope.sender, envelope.alone ? first.name : undefined)
    if (lines !== '') await delivery.write(Buffer.from(lines))
    return new LocalDelivery(envelope, head, place, delivery)
  }

  /** Takes octets whose lines end in LF (CRLF is understood). @throws TemporaryError; the delivery is aborted then */
  write(octets: Buffer): Promise<void> {
    return this.#delivery.write(octets)
  }

  /** Brings the octets to disk, so that little is left that could fail. */
  prepare(): Promise<void> {
    return this.#delivery.sync()
  }

  /**
   * Makes the message appear where it goes, everywhere or nowhere; it is on disk when this returns.
   *
   * @throws TemporaryError, or what the placement threw; nothing is left behind then
   */
  async commit(): Promise<void> {
    try {
      await this.#delivery.sync()
      const targets = await this.#targets()
      if (targets.length > 0) await this.#delivery.commit(targets)
    } finally {
      await this.#delivery.abort()
    }
  }

  /** Leaves nothing behind. */
  abort(): Promise<void> {
    return this.#delivery.abort()
  }

  async #targets(): Promise<Target[]> {
    const { temporary, size } = this.#delivery
    const message: Written = { envelope: this.#envelope, head: this.#head, path: temporary, size }
    const places = new Map<string, Target>()
    for (const recipient of this.#envelope.recipients)
      for (const target of await this.#place(recipient, message))
        places.set(`${target.flags ?? ''} ${target.maildir}`, target)
    return [...places.values()]
  }
}

function refuseLoop(head: Head, name: string): void {
  if (loopsAt(head, name))
    throw new SmtpError(554, '5.4.6', `The message was delivered to ${name} before: it goes in circles`)
}
