/** APPEND, of one message or of several that arrive together or not at all (RFC 3501 §6.3.11, RFC 3502, RFC 4315 §3). */
import { parseInternalDate } from '../../message/date.js'
import type { ImapAppend } from '../backend.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { bad, no } from '../reply.js'
import type { Session } from '../session.js'
import { formatSet } from '../set.js'
import { storable } from './store.js'

export async function append(session: Session, args: Decoder): Promise<Answer> {
  let batch: ImapAppend | undefined
  try {
    args.space()
    if (args.atEnd && session.reader.pending) await takeName(session, args)
    batch = await session.mail.append(args.mailbox())
    args.space()
    do await appendOne(session, args, batch)
    while (args.trySpace() && (session.reader.pending || !args.atEnd))
    args.end()
    const { uidValidity, uids } = await batch.commit()
    return { code: `APPENDUID ${uidValidity} ${formatSet(uids)}` }
  } catch (error) {
    await batch?.abort()
    throw error
  }
}

/** What would not come back as it was from a file whose lines end in LF (RFC 3516 §4.4). */
const isBinary = /\0|^content-transfer-encoding:\s*binary/im

/** A mailbox name may come as a literal too, but not as a large one. */
async function takeName({ reader }: Session, args: Decoder): Promise<void> {
  if ((reader.pending?.size ?? 0) > 4_096) throw no('CANNOT', 'That is no mailbox name.')
  await reader.takeLiteral(args)
}

async function appendOne(session: Session, args: Decoder, batch: ImapAppend): Promise<void> {
  const { reader, options } = session
  const flags = args.peek === '(' ? readFlags(args) : []
  const date = args.peek === '"' ? readDate(args) : undefined
  const size = reader.pending?.size
  if (size === undefined || args.peek !== '') throw bad('The message must be a literal.')
  if (size === 0) throw no('CANNOT', 'An empty message cannot be kept.')
  if (size > options.appendLimit)
    throw no('TOOBIG', `The largest message here has ${options.appendLimit} octets.`)
  await batch.begin({ flags, date, size })
  const failure = await pour(session, batch, reader.pending?.binary === true)
  await reader.followOn(args)
  args.string('The message')
  if (failure) throw failure.error
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

/** Reads the literal to its end even when it cannot be kept, so that the next command is found. */
async function pour(
  { reader }: Session,
  batch: ImapAppend,
  binary: boolean,
): Promise<{ error: unknown } | undefined> {
  let failure: { error: unknown } | undefined
  let tail = ''
  for await (const chunk of reader.stream()) {
    if (failure) continue
    if (binary) {
      tail += chunk.toString('latin1')
      if (isBinary.test(tail))
        failure = { error: no('UNKNOWN-CTE', 'Binary parts cannot be kept; encode them.') }
      tail = tail.slice(-100)
    }
    await batch.write(chunk).catch(error => {
      failure = { error }
    })
  }
  return failure
}
