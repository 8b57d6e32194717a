/** ManageSieve (RFC 5804) at a glance: its commands, the states they belong to, and the loop that runs them. */
import { describe, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { type Connection, LineTooLong, PeerTimeout } from '../wire/line.js'
import { authenticateCommand, offered, starttls } from './authentication.js'
import { type Argument, type Command, LiteralTooLarge, Lost, readCommand, SyntaxRefused } from './reader.js'
import { ManageSieveError, string } from './reply.js'
import { type ManageSieveOptions, ManageSieveSession, type State } from './session.js'

type Session = ManageSieveSession<never>

interface Verb {
  readonly states: readonly State[]
  /** Its arguments: s is a string, n a number, ? makes what follows optional. */
  readonly takes: string
  run(session: Session, args: readonly Argument[]): Promise<void> | void
}

const everywhere = ['anonymous', 'authenticated'] as const
const inside = ['authenticated'] as const

const verbs: Readonly<Record<string, Verb>> = {
  AUTHENTICATE: { states: ['anonymous'], takes: 's?s', run: authenticateCommand }, // RFC 5804 §2.1
  STARTTLS: { states: ['anonymous'], takes: '', run: s => starttls(s, () => greet(s)) }, // §2.2
  LOGOUT: { states: everywhere, takes: '', run: logout }, // §2.3
  CAPABILITY: { states: everywhere, takes: '', run: greet }, // §2.4
  HAVESPACE: { states: inside, takes: 'sn', run: havespace }, // §2.5
  PUTSCRIPT: { states: inside, takes: 'ss', run: putscript }, // §2.6
  LISTSCRIPTS: { states: inside, takes: '', run: listscripts }, // §2.7
  SETACTIVE: { states: inside, takes: 's', run: setactive }, // §2.8
  GETSCRIPT: { states: inside, takes: 's', run: getscript }, // §2.9
  DELETESCRIPT: { states: inside, takes: 's', run: deletescript }, // §2.10
  RENAMESCRIPT: { states: inside, takes: 'ss', run: renamescript }, // §2.11
  CHECKSCRIPT: { states: inside, takes: 's', run: checkscript }, // §2.12
  NOOP: { states: everywhere, takes: '?s', run: noop }, // §2.13
  UNAUTHENTICATE: { states: inside, takes: '', run: unauthenticate }, // §2.14.1
}

/** Refused logins and commands that make no sense before a session that is nobody's is ended. */
const patience = 10
/** Largest literal of somebody who has not logged in, in octets. */
const strangersLiteral = 12_288

/** Speaks ManageSieve until the peer leaves. */
export async function serveManageSieve<User>(
  connection: Connection,
  options: ManageSieveOptions<User>,
  log: Log,
): Promise<void> {
  // The table is one for every kind of user; what a session does with its own it knows itself.
  const session = new ManageSieveSession(connection, options, log) as unknown as Session
  connection.onShutdown = () => {
    session.bye('the server is shutting down', 'TRYLATER')
    connection.close()
  }
  greet(session)
  while (!session.ended) await step(session)
}

async function step(session: Session): Promise<void> {
  const command = await next(session)
  if (command) await run(session, command)
  if (!session.ended && session.state === 'anonymous' && session.failures > patience)
    session.bye('too many errors, goodbye')
}

/** The next command; undefined when there is none to run: the peer left, or cannot be understood. */
async function next(session: Session): Promise<Command | undefined> {
  const { connection, options, state, timeout } = session
  const literal = state === 'anonymous' ? strangersLiteral : options.maxScriptSize || 64 * 1_048_576
  try {
    const command = await readCommand(connection, { literal, timeout })
    if (!command) session.ended = true
    return command
  } catch (error) {
    session.failures++
    if (error instanceof LiteralTooLarge) session.no('this is too large', 'QUOTA/MAXSIZE')
    else if (error instanceof SyntaxRefused) session.no(error.message)
    else if (error instanceof LineTooLong) session.no('this line is too long')
    else if (error instanceof Lost) session.bye(error.message)
    else if (error instanceof PeerTimeout) session.bye('nothing came for too long, goodbye')
    else throw error
    return undefined
  }
}

async function run(session: Session, { verb: name, args }: Command): Promise<void> {
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (!verb?.states.includes(session.state)) {
    session.failures++
    const reason = verb && session.state === 'anonymous' ? 'log in first' : 'not now'
    return session.no(verb ? reason : 'this command is unknown')
  }
  if (!fits(args, verb.takes)) return session.no(`wrong arguments of ${name}`)
  try {
    await verb.run(session, args)
  } catch (error) {
    if (error instanceof ManageSieveError) return session.no(error.message, error.code)
    if (!(error instanceof MailError)) throw error
    session.log.warning('command-failed', { verb: name, user: session.owner, reason: describe(error) })
    session.no(error.message, 'TRYLATER')
  }
}

function fits(args: readonly Argument[], takes: string): boolean {
  const [needed = '', optional = ''] = takes.split('?')
  const given = args.map(arg => (typeof arg === 'number' ? 'n' : 's')).join('')
  return given.startsWith(needed) && (needed + optional).startsWith(given)
}

/** RFC 5804 §1.7: the capabilities, which are the greeting too. */
function greet(session: Session): void {
  const { connection, options, owner } = session
  const lines: (readonly [string, string?])[] = [
    ['IMPLEMENTATION', options.implementation],
    ['SIEVE', options.extensions.join(' ')],
    ['NOTIFY', 'mailto'],
    ...(options.extensions.includes('extlists') ? ([['EXTLISTS', 'urn']] as const) : []),
    ['MAXREDIRECTS', String(options.maxRedirects)],
    ['SASL', offered(session).join(' ')],
    ...(session.offersTls ? ([['STARTTLS']] as const) : []),
    ...(owner === undefined ? [] : ([['OWNER', owner]] as const)),
    ['UNAUTHENTICATE'],
    ['VERSION', '1.0'],
  ]
  for (const words of lines) {
    const strings = words.flatMap(word => (word === undefined ? [] : [string(word).toString()]))
    connection.write(`${strings.join(' ')}\r\n`)
  }
  session.ok(owner === undefined ? 'ManageSieve ready' : '')
}

function logout(session: Session): void {
  session.ok('goodbye')
  session.ended = true
}

async function havespace(session: Session, [name, size]: readonly Argument[]): Promise<void> {
  await session.scripts.checkSpace(text(name), size as number)
  session.ok()
}

async function putscript(session: Session, [name, content]: readonly Argument[]): Promise<void> {
  if ((content as Buffer).length === 0)
    return session.no('an empty script says nothing; deactivate it instead')
  warned(session, await session.scripts.write(text(name), content as Buffer))
}

async function checkscript(session: Session, [content]: readonly Argument[]): Promise<void> {
  warned(session, await session.scripts.check(content as Buffer))
}

/** RFC 5804 §2.6: what is doubtful about a script that was taken all the same. */
function warned(session: Session, warnings: readonly string[]): void {
  if (warnings.length === 0) session.ok()
  else session.ok(warnings.join('\r\n'), 'WARNINGS')
}

async function listscripts(session: Session): Promise<void> {
  for (const { name, active } of await session.scripts.list())
    session.connection.write(Buffer.concat([string(name), Buffer.from(active ? ' ACTIVE\r\n' : '\r\n')]))
  session.ok()
}

async function setactive(session: Session, [name]: readonly Argument[]): Promise<void> {
  const script = text(name)
  await (script === '' ? session.scripts.deactivate() : session.scripts.activate(script))
  session.ok()
}

async function getscript(session: Session, [name]: readonly Argument[]): Promise<void> {
  const octets = await session.scripts.read(text(name))
  // Always a literal: a script is lines, and some clients know nothing else.
  session.connection.write(
    Buffer.concat([Buffer.from(`{${octets.length}}\r\n`), octets, Buffer.from('\r\n')]),
  )
  session.ok()
}

async function deletescript(session: Session, [name]: readonly Argument[]): Promise<void> {
  await session.scripts.remove(text(name))
  session.ok()
}

async function renamescript(session: Session, [from, to]: readonly Argument[]): Promise<void> {
  await session.scripts.rename(text(from), text(to))
  session.ok()
}

function noop(session: Session, [tag]: readonly Argument[]): void {
  session.ok('done', tag === undefined ? undefined : `TAG ${string(tag as Buffer).toString()}`)
}

function unauthenticate(session: Session): void {
  session.logout()
  session.ok()
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A name as text. @throws ManageSieveError for what is not UTF-8 */
function text(argument: Argument | undefined): string {
  try {
    return utf8.decode(argument as Buffer)
  } catch {
    throw new ManageSieveError(undefined, 'a name must be UTF-8')
  }
}
