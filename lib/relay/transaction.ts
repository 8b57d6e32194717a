/** One message to some of its recipients over one connection, and what the answers mean. */
import type { Envelope, Recipient, Said } from '../queue/entry.js'
import type { Answer } from '../smtp/answer.js'
import type { ClientEnvelope } from '../smtp/client-connection.js'
import { type Content, sizeWith } from './content.js'
import type { Line } from './destination.js'
import { type DkimKey, dkimSignature } from './dkim.js'
import type { Outcome } from './fates.js'
import { outsideAddress, type Rewriting, rewriteSender } from './sender.js'

export interface Result {
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Set when it was not this message that was refused, but us: the destination is to rest, the message to wait. */
  readonly notNow?: Said
  /** Whether an old connection turned out dead before the server heard of the message. */
  readonly unheard: boolean
  /** Whether it failed for somebody, so that the dialogue is worth keeping. */
  readonly failed: boolean
}

/** How a message is changed on its way out. */
export interface Dressing {
  readonly rewriting: Rewriting
  readonly dkim: DkimKey | undefined
}

/** Sends a message. Never throws for what the other side does. @throws the system's error reading the message */
export async function transact(
  line: Line,
  envelope: Envelope,
  recipients: readonly Recipient[],
  content: Content,
  { rewriting, dkim }: Dressing,
  clock: () => number,
): Promise<Result> {
  const rewritten = rewriteSender(content.header, rewriting)
  const signature = dkim ? await dkimSignature(rewritten, content.body(), dkim, clock()) : ''
  const header = signature === '' ? rewritten : Buffer.concat([Buffer.from(signature), rewritten])
  const size = sizeWith(envelope.wireSize, content.header, header)
  const sent = await line.client.send(
    {
      ...clientEnvelope(envelope, recipients, outsideAddress(envelope.sender, rewriting), size),
      ...(envelope.by && { by: timeLeft(envelope, clock()) }),
    },
    content.with(header),
  )
  const at = clock()
  const outcomes = new Map<string, Outcome>()
  let notNow: Said | undefined
  for (const [i, { address, notify }] of recipients.entries()) {
    const answer = sent.answers[i]
    const said = answer
      ? { at, ...answer, host: line.host }
      : { at, code: 451, status: '4.4.2', text: sent.trouble ?? 'the connection was lost', host: line.host }
    if (answer && isAboutUs(answer)) notNow = said
    const wantsSuccess = notify?.includes('success') === true
    const state = stateAfter(said, sent.reports && wantsSuccess)
    const handed = (state === 'relayed' || state === 'passed') && tellsOfRelay(envelope, sent.promisesTime)
    outcomes.set(address, { state, said, ...(handed && { handed }) })
  }
  return {
    outcomes,
    unheard: sent.unheard,
    failed: [...outcomes.values()].some(({ said }) => said.code >= 300 || said.code === 0),
    ...(notNow && { notNow }),
  }
}

/** What the next server is told of the time to deliver by: what is left of it (RFC 2852 §4). */
function timeLeft({ by, warned }: Envelope, now: number): ClientEnvelope['by'] {
  if (!by) return undefined
  const seconds = Math.floor((by.at - now) / 1000)
  // A time that has passed says that the sender was told: until then there is a second left.
  const left = by.mode === 'notify' && !warned ? Math.max(seconds, 1) : seconds
  return { seconds: left, mode: by.mode === 'notify' ? 'N' : 'R', trace: by.trace === true }
}

/**
 * RFC 2852 §4: who wants to be told of delays is told where nobody behind this server will do it; who wants a trace, of
 * each server on the way.
 */
function tellsOfRelay({ by }: Envelope, promisesTime: boolean): boolean {
  return (by?.mode === 'notify' && !promisesTime) || (by?.trace === true && promisesTime)
}

/** What a reply makes of a recipient; what is no reply of the right kind is asked again later. */
function stateAfter({ code }: Said, passedOn: boolean): Outcome['state'] {
  if (code >= 200 && code < 300) return passedOn ? 'passed' : 'relayed'
  return code >= 500 && code < 600 ? 'failed' : 'waiting'
}

/**
 * Whether a refusal is of us and not of the message: the server is going away or wants a pause (421), wants a login
 * that we lack (530, 535 and their kin), or has sent enough for us today (5.4.5, as Gmail says it).
 */
function isAboutUs({ code, status }: Answer): boolean {
  return code === 421 || [530, 534, 535, 538].includes(code) || status === '5.4.5' || status === '4.4.5'
}

function clientEnvelope(
  envelope: Envelope,
  recipients: readonly Recipient[],
  sender: string,
  size: number,
): ClientEnvelope {
  const { envid, ret, utf8, requireTls } = envelope
  return {
    sender,
    size,
    recipients: recipients.map(({ address, original, notify }) => ({
      address,
      ...(original !== undefined && { original }),
      ...(notify && { notify: notify.map(word => word.toUpperCase()).join(',') }),
    })),
    ...(envid !== undefined && { envid }),
    ...(ret && { ret }),
    ...(utf8 && { utf8 }),
    ...(requireTls && { requireTls }),
  }
}
