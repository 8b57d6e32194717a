/** A message on its way in, by DATA or by BDAT: taken to its end whatever becomes of it, then answered. */
import { describe } from '../sys/error.js'
import { PeerGone } from '../wire/line.js'
import type { AnySession } from './command.js'
import { tooBig } from './extensions.js'
import { formatReply, isUnforeseen, replyOf, stackOf } from './reply.js'
import type { Fate, Incoming } from './session.js'

/** Most octets taken from the connection at a time. */
const blockSize = 65_536

/** The next octets of a message, `most` at most. @throws PeerGone, PeerTimeout when they never come */
export async function readBlock(session: AnySession, most = blockSize): Promise<Buffer> {
  session.receiving = true
  const octets = await session.connection.readSome(Math.min(most, blockSize), session.timeouts.data)
  session.receiving = false
  if (!octets) throw new PeerGone('the connection closed in the middle of a message')
  return octets
}

type Outcome = { readonly fates: readonly Fate[] } | { readonly failure: unknown }

export class Reception {
  readonly #incoming: Incoming
  readonly #limit: number
  #received = 0
  #failed = false
  #failure: unknown

  /** @param limit most octets, line ends counted as CRLF */
  constructor(incoming: Incoming, limit: number) {
    this.#incoming = incoming
    this.#limit = limit
  }

  /** Whether the message is refused already: its octets are dropped, and the refusal is said when it can be. */
  get failed(): boolean {
    return this.#failed
  }

  get failure(): unknown {
    return this.#failure
  }

  /** @param received octets of the message so far, as the peer sent them */
  async take(octets: Buffer, received: number): Promise<void> {
    this.#received = received
    if (this.#failed) return
    if (received > this.#limit) return this.refuse(tooBig(this.#limit))
    try {
      await this.#incoming.write(octets)
    } catch (error) {
      await this.refuse(error)
    }
  }

  /** Refuses the message, whatever comes of it yet. */
  async refuse(error: unknown): Promise<void> {
    this.#failed = true
    this.#failure = error
    await this.#incoming.abort()
  }

  /** The message is complete: takes it over, and answers. */
  async finish(session: AnySession): Promise<void> {
    this.#answer(session, await this.#outcome())
  }

  /** The end never comes. */
  async abort(): Promise<void> {
    if (!this.#failed) await this.#incoming.abort()
  }

  async #outcome(): Promise<Outcome> {
    if (this.#failed) return { failure: this.#failure }
    try {
      return { fates: await this.#incoming.commit() }
    } catch (error) {
      await this.#incoming.abort()
      return { failure: error }
    }
  }

  /** One answer, or in LMTP one for each recipient (RFC 2033 §4.2). */
  #answer(session: AnySession, outcome: Outcome): void {
    const { recipients, connection } = session
    const fates = 'fates' in outcome ? outcome.fates : recipients.map(() => outcome.failure)
    const ok = { code: 250, status: '2.0.0', text: `Ok: ${this.#incoming.id}` }
    const replies = fates.map(fate => (fate === 'accepted' ? ok : replyOf(fate)))
    if (session.options.protocol === 'lmtp') for (const reply of replies) connection.write(formatReply(reply))
    else connection.write(formatReply(replies.find(reply => reply.code !== 250) ?? ok))
    // The client goes on while this is written down.
    connection.flush()
    this.#note(session, fates, 'fates' in outcome)
  }

  /** @param ended whether the message was taken to its end */
  #note(session: AnySession, fates: readonly unknown[], ended: boolean): void {
    const { log } = session
    const { id } = this.#incoming
    const refused = fates.filter(fate => fate !== 'accepted')
    if (ended && refused.length < fates.length) {
      session.errors = 0
      session.idleCommands = 0
      log.info('received', { message: id, ...describeEnvelope(session), size: this.#received })
    }
    for (const fate of new Set(refused)) {
      const { code, status } = replyOf(fate)
      const fields = { message: id, ...describeEnvelope(session), code, status, reason: describe(fate) }
      if (isUnforeseen(fate)) log.error('message-failed', { ...fields, reason: stackOf(fate) })
      else log.info('message-refused', fields)
    }
  }
}

function describeEnvelope(session: AnySession) {
  const { sender, recipients, login, backend } = session
  return {
    from: `<${sender?.address ?? ''}>`,
    to: recipients.length === 1 ? `<${recipients[0]?.path.address}>` : undefined,
    recipients: recipients.length,
    user: login === undefined ? undefined : backend.nameOf(login),
    client: session.connection.remoteAddress,
  }
}
