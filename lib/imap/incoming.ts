/**
 * A message that a client sends (APPEND, REPLACE): its flags, its date, and its octets: one literal (RFC 3501 §6.3.11),
 * one in UTF8 (…) (RFC 6855 §4), or several with pieces of messages that are here already (RFC 4469 CATENATE).
 */
import { parseInternalDate } from '../message/date.js'
import type { ImapAppend } from './backend.js'
import { storable } from './commands/store.js'
import type { Decoder } from './decode.js'
import { bad, no } from './reply.js'
import type { Session } from './session.js'
import { octetsOfUrl } from './url.js'

/** What would not come back as it was from a file whose lines end in LF (RFC 3516 §4.4). */
const isBinary = /\0|^content-transfer-encoding:\s*binary/im
/** Longest mailbox name or URL that comes as a literal, in octets. */
const longestName = 4_096

/** Reads the mailbox a message goes to; it may come as a literal too, but not as a large one. */
export async function readTarget(session: Session, args: Decoder): Promise<string> {
  args.space()
  await takeSmall(session, args)
  return args.mailbox()
}

/** Where an argument is a literal, reads it into memory. */
async function takeSmall({ reader }: Session, args: Decoder): Promise<void> {
  if (args.peek !== '' || !reader.pending) return
  if (reader.pending.size > longestName) throw no('CANNOT', 'That literal is too large for a name.')
  await reader.takeLiteral(args)
}

/** Reads one message into a batch, up to what follows it on its line. */
export async function receiveMessage(session: Session, args: Decoder, batch: ImapAppend): Promise<void> {
  const flags = args.peek === '(' ? readFlags(args) : []
  const date = args.peek === '"' ? readDate(args) : undefined
  const receiver = new Receiver(session, args, batch)
  const size = session.reader.pending?.size
  const begin = (known?: number) => batch.begin({ flags, date, size: known })
  if (args.tryWord('CATENATE')) {
    await begin()
    await receiver.pieces()
  } else if (session.utf8 && args.tryWord('UTF8')) {
    args.space()
    args.char('(')
    receiver.checkLiteral()
    await begin(size)
    await receiver.literal()
    args.char(')')
  } else {
    receiver.checkLiteral()
    await begin(size)
    await receiver.literal()
  }
}

function readFlags(args: Decoder): string[] {
  const flags = storable(args.list(() => args.flag()))
  args.space()
  return flags
}

function readDate(args: Decoder): number {
  const date = parseInternalDate(args.string('The date').toString())
  if (!date) throw bad('That is no date-time.')
  args.space()
  return date.utc
}

class Receiver {
  readonly #session: Session
  readonly #args: Decoder
  readonly #batch: ImapAppend
  #total = 0

  constructor(session: Session, args: Decoder, batch: ImapAppend) {
    this.#session = session
    this.#args = args
    this.#batch = batch
  }

  /** Refuses a message before its octets are sent. */
  checkLiteral(): void {
    const size = this.#session.reader.pending?.size
    if (size === undefined || this.#args.peek !== '') throw bad('The message must be a literal.')
    if (size === 0) throw no('CANNOT', 'An empty message cannot be kept.')
    this.#count(size)
  }

  #count(size: number): void {
    const { appendLimit } = this.#session.options
    this.#total += size
    if (this.#total > appendLimit) throw no('TOOBIG', `The largest message here has ${appendLimit} octets.`)
  }

  /** The announced literal, and the line behind it. */
  async literal(): Promise<void> {
    const { reader } = this.#session
    const failure = await this.#pour(reader.pending?.binary === true)
    await reader.followOn(this.#args)
    this.#args.string('The message')
    if (failure) throw failure.error
  }

  /** ` (TEXT {42} UTF8 (~{42}) URL "/Drafts/;UID=20" …)` */
  async pieces(): Promise<void> {
    const args = this.#args
    args.space()
    args.char('(')
    do await this.#piece()
    while (args.trySpace())
    args.char(')')
    if (this.#total === 0) throw no('CANNOT', 'An empty message cannot be kept.')
  }

  async #piece(): Promise<void> {
    const args = this.#args
    const kind = args.word('TEXT or URL')
    args.space()
    if (kind === 'URL') return this.#url()
    // RFC 6855 §4: a literal of its own kind here too.
    const isUtf8 = kind === 'UTF8' && this.#session.utf8
    if (isUtf8) args.char('(')
    const size = this.#session.reader.pending?.size
    if ((kind !== 'TEXT' && !isUtf8) || size === undefined || args.peek !== '')
      throw bad('Write TEXT {…} or URL.')
    this.#count(size)
    await this.literal()
    if (isUtf8) args.char(')')
  }

  async #url(): Promise<void> {
    await takeSmall(this.#session, this.#args)
    const octets = await octetsOfUrl(this.#session, this.#args.text('The URL'))
    this.#count(octets.length)
    await this.#batch.write(octets)
  }

  /** Reads the literal to its end even when it cannot be kept, so that the next command is found. */
  async #pour(binary: boolean): Promise<{ error: unknown } | undefined> {
    let failure: { error: unknown } | undefined
    let tail = ''
    for await (const chunk of this.#session.reader.stream()) {
      if (failure) continue
      if (binary) {
        tail += chunk.toString('latin1')
        if (isBinary.test(tail))
          failure = { error: no('UNKNOWN-CTE', 'Binary parts cannot be kept; encode them.') }
        tail = tail.slice(-100)
      }
      await this.#batch.write(chunk).catch(error => {
        failure = { error }
      })
    }
    return failure
  }
}
