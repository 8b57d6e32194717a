/** Opening the queue for a command, and finding the entries that its arguments mean. */
import { loadConfig } from '../config/load.js'
import { parseTime } from '../config/value.js'
import { mayEnqueue } from '../queue/drop.js'
import type { Entry } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import { isSelected, type Selector, selectsAll } from '../queue/select.js'
import { Budgets } from '../relay/budget.js'
import { nameOf } from '../relay/settings.js'
import { type Rest, readStatus } from '../relay/status.js'
import { exits, MailError } from '../sys/error.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import type { BudgetUse } from './queue-print.js'
import { relaySettings } from './relay-settings.js'

/** How every subcommand but show says which entries it means. */
export const selectorOptions = {
  sender: { type: 'string', short: 's', multiple: true, argument: 'PATTERN', help: 'entries of this sender' },
  recipient: {
    type: 'string',
    short: 'r',
    multiple: true,
    argument: 'PATTERN',
    help: 'entries that this recipient still waits for',
  },
  older: { type: 'string', argument: 'AGE', help: 'entries that arrived longer ago than 2h, 3d, …' },
  newer: { type: 'string', argument: 'AGE', help: 'entries that arrived since then' },
  held: { type: 'boolean', help: 'entries that are held' },
} as const

export interface SelectorValues {
  readonly sender?: readonly string[]
  readonly recipient?: readonly string[]
  readonly older?: string | undefined
  readonly newer?: string | undefined
  readonly held?: boolean
}

export interface Opened {
  readonly queue: Queue
  /** Destinations that rest, as the relay last told. */
  readonly rests: () => Rest[]
  readonly budgets: () => BudgetUse[]
}

/** Opens the queue of a configuration; root goes on as its owner. @throws MailError (77) for who may not */
export async function openQueue(file: string): Promise<Opened> {
  const config = await loadConfig(file)
  const { directory } = config.queue
  becomeOwnerOf(directory)
  if (!(await mayEnqueue(directory)))
    throw new MailError(`the queue ${directory} is not yours to see; ask as root, or as its owner`, {
      exit: exits.notAllowed,
    })
  const queue = await Queue.open(directory)
  return {
    queue,
    rests: () => readStatus(directory),
    budgets: () => {
      const used = new Budgets(directory).used(Date.now())
      const { smarthost, routes } = relaySettings(config)
      return [...(smarthost ? [smarthost] : []), ...routes.map(route => route.smarthost)].flatMap(each =>
        each.messagesPerDay === undefined
          ? []
          : [{ name: nameOf(each), used: used.get(nameOf(each)) ?? 0, limit: each.messagesPerDay }],
      )
    },
  }
}

/**
 * Finds entries, oldest first.
 *
 * @param without what an empty selection means: all entries, or a mistake (`some`: one has to say `all`)
 */
export async function selectEntries(
  queue: Queue,
  values: SelectorValues,
  operands: readonly string[],
  without: 'all' | 'some',
): Promise<Entry[]> {
  const selector = selectorOf(values, operands)
  if (without === 'some' && selectsAll(selector) && !operands.includes('all'))
    throw new MailError(
      'say which entries: identifiers, --sender, --recipient, --older, --newer, --held, or all',
      {
        exit: exits.usage,
      },
    )
  const entries: Entry[] = []
  for (const id of await queue.list()) {
    if (selector.ids.length > 0 && !selector.ids.includes(id)) continue
    const envelope = queue.read(id)
    if (envelope && isSelected({ id, envelope }, selector)) entries.push({ id, envelope })
  }
  return entries
}

function selectorOf(values: SelectorValues, operands: readonly string[]): Selector {
  const { sender = [], recipient = [], older, newer, held = false } = values
  return {
    ids: operands.filter(each => each !== 'all'),
    senders: sender,
    recipients: recipient,
    ...(older !== undefined && { before: timeBefore(older) }),
    ...(newer !== undefined && { after: timeBefore(newer) }),
    ...(held && { held }),
  }
}

/** @throws MailError (64) */
function timeBefore(text: string): number {
  const age = parseTime(text)
  if (age !== undefined) return Date.now() - age
  throw new MailError(`${text} is no age; write 30m, 2h or 3d`, { exit: exits.usage })
}
