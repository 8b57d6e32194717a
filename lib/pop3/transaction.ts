/** The commands of the TRANSACTION state: reading, marking, and at QUIT the removal of what was marked. */
import { describe, errorCode, MailError } from '../sys/error.js'
import { DotEncoder } from '../wire/dot.js'
import { Ahead, makeAnswer } from './answer.js'
import type { Maildrop, Pop3Session } from './session.js'

/** How much of a message is turned into its wire form at a time, in octets. */
const slice = 256 * 1024

/** The maildrop, which is there in this state. */
function maildropOf<User>(session: Pop3Session<User>): Maildrop {
  if (!session.maildrop) throw new Error('a command of the TRANSACTION state ran without a maildrop')
  return session.maildrop
}

/** Reads a message number. @returns its index, or undefined after the refusal was written */
function messageOf<User>(session: Pop3Session<User>, text: string): number | undefined {
  const index = /^\d{1,10}$/.test(text) ? Number(text) - 1 : Number.NaN
  if (!(index >= 0 && index < maildropOf(session).count)) session.refuse('there is no such message')
  else if (session.deleted.has(index)) session.refuse(`message ${text} is marked as deleted`)
  else return index
  return undefined
}

/** The messages that are not marked. */
function* present<User>(session: Pop3Session<User>): Generator<number> {
  const { count } = maildropOf(session)
  for (let index = 0; index < count; index++) if (!session.deleted.has(index)) yield index
}

/** RFC 1939 §5: STAT counts what is not marked. */
export function stat<User>(session: Pop3Session<User>): void {
  const maildrop = maildropOf(session)
  let octets = 0
  for (const index of present(session)) octets += maildrop.size(index)
  session.ok(`${maildrop.count - session.deleted.size} ${octets}`)
}

/** RFC 1939 §5: LIST, of one message or of all. */
export function list<User>(session: Pop3Session<User>, argument: string): void {
  const maildrop = maildropOf(session)
  listing(session, argument, index => String(maildrop.size(index)))
}

/** RFC 1939 §7: UIDL, of one message or of all. */
export function uidl<User>(session: Pop3Session<User>, argument: string): void {
  const maildrop = maildropOf(session)
  listing(session, argument, index => maildrop.uidl(index))
}

function listing<User>(session: Pop3Session<User>, argument: string, about: (index: number) => string): void {
  if (argument !== '') {
    const index = messageOf(session, argument)
    if (index !== undefined) session.ok(`${index + 1} ${about(index)}`)
    return
  }
  let text = ''
  for (const index of present(session)) text += `${index + 1} ${about(index)}\r\n`
  session.ok('the list follows')
  session.connection.write(`${text}.\r\n`)
}

/** RFC 1939 §5: RETR. */
export async function retr<User>(session: Pop3Session<User>, argument: string): Promise<void> {
  const index = messageOf(session, argument)
  if (index === undefined) return
  const maildrop = maildropOf(session)
  const answer = session.ahead?.take(index) ?? readOrRefuse(session, index, () => makeAnswer(maildrop, index))
  if (!answer) return
  if (Buffer.isBuffer(answer)) return send(session, answer, `${maildrop.size(index)} octets`)
  session.connection.lend(answer.octets, answer.giveBack)
  lookAhead(session, index)
  await session.connection.drain(session.timeout)
}

/** Makes the next answer while the client takes this one, if it asks for one message after the other and waits for each. */
function lookAhead<User>(session: Pop3Session<User>, index: number): void {
  const inOrder = index === session.lastRead + 1
  session.lastRead = index
  if (!inOrder || session.connection.buffered > 0) return
  const next = index + 1
  if (next >= maildropOf(session).count || session.deleted.has(next)) return
  session.connection.flush()
  session.ahead ??= new Ahead(maildropOf(session))
  session.ahead.make(next)
}

/** RFC 1939 §7: TOP, the header, the blank line, and so many lines of the body. */
export async function top<User>(session: Pop3Session<User>, argument: string): Promise<void> {
  const [, message = '', count] = /^(\d+) (\d{1,15})$/.exec(argument) ?? []
  if (count === undefined) return session.refuse('TOP needs a message and a number of lines')
  const index = messageOf(session, message)
  if (index === undefined) return
  const octets = readOrRefuse(session, index, () => maildropOf(session).read(index))
  if (octets) await send(session, octets.subarray(0, endOfTop(octets, Number(count))), 'the top follows')
}

/** Where the header, its blank line and `count` lines of the body end; LF and CRLF may be mixed. */
export function endOfTop(octets: Buffer, count: number): number {
  let at = 0
  for (let blank = false; !blank; ) {
    const end = octets.indexOf(10, at)
    if (end < 0) return octets.length
    blank = end === at || (end === at + 1 && octets[at] === 13)
    at = end + 1
  }
  for (let line = 0; line < count; line++) {
    const end = octets.indexOf(10, at)
    if (end < 0) return octets.length
    at = end + 1
  }
  return at
}

function readOrRefuse<User, T>(
  session: Pop3Session<User>,
  index: number,
  read: () => T | undefined,
): T | undefined {
  try {
    const result = read()
    if (result === undefined) session.refuse(`message ${index + 1} was removed by another session`)
    return result
  } catch (error) {
    session.log.error('read-failed', { message: index + 1, reason: describe(error) })
    session.refuse('the message cannot be read now', 'SYS/TEMP')
    return undefined
  }
}

/** Sends a message with CRLF and dot-stuffing, no faster than the client reads. */
async function send<User>(session: Pop3Session<User>, octets: Buffer, words: string): Promise<void> {
  const { connection } = session
  const encoder = new DotEncoder({ strayCr: 'keep' })
  session.ok(words)
  for (let at = 0; at < octets.length; at += slice) {
    connection.write(encoder.push(octets.subarray(at, at + slice)))
    await connection.drain(session.timeout)
  }
  connection.write(encoder.end())
}

/** RFC 1939 §5: DELE marks; nothing is removed before QUIT. */
export function dele<User>(session: Pop3Session<User>, argument: string): void {
  const index = messageOf(session, argument)
  if (index === undefined) return
  session.deleted.add(index)
  session.ok(`message ${index + 1} is marked`)
}

/** RFC 1939 §5: RSET takes every mark away. */
export function rset<User>(session: Pop3Session<User>): void {
  session.deleted.clear()
  session.ok('')
}

/** RFC 1939 §6: QUIT removes what is marked, and says so only when that is done; the session ends in any case. */
export async function update<User>(session: Pop3Session<User>): Promise<void> {
  const marked = [...session.deleted].sort((a, b) => a - b)
  session.ended = true
  if (marked.length === 0) return session.ok('goodbye')
  try {
    await maildropOf(session).remove(marked)
    session.log.info('removed', { messages: marked.length })
    session.ok(`${marked.length} messages removed, goodbye`)
  } catch (error) {
    session.log.error('remove-failed', { messages: marked.length, reason: describe(error) })
    const isPassing = error instanceof MailError || errorCode(error) !== undefined
    session.refuse('some messages could not be removed', isPassing ? 'SYS/TEMP' : 'SYS/PERM')
  }
}
