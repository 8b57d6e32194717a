/** The commands that make a message: MAIL, RCPT, DATA, RSET. */
import { DotDecoder } from '../wire/dot.js'
import { type AnySession, command, noArgument } from './command.js'
import { checkMailParameters, checkRecipientParameters, isBinary } from './extensions.js'
import { needsUtf8, type Path, type PathArgument, parseForwardPath, parseReversePath } from './path.js'
import { Reception, readBlock } from './reception.js'
import { SmtpError } from './reply.js'

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
  states: ['new', 'ready', 'mail', 'recipients', 'chunks'],
  check: noArgument,
  async proceed(session) {
    await session.abandon()
    session.reply(250, '2.0.0', 'Ok')
  },
})

/** RFC 5321 §4.1.1.4. */
export const data = command({
  states: ['mail', 'recipients'],
  check(session, argument) {
    noArgument(session, argument)
    if (session.recipients.length === 0) throw new SmtpError(554, '5.5.1', 'There is no recipient')
    // RFC 3030 §3
    if (isBinary(session)) throw new SmtpError(503, '5.5.1', 'A message of BODY=BINARYMIME comes by BDAT')
  },
  async proceed(session) {
    const incoming = await session.backend.begin(session.peer, session.login, session.envelope)
    session.reply(354, undefined, 'Send the message, and end it with a dot alone in a line')
    session.connection.flush()
    incoming.expect?.()
    const reception = new Reception(incoming, session.options.maxMessageSize)
    await receive(session, reception)
    await reception.finish(session)
    session.reset()
  },
})

/**
 * Reads the message to its end, whatever becomes of it: a refusal can only be said there.
 *
 * @throws PeerGone, PeerTimeout when the end never comes
 */
async function receive(session: AnySession, reception: Reception): Promise<void> {
  const decoder = new DotDecoder()
  try {
    while (!decoder.ended) {
      const octets = decoder.push(await readBlock(session))
      await reception.take(octets, decoder.received)
    }
  } catch (error) {
    await reception.abort()
    throw error
  }
  session.connection.unread(decoder.rest)
}
