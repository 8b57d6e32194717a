/** What is done for an entry at one destination: a connection, a transaction or several, the outcome written down. */
import type { Recipient, Said } from '../queue/entry.js'
import { NoConnection } from '../smtp/no-connection.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { Budgets } from './budget.js'
import { type Content, openContent } from './content.js'
import type { Destination, Line } from './destination.js'
import { type Outcome, postpone } from './fates.js'
import { enter, inLoop } from './house.js'
import type { Job } from './job.js'
import { Undeliverable } from './mx.js'
import type { RelaySettings } from './settings.js'
import { type Result, transact } from './transaction.js'

export interface Sending {
  readonly settings: RelaySettings
  readonly budgets: Budgets
  readonly log: Log
  readonly clock: () => number
  readonly random: () => number
}

/** After a refused login: servers lock out who keeps knocking. The wait doubles up to the longest; milliseconds. */
const afterRefusal = { first: 10 * 60_000, longest: 60 * 60_000 }
/** The longest wait while a server cannot be reached. */
const longestOutage = 15 * 60_000

/**
 * Sends an entry to some recipients. @returns false when it has to go back into the line, the destination being at rest
 */
export async function sendTo(
  destination: Destination,
  job: Job,
  recipients: readonly Recipient[],
  sending: Sending,
): Promise<boolean> {
  const { settings, clock } = sending
  const content = openContent(job.messagePath)
  if (content.hops > settings.maxHops) {
    await enter(job, inLoop(recipients, content.hops, clock()), sending)
    return true
  }
  const size = destination.endpoint.recipientsPerMessage
  for (let from = 0; from < recipients.length; from += size)
    if (!(await sendSome(destination, job, recipients.slice(from, from + size), content, sending)))
      return false
  return true
}

async function sendSome(
  destination: Destination,
  job: Job,
  recipients: readonly Recipient[],
  content: Content,
  sending: Sending,
): Promise<boolean> {
  if (!(await withinBudget(destination, sending))) return false
  const line = await connect(destination, job, recipients, sending)
  if (typeof line === 'boolean') {
    await giveBack(destination, sending)
    return line
  }
  const result = await attempt(destination, job, recipients, content, sending, line)
  if (!result) return false
  if (result.failed) record(job, destination, recipients, result.line.client.dialogue, sending)
  destination.giveBack(result.line)
  return conclude(destination, job, result, sending)
}

/** Sends over a connection that may be an old one; where that turns out dead, over a new one. */
async function attempt(
  destination: Destination,
  job: Job,
  recipients: readonly Recipient[],
  content: Content,
  sending: Sending,
  line: Line,
): Promise<(Result & { line: Line }) | undefined> {
  const { settings, clock } = sending
  const { from, dkim } = destination.endpoint
  const domain = settings.domains[0] ?? settings.hostname
  const rewriting = { senders: settings.senders, domain, ...(from !== undefined && { from }) }
  const result = await transact(line, job.envelope, recipients, content, { rewriting, dkim }, clock)
  if (!result.unheard || line.carried === 0) return { ...result, line }
  const fresh = await connect(destination, job, recipients, sending, true)
  if (typeof fresh === 'boolean') return undefined
  return {
    ...(await transact(fresh, job.envelope, recipients, content, { rewriting, dkim }, clock)),
    line: fresh,
  }
}

/** Writes the outcomes down; what was not meant for this message makes the destination rest. */
async function conclude(
  destination: Destination,
  job: Job,
  { outcomes, notNow }: Result,
  sending: Sending,
): Promise<boolean> {
  const { clock, log } = sending
  if (!notNow) {
    await enter(job, outcomes, sending)
    return true
  }
  const settled = new Map([...outcomes].filter(([, { said }]) => said.code < 300 || said.code >= 600))
  const put = new Set([...outcomes.keys()].filter(address => !settled.has(address)))
  if (settled.size > 0) await enter(job, settled, sending)
  await job.update(envelope => postpone(envelope, put, notNow, clock()))
  destination.failed(notNow, clock(), waitAfter(notNow, sending), afterRefusal.longest)
  log.warning('destination-rests', {
    destination: destination.endpoint.name,
    said: notNow.text,
    code: notNow.code,
  })
  return false
}

/** 421 is an outage; a login asked for, or a day's allowance used up, takes longer. */
function waitAfter({ code }: Said, { settings }: Sending): number {
  return code === 421 ? settings.schedule.firstRetry : afterRefusal.first
}

/** @returns the connection; or, where there is none, whether the entry is done with this destination */
async function connect(
  destination: Destination,
  job: Job,
  recipients: readonly Recipient[],
  sending: Sending,
  fresh = false,
): Promise<Line | boolean> {
  const { clock } = sending
  try {
    return await destination.connect(fresh)
  } catch (error) {
    if (error instanceof Undeliverable) {
      const said = error.said(clock())
      const outcomes = recipients.map(({ address }): [string, Outcome] => [
        address,
        { state: 'failed', said },
      ])
      await enter(job, new Map(outcomes), sending)
      return true
    }
    if (!(error instanceof NoConnection)) throw error
    await unreachable(destination, job, recipients, error, sending)
    return false
  }
}

async function unreachable(
  destination: Destination,
  job: Job,
  recipients: readonly Recipient[],
  error: NoConnection,
  sending: Sending,
): Promise<void> {
  const { settings, log, clock } = sending
  const { name } = destination.endpoint
  const said = {
    at: clock(),
    code: error.answer && error.answer.code >= 400 ? error.answer.code : 451,
    status: error.stage === 'login' ? '4.7.8' : error.stage === 'tls' ? '4.7.5' : '4.4.1',
    text: error.message,
  }
  const { firstRetry } = settings.schedule
  if (error.stage === 'login') destination.failed(said, clock(), afterRefusal.first, afterRefusal.longest)
  else destination.failed(said, clock(), firstRetry, Math.max(firstRetry, longestOutage))
  record(job, destination, recipients, error.dialogue, sending)
  const addresses = new Set(recipients.map(({ address }) => address))
  await job.update(envelope => postpone(envelope, addresses, said, clock()))
  const level = error.stage === 'login' || error.stage === 'tls' ? 'error' : 'warning'
  log[level]('destination-unreachable', { destination: name, stage: error.stage, reason: error.message })
}

async function withinBudget(destination: Destination, { budgets, clock, log }: Sending): Promise<boolean> {
  const { name, messagesPerDay } = destination.endpoint
  if (messagesPerDay === undefined) return true
  const free = await budgets.take(name, messagesPerDay, clock())
  if (free === 0) return true
  const text = `the budget of ${messagesPerDay} messages a day is used up`
  destination.rest({ at: clock(), code: 450, status: '4.4.5', text }, clock(), free)
  log.warning('budget-used-up', { destination: name, until: new Date(free).toISOString() })
  return false
}

async function giveBack(destination: Destination, { budgets, clock }: Sending): Promise<void> {
  const { name, messagesPerDay } = destination.endpoint
  if (messagesPerDay !== undefined) await budgets.giveBack(name, clock())
}

/** A dialogue is for people; that it cannot be kept changes nothing for the mail. */
function record(
  job: Job,
  destination: Destination,
  recipients: readonly Recipient[],
  lines: readonly string[],
  { log, clock }: Sending,
): void {
  try {
    job.record({
      at: clock(),
      host: destination.endpoint.name,
      recipients: recipients.map(({ address }) => address),
      lines,
    })
  } catch (error) {
    log.warning('dialogue-lost', { message: job.id, reason: describe(error) })
  }
}
