/** Makes the reports that entries owe: each a new entry of the queue, under a name that keeps it from being made twice. */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { formatReport, type ReportInput, returnsFull } from '../queue/bounce.js'
import { type Envelope, type Owed, reportIdentifier, type Submission } from '../queue/entry.js'
import type { Queue } from '../queue/queue.js'
import { endOf } from '../queue/schedule.js'
import type { Log } from '../sys/log.js'
import { type Content, openContent } from './content.js'
import { paid } from './fates.js'
import type { Job } from './job.js'
import type { RelaySettings } from './settings.js'

export interface Reporting {
  readonly queue: Queue
  readonly settings: RelaySettings
  readonly log: Log
  readonly clock: () => number
}

/** Makes all that an entry owes. @returns identifiers of the reports */
export async function payOwed(job: Job, reporting: Reporting): Promise<string[]> {
  const made: string[] = []
  for (const owed of job.envelope.owed ?? []) {
    const id = await make(job, owed, reporting)
    await job.update(envelope => paid(envelope, owed.number))
    if (id !== undefined) made.push(id)
  }
  return made
}

async function make(
  job: Job,
  owed: Owed,
  { queue, settings, log, clock }: Reporting,
): Promise<string | undefined> {
  const { envelope } = job
  const addressee = addresseeOf(envelope, owed, settings.postmaster)
  if (!addressee) {
    const lost = owed.kind === 'failure' ? 'report-discarded' : 'report-unwanted'
    log.warning(lost, { message: job.id, kind: owed.kind, recipients: owed.recipients.join(',') })
    return undefined
  }
  const id = reportIdentifier(job.id, owed.number)
  const content = openContent(job.messagePath)
  const input = inputOf(job, owed, addressee, content, settings, clock())
  const draft = await queue.beginOnce(submissionOf(addressee, envelope), id)
  if (!draft) return undefined
  try {
    const { head, tail } = formatReport(input)
    await draft.write(head)
    await draft.write(input.full ? Buffer.alloc(0) : content.header)
    if (input.full)
      for await (const chunk of createReadStream(job.messagePath)) await draft.write(chunk as Buffer)
    await draft.write(Buffer.from(tail))
    await draft.commit()
  } catch (error) {
    await draft.abort()
    throw error
  }
  log.info('report', { message: id, about: job.id, kind: owed.kind, to: addressee.address })
  return id
}

interface Addressee {
  readonly address: string
  readonly report: 'report' | 'double'
}

/** Nobody is told of what has no sender, but postmaster learns of failures; of a failed report to postmaster, no one. */
function addresseeOf(envelope: Envelope, { kind }: Owed, postmaster: string): Addressee | undefined {
  if (envelope.sender !== '') return { address: envelope.sender, report: 'report' }
  if (kind !== 'failure' || envelope.report === 'double') return undefined
  return { address: postmaster, report: 'double' }
}

/** A report has the null reverse-path, so that no report comes of it (RFC 3464 §2, RFC 5321 §4.5.5). */
function submissionOf({ address, report }: Addressee, envelope: Envelope): Submission {
  return {
    sender: '',
    recipients: [{ address }],
    report,
    origin: 'mail-relay',
    ...(envelope.utf8 && { utf8: true }),
  }
}

function inputOf(
  job: Job,
  owed: Owed,
  { address, report }: Addressee,
  content: Content,
  { hostname, schedule }: RelaySettings,
  now: number,
): ReportInput {
  const { envelope, id } = job
  return {
    kind: owed.kind,
    id,
    envelope,
    recipients: envelope.recipients.filter(each => owed.recipients.includes(each.address)),
    to: address,
    double: report === 'double',
    hostname,
    header: content.header,
    full: returnsFull(envelope, owed.kind),
    now,
    until: endOf(envelope, schedule),
    unique: `${reportIdentifier(id, owed.number)}.${randomBytes(9).toString('hex')}`,
  }
}
