/**
 * From what scripts want to what is done: everything is prepared, and nothing has happened yet when this returns.
 * Whatever goes wrong, the message is kept as it came, and the user is told why.
 */
import { randomBytes } from 'node:crypto'
import { Delivery, type Target } from '../maildir/maildir.js'
import { Head } from '../message/head.js'
import type { Action, Fcc, Outcome, RejectAction } from '../sieve/action.js'
import { type Composed, compose, type Outgoing } from '../sieve/compose/compose.js'
import type { Context } from '../sieve/context.js'
import type { Version } from '../sieve/message.js'
import { formatProblem } from '../sieve/problem.js'
import { isInbox, isStore } from '../sieve/result.js'
import { SmtpError } from '../smtp/reply.js'
import { describe, MailError } from '../sys/error.js'
import type { LocalRecipient } from './deliver.js'
import type { Filtered, FilterOptions, OutgoingMessage } from './filters.js'
import { type Claim, Memory } from './memory.js'
import { Plan } from './plan.js'
import { runProgram } from './programs.js'
import { ScriptMaildir, type Store } from './script-maildir.js'
import { tellUser } from './sieve-log.js'

/** An action that cannot be performed. The message is kept. */
class Failed extends MailError {}

/**
 * Prepares what a run came to.
 *
 * @param inbox where `keep` keeps: INBOX, or the folder that the address named
 * @throws SmtpError where the message is refused, TemporaryError where nothing can be done now
 */
export async function prepare(
  filtered: Filtered,
  recipient: LocalRecipient,
  inbox: string,
  claim: Claim,
  options: FilterOptions,
): Promise<Plan> {
  const { outcome, context } = filtered
  const note = (lines: readonly string[]) => report(recipient, lines, context.now, options)
  if (outcome.errors.length > 0) note(outcome.errors.map(problem => `error: ${formatProblem(problem)}`))
  if (outcome.notes.length > 0) note(outcome.notes.map(each => `debug: ${each}`))
  let plan = new Plan()
  try {
    await new Performer(plan, { recipient, inbox, claim, context, options }).perform(outcome)
  } catch (error) {
    await plan.undo()
    // A refusal is what was wanted; what is temporary here is so for a message without scripts too.
    if (!(error instanceof MailError) || error instanceof SmtpError || error.temporary) throw error
    note([`error: ${describe(error)}; the message is kept`])
    plan = new Plan()
    await keepAsItCame(plan, recipient, inbox)
  }
  for (const { handle, id, seconds } of outcome.duplicates) {
    const key = Memory.key('duplicate', handle, id)
    plan.finish.push(async () => (await claim.hold()).add(key, context.now + seconds * 1000, context.now))
  }
  return plan
}

function report(
  { name, home }: LocalRecipient,
  lines: readonly string[],
  now: number,
  { log }: FilterOptions,
): void {
  for (const line of lines) log.warning('script', { mailbox: name, note: line })
  if (home !== undefined) tellUser(home, lines, now)
}

async function keepAsItCame(plan: Plan, { maildir }: LocalRecipient, inbox: string): Promise<void> {
  const { mailbox, ...target } = await new ScriptMaildir(maildir)
    .target({ mailbox: inbox, flags: [], create: false })
    .catch(() => ({ mailbox: 'INBOX', maildir }))
  plan.targets.push(target)
  plan.steps.push(`stored ${mailbox}`)
}

/** What performing stands on. */
interface Setting {
  readonly recipient: LocalRecipient
  readonly inbox: string
  readonly claim: Claim
  readonly context: Context
  readonly options: FilterOptions
}

/** The actions of one outcome. */
class Performer {
  readonly #plan: Plan
  readonly #setting: Setting
  readonly #folders: ScriptMaildir
  readonly #told = new Set<string>()

  constructor(plan: Plan, setting: Setting) {
    this.#plan = plan
    this.#setting = setting
    this.#folders = new ScriptMaildir(setting.recipient.maildir)
  }

  async perform({ actions, implicitKeep, keep }: Outcome): Promise<void> {
    for (const action of actions) await this.#do(action, actions)
    const kept = actions.some(action => isStore(action) && isInbox(action.mailbox))
    if (implicitKeep && !kept)
      await this.#store({ mailbox: 'INBOX', create: false, flags: keep.flags }, keep.message)
    if (this.#plan.steps.length === 0) this.#plan.steps.push('discarded')
  }

  async #do(action: Action, all: readonly Action[]): Promise<void> {
    switch (action.type) {
      case 'keep':
      case 'store':
        return this.#store(action, action.message)
      case 'discard':
        return
      case 'reject':
        return this.#reject(action, all)
      case 'pipe':
        return this.#pipe(action)
      default:
        return this.#send(action)
    }
  }

