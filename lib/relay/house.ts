/** What is done for an entry without any connection: reports, giving up, refusals of our own, local delivery. */
import type { Envelope, Recipient, Said } from '../queue/entry.js'
import { review } from '../queue/schedule.js'
import { describe } from '../sys/error.js'
import { openContent } from './content.js'
import type { Circumstances, Outcome } from './fates.js'
import { expire, postpone, settle, warn } from './fates.js'
import type { Job } from './job.js'
import { type DeliverLocally, type FileSent, saidOf } from './local.js'
import { payOwed, type Reporting } from './reports.js'
import { wayOf } from './route.js'

export interface Household extends Reporting {
  readonly deliverLocally: DeliverLocally
  readonly fileSent: FileSent
  readonly random: () => number
  /** Whether a recipient's time has come. */
  readonly isDue: (id: string, recipient: Recipient) => boolean
  /** Why the destination of a recipient rests, if it does. */
  readonly troubleOf: (envelope: Envelope, recipient: Recipient) => Said | undefined
}

/** Whether an entry has anything to be done here. */
export function needsHouse(id: string, envelope: Envelope, house: Household): boolean {
  const { settings, clock, isDue } = house
  if (envelope.owed?.length || review(envelope, settings.schedule, clock())) return true
  const waiting = envelope.recipients.filter(each => each.state === 'waiting')
  if (waiting.length === 0 || isToBeFiled(envelope, house)) return true
  return waiting.some(each => isDue(id, each) && isHere(envelope, each, house))
}

function isHere(envelope: Envelope, { address }: Recipient, { settings }: Household): boolean {
  const { kind } = wayOf(settings, envelope.sender, address)
  return kind === 'local' || kind === 'none'
}

/** Does it. @returns identifiers of the reports that were made */
export async function keepHouse(job: Job, house: Household): Promise<string[]> {
  const made = await payOwed(job, house)
  await file(job, house)
  await age(job, house)
  await refuse(job, house)
  await deliver(job, house)
  return [...made, ...(await payOwed(job, house))]
}

function isToBeFiled({ login, filed }: Envelope, { settings }: Household): boolean {
  return settings.saveSent && login !== undefined && !filed
}

/** Files what a login sends. That it cannot be done keeps no mail from going out, and is not tried again. */
async function file(job: Job, house: Household): Promise<void> {
  const { login } = job.envelope
  if (login === undefined || !isToBeFiled(job.envelope, house)) return
  const { log, fileSent } = house
  try {
    if (await fileSent(login, job.messagePath)) log.info('filed', { message: job.id, login })
  } catch (error) {
    log.error('not-filed', { message: job.id, login, reason: describe(error) })
  }
  await job.update(envelope => ({ ...envelope, filed: true }))
}

/** Gives up on what is too old, and warns of what is late; both say why nothing went out. */
async function age(job: Job, house: Household): Promise<void> {
  const { settings, clock, troubleOf, log } = house
  const verdict = review(job.envelope, settings.schedule, clock())
  if (!verdict) return
  await job.update(envelope => {
    const informed = withTroubles(envelope, recipient => troubleOf(envelope, recipient))
    return verdict === 'expired' ? expire(informed, settings.schedule, clock()) : warn(informed)
  })
  log.warning(verdict === 'expired' ? 'expired' : 'late', { message: job.id, sender: job.envelope.sender })
}

function withTroubles(envelope: Envelope, troubleOf: (recipient: Recipient) => Said | undefined): Envelope {
  let informed = envelope
  for (const recipient of envelope.recipients) {
    const trouble = recipient.state === 'waiting' ? troubleOf(recipient) : undefined
    if (trouble) informed = postpone(informed, new Set([recipient.address]), trouble)
  }
  return informed
}

/** Refuses recipients that no way leads to. */
async function refuse(job: Job, house: Household): Promise<void> {
  const { settings, clock } = house
  const outcomes = new Map<string, Outcome>()
  for (const recipient of dueOf(job, house)) {
    const way = wayOf(settings, job.envelope.sender, recipient.address)
    if (way.kind !== 'none') continue
    const said = { at: clock(), code: 550, status: way.status, text: way.reason }
    outcomes.set(recipient.address, { state: 'failed', said })
  }
  if (outcomes.size > 0) await enter(job, outcomes, house)
}

async function deliver(job: Job, house: Household): Promise<void> {
  const { settings, clock, deliverLocally } = house
  const { sender, wireSize } = job.envelope
  const here = dueOf(job, house).filter(each => wayOf(settings, sender, each.address).kind === 'local')
  if (here.length === 0) return
  const outcomes = new Map<string, Outcome>()
  try {
    const hops = openContent(job.messagePath).hops
    if (hops > settings.maxHops) return await enter(job, inLoop(here, hops, clock()), house)
    const recipients = here.map(each => each.address)
    const fates = await deliverLocally({ id: job.id, sender, recipients, path: job.messagePath, wireSize })
    for (const { address } of here) {
      const fate = fates.get(address) ?? notNow('local delivery gave no answer')
      outcomes.set(address, { state: fate.state, said: saidOf(fate, clock()) })
    }
  } catch (error) {
    const fate = notNow(describe(error))
    for (const { address } of here) outcomes.set(address, { state: 'waiting', said: saidOf(fate, clock()) })
  }
  await enter(job, outcomes, house)
}

function notNow(text: string) {
  return { state: 'waiting', code: 451, status: '4.3.0', text } as const
}

/** What becomes of recipients of a message that goes in circles. */
export function inLoop(recipients: readonly Recipient[], hops: number, at: number): Map<string, Outcome> {
  const said = {
    at,
    code: 554,
    status: '5.4.6',
    text: `the message passed ${hops} servers: it goes in circles`,
  }
  return new Map(recipients.map(({ address }) => [address, { state: 'failed', said }]))
}

/** Enters outcomes into the envelope, and tells the log. */
export async function enter(
  job: Job,
  outcomes: ReadonlyMap<string, Outcome>,
  { settings, clock, random, log }: Pick<Household, 'settings' | 'clock' | 'random' | 'log'>,
): Promise<void> {
  const circumstances: Circumstances = { schedule: settings.schedule, now: clock(), random: random() }
  for (const [address, { state, said }] of outcomes)
    log.info('recipient', {
      message: job.id,
      recipient: address,
      state,
      code: said.code,
      status: said.status,
      host: said.host,
      said: said.text,
    })
  await job.update(envelope => settle(envelope, outcomes, circumstances))
}

function dueOf(job: Job, { isDue }: Household): Recipient[] {
  return job.envelope.recipients.filter(each => each.state === 'waiting' && isDue(job.id, each))
}
