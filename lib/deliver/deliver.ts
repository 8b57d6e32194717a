/** Local delivery: one message, written once, into the mailboxes of one user or of many. */
import { accessSync, constants, existsSync } from 'node:fs'
import { directoryOf } from '../maildir/layout.js'
import { type Delivered, Delivery, makeMaildir, type Target } from '../maildir/maildir.js'
import type { Head } from '../message/head.js'
import { SmtpError } from '../smtp/reply.js'
import { describe, exits, isMissing, MailError, TemporaryError } from '../sys/error.js'
import { Plan, removeDelivered } from './plan.js'
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
  /** The address that the message was sent to, as the sender wrote it: what scripts see. The name, unless told. */
  readonly address?: string
  /** ORCPT and NOTIFY of RFC 3461, for scripts. */
  readonly original?: string
  readonly notify?: string
  /** The user's own quota, as Dovecot's users file writes it. */
  readonly quotaRule?: string
  /** Whether a refusal can be told for this recipient alone. Where it cannot, it is everybody's. */
  readonly refusable?: boolean
  /** Where mail goes that no script puts elsewhere, whatever the detail; the folder exists. */
  readonly folder?: string
}

/** A user of lib/auth, with the detail of the address, as a recipient. */
export function recipientOf(
  user: { readonly name: string; readonly home: string; readonly extra?: ReadonlyMap<string, string> },
  detail?: string,
): LocalRecipient {
  const { name, home, extra } = user
  const rule = extra?.get('userdb_quota_rule')
  return { name, maildir: `${home}/Maildir`, home, detail, ...(rule !== undefined && { quotaRule: rule }) }
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
  /** For scripts: who was logged in to send it, RET and ENVID of RFC 3461, the client's address. */
  readonly login?: string
  readonly ret?: string
  readonly envid?: string
  /** BY of RFC 2852, its time in milliseconds since 1970. */
  readonly by?: { readonly at: number; readonly mode: 'N' | 'R'; readonly trace: boolean }
  readonly client?: string
}

/** A message whose octets are in a file, in some tmp/, when it is asked where it goes. */
export interface Written {
  readonly envelope: LocalEnvelope
  readonly head: Head
  /** The whole file, its lines ending in LF. */
  readonly path: string
  /** Octets with line ends counted as CRLF. */
  readonly size: number
  /** Octets on disk. */
  readonly storedSize: number
  /** All of it, where it is at hand. */
  readonly octets?: Buffer | undefined
}

/**
 * Says what becomes of a message for one recipient: the place of the user's filters. An empty list throws it away.
 * Nothing has happened yet when it returns.
 *
 * @throws SmtpError to refuse the message; a temporary MailError to be asked again later
 */
export type Placement = (recipient: LocalRecipient, message: Written) => Promise<Placed> | Placed

/** Where the message itself goes, or all that is to be done. */
export type Placed = readonly Target[] | Plan

/** Into the INBOX, whatever it is. */
export const intoInbox: Placement = ({ maildir }) => [{ maildir }]

/** Into one folder, which is made where it is missing. @throws MailError (73) for a name that no folder can have */
export function intoFolder(folder: string): Placement {
  folderDirectory(folder)
  return async ({ maildir }) => [{ maildir: await makeFolder(maildir, folder) }]
}

/** @returns the Maildir of a folder, which is made where it is missing @throws MailError (73), TemporaryError */
export async function makeFolder(maildir: string, folder: string): Promise<string> {
  const directory = folderDirectory(folder)
  if (directory === '') return maildir
  const path = `${maildir}/${directory}`
  if (!existsSync(`${path}/tmp`)) await makeMaildir(path, true)
  return path
}

function folderDirectory(folder: string): string {
  try {
    return directoryOf(folder)
  } catch (error) {
    throw new MailError(describe(error), { exit: exits.cannotCreate })
  }
}

/** What came of a delivery. */
export interface Outcome {
  /** For each that got it, what was done: `stored INBOX`, `redirected to a@x`; empty where nothing is told. */
  readonly done: ReadonlyMap<LocalRecipient, readonly string[]>
  /** Those who did not, and could be refused alone, with the reason. */
  readonly refused: ReadonlyMap<LocalRecipient, MailError>
}

/** One message on its way to local mailboxes. End it with commit() or abort(). */
export class LocalDelivery {
  readonly #envelope: LocalEnvelope
  readonly #head: Head
  readonly #place: Placement
  readonly #refused = new Map<LocalRecipient, MailError>()
  readonly #plans = new Map<LocalRecipient, Plan>()
  /** Undefined where all are refused already. */
  #delivery: Delivery | undefined
  #prepared = false