  async #store(store: Store, message: Version): Promise<void> {
    const wanted =
      isInbox(store.mailbox) && !store.specialUse && !store.mailboxId
        ? { ...store, mailbox: this.#setting.inbox }
        : store
    const { mailbox, ...target } = await this.#folders.target(wanted)
    if (message.edited) await this.#copy(target, message.octets)
    else this.#plan.targets.push(target)
    this.#plan.steps.push(`stored ${mailbox}`)
  }

  async #copy(target: Target, octets: Buffer): Promise<void> {
    const delivery = await Delivery.begin(target.maildir)
    this.#plan.copies.push({ delivery, target })
    await delivery.write(octets)
    await delivery.sync()
  }

  /** RFC 5429 §2: refused in the protocol where that reaches only this recipient's sender, told by mail elsewhere. */
  async #reject(action: RejectAction, all: readonly Action[]): Promise<void> {
    const { reason, protocolOnly } = action
    const others = all.some(other => isStore(other) || other.type === 'redirect' || other.type === 'pipe')
    // A reply is ASCII (§2.2.1): a reason that is not goes by mail, unless the script wants no mail.
    const sayable = protocolOnly || /^[\t\n\r\x20-\x7e]*$/.test(reason) || !this.#setting.options.outbox
    if (this.#setting.recipient.refusable && !others && sayable)
      throw new SmtpError(550, '5.7.1', reason.replace(/\s+/g, ' ').trim() || 'The message is refused')
    await this.#send(action)
  }

  async #send(action: Action): Promise<void> {
    const unique = `${this.#setting.context.now.toString(36)}.${randomBytes(9).toString('hex')}`
    const composed = compose(action, this.#setting.context, { unique }, this.#told)
    if (composed.refused !== undefined) {
      if (composed.error) throw new Failed(`${action.type}: ${composed.refused}`)
      this.#plan.steps.push(`no ${action.type}: ${composed.refused}`)
      return
    }
    if (!this.#setting.options.outbox) return this.#cannotSend(action)
    if (!(await this.#remember(composed))) {
      this.#plan.steps.push(`no ${action.type}: this sender had an answer lately`)
      return
    }
    for (const message of composed.sent) await this.#queue(action, message)
    if ('fcc' in action && action.fcc)
      for (const { data } of composed.sent) await this.#fileCopy(action.fcc, data)
  }

  /** A message that was to go elsewhere stays here; an answer is only not given. */
  #cannotSend({ type }: Action): void {
    if (type === 'redirect' || type === 'reject')
      throw new Failed(`${type}: nothing is sent from here, since the configuration has no [relay]`)
    report(
      this.#setting.recipient,
      [`${type}: nothing is sent from here`],
      this.#setting.context.now,
      this.#setting.options,
    )
  }

  /** @returns false where the answer was given already; the memory is held from here on, so that no two are */
  async #remember({ remember }: Composed): Promise<boolean> {
    if (!remember || remember.period === 0) return true
    const { claim, context } = this.#setting
    const { now } = context
    const key = Memory.key('vacation', remember.key)
    if (claim.memory.has(key, now)) return false
    const held = await claim.hold()
    if (held.has(key, now)) return false
    this.#plan.finish.push(() => held.add(key, now + remember.period * 1000, now))
    return true
  }

  async #queue(action: Action, message: Outgoing): Promise<void> {
    const { outbox } = this.#setting.options
    const data = action.type === 'redirect' ? withoutReturnPath(message.data) : message.data
    const outgoing: OutgoingMessage = { ...message, data }
    if (outbox) this.#plan.drafts.push(await outbox.begin(outgoing))
    const done = action.type === 'redirect' ? 'redirected to' : `sent ${action.type} to`
    this.#plan.steps.push(`${done} ${message.to.join(', ')}`)
  }

  /** RFC 8580. */
  async #fileCopy(fcc: Fcc, data: Buffer): Promise<void> {
    const { mailbox, ...target } = await this.#folders.target(fcc)
    await this.#copy(target, data)
    this.#plan.steps.push(`stored a copy ${mailbox}`)
  }

  async #pipe(action: Extract<Action, { type: 'pipe' }>): Promise<void> {
    const { programs } = this.#setting.options
    const { program, args, message } = action
    const result =
      programs === undefined
        ? undefined
        : await runProgram(programs, { program, args, input: message.octets })
    if (!result?.ok && !action.try) throw new Failed(`the program ${program} failed`)
    this.#plan.steps.push(`piped to ${program}${result?.ok ? '' : ', which failed'}`)
  }
}

/** What leaves here has no final path yet. */
export function withoutReturnPath(data: Buffer): Buffer {
  return Buffer.concat([...new Head(data).rewrite('', field => field.key === 'return-path')])
}
