/** The client's side of the grammar: a verb and its arguments, over as many lines and literals as they take. */
import type { Connection } from '../wire/line.js'

export type Argument = Buffer | number

export interface Command {
  /** In upper case. */
  readonly verb: string
  readonly args: readonly Argument[]
}

/** What cannot be read as a command; the connection is at the start of the next one. */
export class SyntaxRefused extends Error {
  override readonly name = 'SyntaxRefused'
}

/** A literal larger than allowed; it has been passed over. */
export class LiteralTooLarge extends Error {
  override readonly name = 'LiteralTooLarge'
}

/** The client cannot be understood any more: what follows would be read as commands and is none. */
export class Lost extends Error {
  override readonly name = 'Lost'
}

/** Longest line, in octets; strings that are longer come as literals (RFC 5804 §4). */
const longestLine = 8_192
/** What is passed over of a literal that is too large; beyond this the client is left. */
const patience = 64 * 1_048_576
const mostArguments = 8

export interface Limits {
  /** Largest literal, in octets. */
  readonly literal: number
  /** Longest silence, in milliseconds. */
  readonly timeout: number
}

/**
 * Reads one command.
 *
 * @returns undefined when the client has left
 * @throws SyntaxRefused, LiteralTooLarge after the whole command was read; Lost when that cannot be
 * @throws LineTooLong, PeerTimeout, PeerGone
 */
export async function readCommand(connection: Connection, limits: Limits): Promise<Command | undefined> {
  const first = await connection.readLine(longestLine, limits.timeout)
  if (!first) return undefined
  const line = first.toString('latin1')
  const verb = /^[A-Za-z][A-Za-z-]{0,31}(?=$| )/.exec(line)?.[0] ?? ''
  const args = await readArguments(connection, line.slice(verb.length), limits)
  if (verb === '') throw new SyntaxRefused('a command begins with its name')
  return { verb: verb.toUpperCase(), args }
}

/** Reads one string on a line of its own: a client's answer to a challenge. @returns undefined when it has left */
export async function readString(connection: Connection, limits: Limits): Promise<Buffer | undefined> {
  const line = await connection.readLine(longestLine, limits.timeout)
  if (!line) return undefined
  const [only, ...more] = await readArguments(connection, ` ${line.toString('latin1')}`, limits)
  if (!Buffer.isBuffer(only) || more.length > 0) throw new SyntaxRefused('a string was expected')
  return only
}

/** @param rest what follows on the line, one character an octet, a space before each argument */
async function readArguments(connection: Connection, line: string, limits: Limits): Promise<Argument[]> {
  const args: Argument[] = []
  let wrong: Error | undefined
  for (let rest = line; rest.trim() !== ''; ) {
    const literal = /^ +\{(\d{1,10})\+?\}$/.exec(rest)
    if (literal) {
      const octets = await readLiteral(connection, Number(literal[1]), limits)
      if (octets) args.push(octets)
      else wrong ??= new LiteralTooLarge(`more than ${limits.literal} octets`)
      const next = await connection.readLine(longestLine, limits.timeout)
      if (!next) throw new Lost('the connection closed in the middle of a command')
      rest = next.toString('latin1')
      continue
    }
    const token = /^ +(?:"((?:[^"\\]|\\["\\])*)"|(\d{1,10})(?= |$))/.exec(rest)
    if (!token) {
      // A literal at the end of a line that makes no sense is read over, or its lines would be taken for commands.
      const unread = /\{(\d{1,10})\+\}$/.exec(rest)
      wrong ??= new SyntaxRefused('the arguments cannot be read')
      rest = unread ? ` {${unread[1]}+}` : ''
      continue
    }
    const [whole, quoted, digits] = token
    args.push(quoted === undefined ? Number(digits) : Buffer.from(quoted.replace(/\\(.)/g, '$1'), 'latin1'))
    if (args.length > mostArguments) wrong ??= new SyntaxRefused('too many arguments')
    rest = rest.slice(whole.length)
  }
  if (wrong) throw wrong
  return args
}

/** @returns undefined for one that is too large, when it has been passed over @throws Lost for one far too large */
async function readLiteral(
  connection: Connection,
  size: number,
  limits: Limits,
): Promise<Buffer | undefined> {
  if (size <= limits.literal) return connection.readExactly(size, limits.timeout)
  if (size > patience) throw new Lost(`a literal of ${size} octets`)
  for (let left = size; left > 0; ) {
    const some = await connection.readSome(Math.min(left, 65_536), limits.timeout)
    if (!some) throw new Lost('the connection closed in the middle of a literal')
    left -= some.length
  }
  return undefined
}
