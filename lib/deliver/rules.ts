/**
 * What every message for a user goes through: memory of Message-IDs, scripts, the folder of a detail, quota. A user
 * for whom nothing of it is turned on costs one look for a script.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { limitsOf, Quota, type QuotaLimits } from '../mailbox/quota.js'
import { canonicalName, directoryOf, folderOf } from '../maildir/layout.js'
import type { Target } from '../maildir/maildir.js'
import { SmtpError } from '../smtp/reply.js'
import { describe, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { LocalRecipient, Placed, Written } from './deliver.js'
import { Claim, Memory } from './memory.js'
import { Plan } from './plan.js'

/** Runs scripts; {@link Filters} does. */
export interface Filtering {
  /**
   * @param inbox where `keep` keeps
   * @returns undefined where there are no scripts @throws SmtpError, TemporaryError
   */
  plan(recipient: LocalRecipient, message: Written, inbox: string, claim: Claim): Promise<Plan | undefined>
}

export interface RuleOptions {
  /** What `user+detail` comes to. */
  readonly detail: 'ignore' | 'folder'
  /** How long a Message-ID is remembered, in milliseconds; 0 is not at all. */
  readonly duplicates: number
  readonly overQuota: 'reject' | 'defer'
  readonly quota: QuotaLimits
  /** Whether the site has scripts for everybody. */
  readonly scripts: boolean
  /** Made when the first script is met: who has none does not wait for the engine. */
  readonly filters: () => Promise<Filtering>
  readonly log: Log
  readonly clock: () => number
}

export class Rules {
  readonly options: RuleOptions

  constructor(options: RuleOptions) {
    this.options = options
  }

  /** A Placement. @throws SmtpError for a message that is refused, TemporaryError */
  place = async (recipient: LocalRecipient, message: Written): Promise<Placed> => {
    const { home, maildir } = recipient
    const inbox = this.folderFor(recipient)
    if (home === undefined) return [targetIn(maildir, inbox)]
    const claim = new Claim(home)
    try {
      const plan = await this.#plan(recipient, message, inbox, claim)
      plan.release.push(() => claim.release())
      return plan
    } catch (error) {
      claim.release()
      throw error
    }
  }

  async #plan(recipient: LocalRecipient, message: Written, inbox: string, claim: Claim): Promise<Plan> {
    const id = this.messageKey(message)
    const { duplicates, clock } = this.options
    const held = id === undefined ? undefined : await claim.hold()
    if (id !== undefined && held?.has(id, clock())) {
      const dropped = new Plan()
      dropped.steps.push('dropped: a duplicate')
      return dropped
    }
    const plan = (await this.#filtered(recipient, message, inbox, claim)) ?? simply(recipient.maildir, inbox)
    try {
      await this.#charge(plan, recipient, message)
    } catch (error) {
      await plan.undo()
      throw error
    }
    if (id !== undefined && held) plan.finish.push(() => held.add(id, clock() + duplicates, clock()))
    return plan
  }

  /** Whether scripts are to be run for a user. */
  hasScripts({ home }: LocalRecipient): boolean {
    if (home === undefined) return false
    return this.options.scripts || statSync(`${home}/.dovecot.sieve`, { throwIfNoEntry: false }) !== undefined
  }

  async #filtered(
    recipient: LocalRecipient,
    message: Written,
    inbox: string,
    claim: Claim,
  ): Promise<Plan | undefined> {
    if (!this.hasScripts(recipient)) return undefined
    try {
      const filters = await this.options.filters()
      return await filters.plan(recipient, message, inbox, claim)
    } catch (error) {
      if (error instanceof SmtpError || (error instanceof MailError && error.temporary)) throw error
      // Whatever it is, a bug of ours too: the message is kept as if there were no script.
      const reason = error instanceof MailError ? describe(error) : String((error as Error).stack ?? error)
      this.options.log.error('filter-failed', { mailbox: recipient.name, reason })
      return undefined
    }
  }

  /** What the message is remembered by, where messages are. */
  messageKey({ head }: Pick<Written, 'head'>): string | undefined {
    if (this.options.duplicates === 0) return undefined
    const field = head.fields.find(({ key }) => key === 'message-id')
    const id = field ? head.header.value(field).trim() : ''
    return id === '' ? undefined : Memory.key('message-id', id)
  }

  /** The user's quota; undefined without limits. */
  quotaOf({ maildir, quotaRule }: LocalRecipient): Quota | undefined {
    const limits = limitsOf(quotaRule, this.options.quota)
    return limits.octets === undefined && limits.messages === undefined
      ? undefined
      : new Quota(maildir, limits)
  }

  /** @throws SmtpError where the mailbox is full */
  async #charge(plan: Plan, recipient: LocalRecipient, { storedSize }: Written): Promise<void> {
    const quota = this.quotaOf(recipient)
    const messages = plan.targets.length + plan.copies.length
    if (!quota || messages === 0) return
    const copies = plan.copies.reduce((sum, { delivery }) => sum + delivery.storedSize, 0)
    const more = { octets: plan.targets.length * storedSize + copies, messages }
    if (!quota.fits(more, this.options.clock())) throw overQuota(this.options.overQuota)
    plan.finish.push(() => quota.add(more))
  }

  /** Where mail for a recipient goes that no script puts elsewhere. */
  folderFor({ detail, maildir, folder }: LocalRecipient): string {
    if (folder !== undefined) return canonicalName(folder)
    if (this.options.detail === 'ignore' || detail === undefined || detail === '') return 'INBOX'
    return existingFolder(maildir, detail) ?? 'INBOX'
  }
}

/** What a full mailbox answers (RFC 5321 §4.5.3.1.9, RFC 3463 §3.3). */
export function overQuota(policy: 'reject' | 'defer'): SmtpError {
  return policy === 'reject'
    ? new SmtpError(552, '5.2.2', 'The mailbox is full')
    : new SmtpError(452, '4.2.2', 'The mailbox is full at the moment; try again later')
}

function simply(maildir: string, folder: string): Plan {
  const plan = new Plan()
  plan.targets.push(targetIn(maildir, folder))
  plan.steps.push(`stored ${folder}`)
  return plan
}

function targetIn(maildir: string, folder: string): Target {
  const directory = directoryOf(folder)
  return { maildir: directory === '' ? maildir : `${maildir}/${directory}` }
}

/** The folder of that name, in any case where none has it exactly. Senders choose details: nothing is made for them. */
function existingFolder(maildir: string, name: string): string | undefined {
  try {
    if (existsSync(`${maildir}/${directoryOf(name)}/cur`)) return canonicalName(name)
    const wanted = name.toLowerCase()
    return readdirSync(maildir)
      .map(folderOf)
      .find(folder => folder?.toLowerCase() === wanted)
  } catch {
    // No name of a folder, or no Maildir yet.
    return undefined
  }
}
