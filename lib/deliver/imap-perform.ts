/** What the outcome of a script does to a message that is in a mailbox already (RFC 6785 §3). */
import { randomBytes } from 'node:crypto'
import type { Account } from '../mailbox/account.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Action, Outcome, StoreAction } from '../sieve/action.js'
import { compose } from '../sieve/compose/compose.js'
import type { Context } from '../sieve/context.js'
import { isStore } from '../sieve/result.js'
import { describe, MailError } from '../sys/error.js'
import type { FilterOptions } from './filters.js'
import { withoutReturnPath } from './perform.js'
import type { OutgoingDraft } from './plan.js'
import { runProgram } from './programs.js'
import { ScriptMaildir } from './script-maildir.js'

/** The message, and where it is. */
export interface ImapMessage {
  readonly account: Account
  readonly mailbox: Mailbox
  readonly uid: number
  readonly context: Context
}

export class ImapPerformer {
  readonly #options: FilterOptions
  readonly #at: ImapMessage
  readonly #told = new Set<string>()
  readonly #notes: string[] = []
  readonly #drafts: OutgoingDraft[] = []

  constructor(options: FilterOptions, at: ImapMessage) {
    this.#options = options
    this.#at = at
  }

  /** @returns what could not be done; the message is then left as it is */
  async perform(outcome: Outcome): Promise<readonly string[]> {
    try {
      for (const action of outcome.actions) await this.#do(action)
      for (let draft = this.#drafts[0]; draft; draft = this.#drafts[0]) {
        await draft.commit()
        this.#drafts.shift()
      }
      await this.#mark(outcome)
    } catch (error) {
      for (const draft of this.#drafts) await draft.abort()
      if (!(error instanceof MailError)) throw error
      this.#notes.push(`error: ${describe(error)}; the message is left as it is`)
    }
    return this.#notes
  }

  async #do(action: Action): Promise<void> {
    switch (action.type) {
      case 'store':
        return this.#copy(action)
      case 'pipe':
        return this.#pipe(action)
      default:
        return this.#send(action)
    }
  }

  /** A message of its own, also where it goes into the mailbox that it is in (§3.3); no event comes of it. */
  async #copy(store: StoreAction): Promise<void> {
    const { account, mailbox, uid } = this.#at
    const wanted = new ScriptMaildir(account.root).wanted(store)
    if (!account.has(wanted)) {
      if (!store.create) throw new MailError(`there is no mailbox ${wanted} to store into`)
      await account.create(wanted)
    }
    const target = await account.open(wanted)
    try {
      const delivery = await target.begin()
      await delivery.write(store.message.octets)
      const date = mailbox.date(uid)
      await target.append([{ delivery, flags: store.flags, ...(date !== undefined && { date }) }])
    } finally {
      target.close()
    }
  }

  async #pipe({ program, args, message, try: mayFail }: Extract<Action, { type: 'pipe' }>): Promise<void> {
    const { programs } = this.#options
    const call = { program, args, input: message.octets }
    const result = programs === undefined ? undefined : await runProgram(programs, call)
    if (!result?.ok && !mayFail) throw new MailError(`the program ${program} failed`)
  }

  async #send(action: Action): Promise<void> {
    const { context } = this.#at
    const unique = `${context.now.toString(36)}.${randomBytes(9).toString('hex')}`
    const { sent, refused } = compose(action, context, { unique }, this.#told)
    const { outbox } = this.#options
    if (refused !== undefined) throw new MailError(`${action.type}: ${refused}`)
    if (sent.length > 0 && !outbox)
      throw new MailError(`${action.type}: nothing is sent from here, since the configuration has no [relay]`)
    for (const message of sent) {
      const data = action.type === 'redirect' ? withoutReturnPath(message.data) : message.data
      if (outbox) this.#drafts.push(await outbox.begin({ ...message, data }))
    }
  }

  /** The flags that a kept message is to have; one that is not kept is marked as deleted (§2.2.4). */
  async #mark({ actions, implicitKeep, keep }: Outcome): Promise<void> {
    const { mailbox, uid, context } = this.#at
    const kept = actions.find(action => isStore(action) && action.type === 'keep') as StoreAction | undefined
    if (!kept && !implicitKeep) {
      await mailbox.store([uid], { mode: 'add', flags: ['\\Deleted'] })
      return
    }
    const flags = kept?.flags ?? keep.flags
    if (!sameFlags(flags, context.flags ?? [])) await mailbox.store([uid], { mode: 'replace', flags })
  }
}

function sameFlags(a: readonly string[], b: readonly string[]): boolean {
  const fold = (flags: readonly string[]) =>
    [...new Set(flags.map(flag => flag.toLowerCase()))]
      .filter(flag => flag !== '\\recent')
      .sort()
      .join(' ')
  return fold(a) === fold(b)
}
