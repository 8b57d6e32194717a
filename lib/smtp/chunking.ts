/** BDAT (RFC 3030 §2): a message in chunks of announced length. */
import { LineDecoder } from '../wire/crlf.js'
import { BinaryMimeDecoder } from './binarymime.js'
import { type AnySession, command } from './command.js'
import { isBinary } from './extensions.js'
import { Reception, readBlock } from './reception.js'
import { SmtpError } from './reply.js'

/** What has come of a message so far. */
export interface Chunks {
  readonly reception: Reception
  /** Makes the stored form of it. */
  readonly decoder: Decoder
  received: number
}

interface Decoder {
  /** @throws SmtpError for what cannot be stored */
  push(octets: Buffer): Buffer
  end(): Buffer
}

interface Chunk {
  /** Undefined where it cannot be read: nobody knows then what is text and what is a command. */
  readonly size: number | undefined
  readonly last: boolean
}

/** RFC 3030 §2. Whatever is wrong, the octets are taken from the connection first: they follow without waiting. */
export const bdat = command<Chunk>({
  states: ['new', 'ready', 'mail', 'recipients', 'chunks'],
  check(_session, argument) {
    const [, size, last] = /^(\d{1,15})(?:[ \t]+(LAST))?$/i.exec(argument.trim()) ?? []
    return { size: size === undefined ? undefined : Number(size), last: last !== undefined }
  },
  async proceed(session, { size, last }) {
    if (size === undefined) {
      session.ending = true
      throw new SmtpError(501, '5.5.4', 'Syntax: BDAT octets [LAST]; goodbye')
    }
    const chunks = session.chunks ?? (await begin(session, size))
    session.chunks = chunks
    const before = chunks.reception.failed
    await receive(session, chunks, size)
    if (last) return end(session, chunks)
    if (before) throw new SmtpError(503, '5.5.1', 'The message was refused; say RSET')
    if (chunks.reception.failed) throw chunks.reception.failure
    session.reply(250, '2.0.0', `${size} octets taken`)
  },
})

/** @throws SmtpError, once the chunk has passed */
async function begin(session: AnySession, size: number): Promise<Chunks> {
  try {
    if (session.state === 'new' || session.state === 'ready')
      throw new SmtpError(503, '5.5.1', 'MAIL and RCPT come first')
    if (session.recipients.length === 0) throw new SmtpError(554, '5.5.1', 'There is no recipient')
    const incoming = await session.backend.begin(session.peer, session.login, session.envelope)
    incoming.expect?.()
    const reception = new Reception(incoming, session.options.maxMessageSize)
    const decoder = isBinary(session) ? new BinaryMimeDecoder() : new LineDecoder()
    return { reception, decoder, received: 0 }
  } catch (error) {
    for await (const _ of octetsOf(session, size));
    throw error
  }
}

async function receive(session: AnySession, chunks: Chunks, size: number): Promise<void> {
  for await (const octets of octetsOf(session, size)) {
    chunks.received += octets.length
    await convert(chunks, () => chunks.decoder.push(octets))
  }
}

/** Hands on what a decoder gives, or its refusal. */
async function convert({ reception, received }: Chunks, decode: () => Buffer): Promise<void> {
  if (reception.failed) return
  let octets: Buffer
  try {
    octets = decode()
  } catch (error) {
    return reception.refuse(error)
  }
  await reception.take(octets, received)
}

async function end(session: AnySession, chunks: Chunks): Promise<void> {
  await convert(chunks, () => chunks.decoder.end())
  session.chunks = undefined
  await chunks.reception.finish(session)
  session.reset()
}

/** The next octets of the connection, and no more. */
async function* octetsOf(session: AnySession, size: number): AsyncGenerator<Buffer> {
  for (let left = size; left > 0; ) {
    const octets = await readBlock(session, left)
    left -= octets.length
    yield octets
  }
}
