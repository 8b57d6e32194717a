/** Commands that touch no mailbox: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, ENABLE, NAMESPACE. */
import { startTls } from '../../wire/tls.js'
import { canStartTls, capabilities } from '../capability.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { nstring, quote } from '../encode.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'

export async function capability(session: Session, args: Decoder): Promise<void> {
  args.end()
  session.untagged(`CAPABILITY ${capabilities(session)}`)
}

/** The news that it is sent for come with every answer. */
export async function noop(_: Session, args: Decoder): Promise<void> {
  args.end()
}

export async function logout(session: Session, args: Decoder): Promise<void> {
  args.end()
  session.untagged('BYE Goodbye.')
  session.state = 'logout'
}

/** RFC 2971: what the client says of itself is logged, what the server is is told. */
export async function id(session: Session, args: Decoder): Promise<void> {
  args.space()
  const pairs = args.tryWord('NIL') ? [] : args.list(() => args.nstring('A field or its value')?.toString())
  args.end()
  if (pairs.length % 2 !== 0) throw bad('A field has no value.')
  const fields: Record<string, string | undefined> = {}
  for (let at = 0; at + 1 < Math.min(pairs.length, 60); at += 2) {
    const name = pairs[at]?.toLowerCase()
    if (name === 'name' || name === 'version' || name === 'os') fields[name] = pairs[at + 1]?.slice(0, 100)
  }
  session.log.debug('client-id', fields)
  const own = Object.entries(session.options.id).map(([name, value]) => `${quote(name)} ${nstring(value)}`)
  session.untagged(`ID ${own.length === 0 ? 'NIL' : `(${own.join(' ')})`}`)
}

export async function starttls(session: Session, args: Decoder): Promise<Answer> {
  args.end()
  const { identity } = session.options
  if (session.encrypted) throw bad('TLS is on already.')
  if (!identity || !canStartTls(session)) throw bad('There is no TLS here.')
  return { text: 'Begin TLS now.', after: () => startTls(session.connection, identity) }
}

/** What can be enabled; other names are passed over without a word (RFC 5161 §3.1). */
const enableable: ReadonlySet<string> = new Set([
  'CONDSTORE',
  'QRESYNC',
  'UTF8=ACCEPT',
  'IMAP4REV2',
  'METADATA',
  'METADATA-SERVER',
])

export async function enable(session: Session, args: Decoder): Promise<void> {
  const names: string[] = []
  args.space()
  do names.push(args.word('A capability'))
  while (args.trySpace() && !args.atEnd)
  args.end()
  const added = names.filter(name => enableable.has(name) && !session.enabled.has(name))
  session.untagged(`ENABLED${added.map(name => ` ${name.replace('REV2', 'rev2')}`).join('')}`)
  if (added.includes('CONDSTORE') || added.includes('QRESYNC')) session.useCondstore()
  // RFC 5464 §4.4: changes that others make from now on are told.
  if (added.some(name => name.startsWith('METADATA')))
    session.metadataTold ??= await session.mail.allMetadata()
  for (const name of added) session.enabled.add(name)
}

/** RFC 2342: one personal namespace without prefix; other users' mail where they share it; nothing that is nobody's. */
export async function namespace(session: Session, args: Decoder): Promise<void> {
  args.end()
  const { othersPrefix } = session.mail
  const others = othersPrefix === undefined ? 'NIL' : `((${quote(othersPrefix)} "."))`
  session.untagged(`NAMESPACE (("" ".")) ${others} NIL`)
}