  private constructor(envelope: LocalEnvelope, head: Head, place: Placement) {
    this.#envelope = envelope
    this.#head = head
    this.#place = place
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
    const { recipients, sender, alone } = envelope
    if (recipients.length === 0) throw new RangeError('a delivery needs a recipient')
    const local = new LocalDelivery(envelope, head, place)
    for (const recipient of recipients)
      await local.#unlessRefused(recipient, async () => {
        if (recipient.name !== undefined) refuseLoop(head, recipient.name)
        if (local.#delivery) await reach(recipient)
        else local.#delivery = await Delivery.begin(recipient.maildir)
      })
    const lines = traceLines(head, sender, alone ? recipients[0]?.name : undefined)
    if (lines !== '') await local.#delivery?.write(Buffer.from(lines))
    return local
  }

  /** Takes octets whose lines end in LF (CRLF is understood). @throws TemporaryError; the delivery is aborted then */
  async write(octets: Buffer): Promise<void> {
    await this.#delivery?.write(octets)
  }

  /**
   * Does all that can fail, and nothing that shows: the octets are on disk, scripts have run, what goes out is
   * written.
   *
   * @throws what the placement threw for somebody who cannot be refused alone; nothing is left behind then
   */
  async prepare(): Promise<void> {
    if (this.#prepared || !this.#delivery) return
    this.#prepared = true
    try {
      await this.#delivery.stage()
      await this.#plan(this.#delivery)
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  /**
   * Makes the message appear where it goes; it is on disk when this returns.
   *
   * @throws TemporaryError when somebody does not get it who was to; nobody does then
   */
  async commit(): Promise<Outcome> {
    await this.prepare()
    const plans = [...this.#plans.values()]
    // Once a folder: a plain keep and a marked copy there are one file, the marked one.
    const targets = new Map<string, Target>()
    for (const target of plans.flatMap(plan => plan.targets)) {
      const flags = target.flags ?? targets.get(target.maildir)?.flags
      targets.set(target.maildir, flags === undefined ? target : { ...target, flags })
    }
    let delivered: readonly Delivered[] = []
    try {
      if (targets.size > 0) delivered = (await this.#delivery?.commit([...targets.values()])) ?? []
      for (const plan of plans) await plan.commit()
    } catch (error) {
      removeDelivered(delivered)
      await this.abort()
      throw error
    }
    await this.#delivery?.abort()
    for (const plan of plans) await plan.end()
    const done = new Map([...this.#plans].map(([recipient, { steps }]) => [recipient, steps]))
    this.#plans.clear()
    return { done, refused: this.#refused }
  }

  /** Leaves nothing behind; harmless after commit(). */
  async abort(): Promise<void> {
    await this.#delivery?.abort()
    const plans = [...this.#plans.values()]
    this.#plans.clear()
    for (const plan of plans) await plan.undo()
  }

  async #plan(delivery: Delivery): Promise<void> {
    const { temporary, size, storedSize } = delivery
    const message: Written = {
      envelope: this.#envelope,
      head: this.#head,
      path: temporary,
      size,
      storedSize,
      get octets() {
        return delivery.octets
      },
    }
    for (const recipient of inOrder(this.#envelope.recipients)) {
      if (this.#refused.has(recipient)) continue
      await this.#unlessRefused(recipient, async () => {
        const placed = await this.#place(recipient, message)
        this.#plans.set(recipient, placed instanceof Plan ? placed : planOf(placed))
      })
    }
  }

  /** Does something for one recipient; one who can be refused alone is, where it fails. */
  async #unlessRefused(recipient: LocalRecipient, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!recipient.refusable || !(error instanceof MailError)) throw error
      this.#refused.set(recipient, error)
    }
  }
}

function planOf(targets: readonly Target[]): Plan {
  const plan = new Plan()
  plan.targets.push(...targets)
  return plan
}

/** Always the same order of users: two deliveries that hold what belongs to each never wait for each other. */
function inOrder(recipients: readonly LocalRecipient[]): readonly LocalRecipient[] {
  if (recipients.length < 2) return recipients
  return [...recipients].sort((a, b) => (a.maildir < b.maildir ? -1 : a.maildir > b.maildir ? 1 : 0))
}

/** Makes sure that a mailbox can be written, so that one that cannot is not in the way of the others. */
async function reach({ maildir, refusable }: LocalRecipient): Promise<void> {
  if (!refusable) return
  try {
    accessSync(`${maildir}/new`, constants.W_OK | constants.X_OK)
  } catch (error) {
    if (!isMissing(error)) throw new TemporaryError(`cannot deliver to ${maildir}`, { cause: error })
    await makeMaildir(maildir)
  }
}

function refuseLoop(head: Head, name: string): void {
  if (loopsAt(head, name))
    throw new SmtpError(554, '5.4.6', `The message was delivered to ${name} before: it goes in circles`)
}
