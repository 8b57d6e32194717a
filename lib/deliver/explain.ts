/** What would become of a message for one recipient, step by step. Nothing is written, sent or remembered. */
import { directoryOf } from '../maildir/layout.js'
import type { Action, Outcome, StoreAction } from '../sieve/action.js'
import { type Composed, compose } from '../sieve/compose/compose.js'
import type { Context, TraceEvent } from '../sieve/context.js'
import { formatProblem } from '../sieve/problem.js'
import { isInbox, isStore } from '../sieve/result.js'
import { describe } from '../sys/error.js'
import type { LocalRecipient, Written } from './deliver.js'
import type { Filters } from './filters.js'
import { Claim, Memory } from './memory.js'
import type { Rules } from './rules.js'
import { ScriptMaildir } from './script-maildir.js'
import { loopsAt } from './trace.js'

/** Tells one step. */
type Say = (line: string) => void

/**
 * Goes the way of a message without going it.
 *
 * @param formatEvent how a step of a script is told
 */
export async function explain(
  rules: Rules,
  filters: Filters,
  recipient: LocalRecipient,
  message: Written,
  say: Say,
  formatEvent: (event: TraceEvent) => string,
): Promise<void> {
  const { name = '', home = '' } = recipient
  if (loopsAt(message.head, name)) return say('loop: it was delivered here before; refused with 554 5.4.6')
  const claim = new Claim(home)
  const key = rules.messageKey(message)
  if (key !== undefined && claim.memory.has(key, Date.now()))
    return say('duplicate: a message with this Message-ID came before; dropped')
  const inbox = rules.folderFor(recipient)
  if (recipient.detail !== undefined) say(`detail: ${recipient.detail}, so what is kept goes into ${inbox}`)
  const stored = await explainScripts(
    rules.hasScripts(recipient) ? filters : undefined,
    recipient,
    message,
    inbox,
    claim,
    say,
    formatEvent,
  )
  explainQuota(rules, recipient, message, stored, say)
}

/** @returns how many copies would be stored */
async function explainScripts(
  filters: Filters | undefined,
  recipient: LocalRecipient,
  message: Written,
  inbox: string,
  claim: Claim,
  say: Say,
  formatEvent: (event: TraceEvent) => string,
): Promise<number> {
  const tell = (event: TraceEvent) => {
    // What matters of `if` is its test.
    if (event.kind === 'test' || !/^(?:if|elsif|else|require)$/.test(event.node.name))
      say(`script: ${formatEvent(event)}`)
  }
  const filtered = await filters?.trace(recipient, message, claim, tell)
  if (!filtered || !filters) {
    say('script: none')
    return store({ mailbox: inbox, create: false, flags: [] }, recipient, inbox, say, 'keep')
  }
  const { outcome, context } = filtered
  for (const problem of outcome.errors) say(`script: error: ${formatProblem(problem)}; the message is kept`)
  const canSend = filters.options.outbox !== undefined
  return explainActions(outcome, context, recipient, inbox, claim, canSend, say)
}

function explainActions(
  { actions, implicitKeep, keep }: Outcome,
  context: Context,
  recipient: LocalRecipient,
  inbox: string,
  claim: Claim,
  canSend: boolean,
  say: Say,
): number {
  let stored = 0
  const told = new Set<string>()
  for (const action of actions) {
    const where = `${action.script}:${action.line}`
    if (isStore(action)) stored += store(action, recipient, inbox, say, `${where}: ${action.type}`)
    else if (action.type === 'discard' || action.type === 'pipe') say(`action: ${where}: ${action.type}`)
    else
      sayOutgoing(action, where, compose(action, context, { unique: 'explain' }, told), claim, canSend, say)
  }
  const kept = actions.some(action => isStore(action) && isInbox(action.mailbox))
  if (implicitKeep && !kept)
    stored += store(
      { mailbox: 'INBOX', create: false, flags: keep.flags },
      recipient,
      inbox,
      say,
      'implicit keep',
    )
  return stored
}

function sayOutgoing(
  action: Action,
  where: string,
  { sent, refused, remember }: Composed,
  claim: Claim,
  canSend: boolean,
  say: Say,
): void {
  const what = `action: ${where}: ${action.type}`
  const answered =
    remember !== undefined &&
    remember.period > 0 &&
    claim.memory.has(Memory.key('vacation', remember.key), Date.now())
  if (action.type === 'reject') say(`${what}: ${action.reason.replace(/\s+/g, ' ').trim()}`)
  else if (refused !== undefined) say(`${what}: nothing is sent: ${refused}`)
  else if (answered) say(`${what}: nothing is sent: this sender had the answer lately`)
  else
    for (const { from, to } of sent)
      say(`${what}: from <${from}> to ${to.map(each => `<${each}>`).join(', ')}`)
  if (!canSend) say(`${what}: but the configuration has no [relay], so nothing leaves here`)
}

/** @returns 1, or 0 where it cannot be stored */
function store(
  wanted: Pick<StoreAction, 'mailbox' | 'create' | 'flags' | 'specialUse' | 'mailboxId'>,
  recipient: LocalRecipient,
  inbox: string,
  say: Say,
  why: string,
): number {
  const folders = new ScriptMaildir(recipient.maildir)
  const named = folders.wanted(wanted)
  const folder = isInbox(named) ? inbox : named
  const path = pathOf(recipient.maildir, folder)
  const missing = !isInbox(folder) && !folders.has(folder)
  if (path === undefined || (missing && !wanted.create)) {
    say(`action: ${why}: there is no folder ${folder}; the message is kept in ${inbox} instead`)
    return 1
  }
  const flags = wanted.flags.length > 0 ? ` with ${wanted.flags.join(' ')}` : ''
  say(`action: ${why}: into ${folder}${missing ? ', which is made,' : ''}${flags}`)
  say(`file: ${path}/${flags === '' ? 'new' : 'cur'}/`)
  return 1
}

function pathOf(maildir: string, folder: string): string | undefined {
  try {
    const directory = directoryOf(folder)
    return directory === '' ? maildir : `${maildir}/${directory}`
  } catch {
    return undefined
  }
}

function explainQuota(
  rules: Rules,
  recipient: LocalRecipient,
  { storedSize }: Written,
  messages: number,
  say: Say,
): void {
  const quota = rules.quotaOf(recipient)
  if (!quota || messages === 0) return
  try {
    const { octets, messages: count } = quota.count()
    const fits = quota.allows({ octets, messages: count }, { octets: storedSize * messages, messages })
    const answer = rules.options.overQuota === 'reject' ? '552 5.2.2' : '452 4.2.2'
    say(`quota: ${octets} octets in ${count} messages; ${fits ? 'it fits' : `full: refused with ${answer}`}`)
  } catch (error) {
    say(`quota: ${describe(error)}`)
  }
}
