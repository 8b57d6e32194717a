/** The commands that make a message: MAIL, RCPT, DATA, RSET. */
import { describe } from '../sys/error.js'
import { DotDecoder } from '../wire/dot.js'
import { PeerGone } from '../wire/line.js'
import { type AnySession, command, noArgument } from './command.js'
import { checkMailParameters, checkRecipientParameters, tooBig } from './extensions.js'
import { needsUtf8, type Path, type PathArgument, parseForwardPath, parseReversePath } from './path.js'
import { formatReply, isUnforeseen, replyOf, SmtpError, stackOf } from './reply.js'
import type { Fate, Incoming } from './session.js'

/** Most octets taken from the connection at a time. */
const blockSize = 65_536

/** RFC 5321 §4.1.1.2. */
export const mail = command<PathArgument>({
  states: ['ready'],
  check(session, argument) {
    const { tls, auth } = session.options
    if (tls === 'required' && !session.secure)
      throw new SmtpError(530, '5.7.0', 'Begin TLS first, with STARTTLS') // RFC 3207 §4
    if (auth === 'required' && session.login === undefined)
      throw new SmtpError(530, '5.7.0', 'Log in first, with AUTH') // RFC 4954 §6
    const parsed = parseReversePath(argument)
    checkMailParameters(session, parsed.parameters)
    if (!parsed.parameters.has('SMTPUTF8')) checkAscii(parsed.path)
    return parsed
  },
  async proceed(session, { path, parameters }) {
    session.sender = path
    session.parameters = parameters
    try {
      await session.backend.mail(session.peer, session.login, session.envelope)
    } catch (error) {
      session.reset()
      throw error
    }
    session.reply(250, '2.1.0', 'Ok')
  },
})

/** RFC 5321 §4.1.1.3. */
export const rcpt = command<PathArgument>({
  states: ['mail', 'recipients'],
  check(session, argument) {
    const parsed = parseForwardPath(argument)
    checkRecipientParameters(session, parsed.parameters)
    if (!session.parameters.has('SMTPUTF8')) checkAscii(parsed.path)
    if (session.recipients.length >= session.options.maxRecipients)
      throw new SmtpError(452, '4.5.3', 'Too many recipients; send to the others in a second message')
    return parsed
  },
  async proceed(session, recipient) {
    await session.backend.recipient(session.peer, session.login, session.envelope, recipient)
    session.recipients.push(recipient)
    session.reply(250, '2.1.5', 'Ok')
  },
})

/** RFC 6531 §3.4: addresses beyond ASCII travel in messages that say so. */
function checkAscii(path: Path): void {
  if (needsUtf8(path)) throw new SmtpError(553, '5.6.7', 'Such an address needs SMTPUTF8 in MAIL')
}

/** RFC 5321 §4.1.1.5. */
export const rset = command({
  states: ['new', 'ready', 'mail', 'recipients'],
  check: noArgument,
  proceed(session) {
    session.reset()
    session.reply(250, '2.0.0', 'Ok')
  },
})

/** RFC 5321 §4.1.1.4. */
export const data = command({
  states: ['mail', 'recipients'],
  check(session, argument) {
    noArgument(session, argument)
    if (session.recipients.length === 0) throw new SmtpError(554, '5.5.1', 'There is no recipient')
  },
  async proceed(session) {
    const incoming = await session.backend.begin(session.peer, session.login, session.envelope)
    session.reply(354, undefined, 'Send the message, and end it with a dot alone in a line')
    answer(session, incoming, await receive(session, incoming))
    session.reset()
  },
})

type Outcome = { readonly fates: readonly Fate[]; readonly size: number } | { readonly failure: unknown }

/**
 * Reads the message to its end, whatever becomes of it: a refusal can only be said there.
 *
 * @throws PeerGone, PeerTimeout when the end never comes
 */
async function receive(session: AnySession, incoming: Incoming): Promise<Outcome> {
  const { connection, timeouts } = session
  const { maxMessageSize } = session.options
  const decoder = new DotDecoder()
  let failure: unknown
  try {
    while (!decoder.ended) {
      const chunk = await connection.readSome(blockSize, timeouts.data)
      if (!chunk) throw new PeerGone('the connection closed in the middle of a message')
      const octets = decoder.push(chunk)
      if (failure !== undefined) continue
      failure =
        decoder.received > maxMessageSize
          ? tooBig(maxMessageSize)
          : await failureOf(() => incoming.write(octets))
      if (failure !== undefined) await incoming.abort()
    }
  } catch (error) {
    await incoming.abort()
    throw error
  }
  connection.unread(decoder.rest)
  if (failure !== undefined) return { failure }
  try {
    return { fates: await incoming.commit(), size: decoder.received }
  } catch (error) {
    await incoming.abort()
    return { failure: error }
  }
}

async function failureOf(work: () => Promise<void> | void): Promise<unknown> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error
  }
}

/** One answer, or in LMTP one for each recipient (RFC 2033 §4.2). */
function answer(session: AnySession, incoming: Incoming, outcome: Outcome): void {
  const { recipients, log, connection } = session
  const fates = 'fates' in outcome ? outcome.fates : recipients.map(() => outcome.failure)
  const refused = fates.filter(fate => fate !== 'accepted')
  if ('fates' in outcome && refused.length < fates.length) {
    session.errors = 0
    log.info('received', { message: incoming.id, ...describeEnvelope(session), size: outcome.size })
  }
  for (const fate of new Set(refused)) {
    const fields = { message: incoming.id, ...describeEnvelope(session), reason: describe(fate) }
    if (isUnforeseen(fate)) log.error('message-failed', { ...fields, reason: stackOf(fate) })
    else log.info('message-refused', fields)
  }
  const ok = { code: 250, status: '2.0.0', text: `Ok: ${incoming.id}` }
  const replies = fates.map(fate => (fate === 'accepted' ? ok : replyOf(fate)))
  if (session.options.protocol === 'lmtp') for (const reply of replies) connection.write(formatReply(reply))
  else connection.write(formatReply(replies.find(reply => reply.code !== 250) ?? ok))
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
