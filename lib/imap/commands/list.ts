/** LIST in its old and its extended form, LSUB, XLIST (RFC 3501 §6.3.8–9, RFC 5258, RFC 5819, RFC 6154). */
import type { Decoder } from '../decode.js'
import {
  type ListEntry,
  type ListRequest,
  listEntries,
  type Selection,
  subscribedEntries,
} from '../folders.js'
import { mailboxName } from '../name.js'
import { separator } from '../pattern.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'
import { statusItems, tellStatus } from './status.js'

const selections = new Set(['SUBSCRIBED', 'SPECIAL-USE'])
const returnOptions = new Set(['SUBSCRIBED', 'SPECIAL-USE', 'CHILDREN'])

export async function list(session: Session, args: Decoder): Promise<void> {
  args.space()
  const options = args.peek === '(' ? args.list(() => args.word('A selection option')) : undefined
  if (options) args.space()
  const selection = readSelection(options ?? [])
  const reference = readReference(args)
  args.space()
  const several = args.peek === '('
  const patterns = several ? args.list(() => args.pattern()) : [args.pattern()]
  const wanted = args.trySpace() ? readReturn(args) : undefined
  args.end()
  if (patterns.length === 1 && patterns[0] === '' && !options && !several && !wanted)
    return tellRoot(session, 'LIST')
  await tellList(session, wanted?.status ?? [], {
    patterns: patterns.map(pattern => reference + pattern),
    selection,
    recursive: options?.includes('RECURSIVEMATCH') === true,
    extended: session.rev2 || options !== undefined || several || wanted !== undefined,
    tellSubscribed: wanted?.subscribed === true,
  })
}

function readSelection(options: readonly string[]): Selection[] {
  for (const option of options)
    if (!selections.has(option) && option !== 'RECURSIVEMATCH' && option !== 'REMOTE')
      throw bad('There is no such selection option.')
  const selection = options.filter(option => selections.has(option)) as Selection[]
  if (options.includes('RECURSIVEMATCH') && selection.length === 0)
    throw bad('RECURSIVEMATCH needs another selection option.')
  return [...new Set(selection)]
}

function readReturn(args: Decoder): { subscribed: boolean; status: string[] } {
  if (!args.tryWord('RETURN')) throw bad('RETURN was expected.')
  args.space()
  let subscribed = false
  let status: string[] = []
  args.list(() => {
    const option = args.word('A return option')
    if (option === 'STATUS') {
      args.space()
      status = statusItems(args)
    } else if (!returnOptions.has(option)) throw bad('There is no such return option.')
    subscribed ||= option === 'SUBSCRIBED'
  })
  return { subscribed, status }
}

/** A reference is put before the pattern as it stands. */
function readReference(args: Decoder): string {
  return mailboxName(args.astring('The reference'), args.utf8)
}

function tellRoot(session: Session, verb: string): void {
  session.untagged(`${verb} (\\Noselect) "${separator}" ""`)
}

async function tellList(session: Session, status: readonly string[], request: ListRequest): Promise<void> {
  const { mail } = session
  const subscriptions = await mail.subscriptions()
  for (const entry of listEntries(await mail.folders(), subscriptions, request)) {
    session.untagged(`LIST ${entryText(session, entry.name, entry.attributes)}${childInfo(entry)}`)
    // RFC 5819 §2: a mailbox that cannot be looked at has no STATUS, and that is no error.
    if (status.length > 0 && entry.hasStatus) await tellStatus(session, entry.name, status).catch(() => {})
  }
}

function entryText(session: Session, name: string, attributes: readonly string[]): string {
  return `(${attributes.join(' ')}) "${separator}" ${session.nameText(name)}`
}

function childInfo({ childInfo: met }: ListEntry): string {
  return met.length === 0 ? '' : ` ("CHILDINFO" (${met.map(which => `"${which}"`).join(' ')}))`
}

export async function lsub(session: Session, args: Decoder): Promise<void> {
  const pattern = readPlain(args)
  if (pattern === '') return tellRoot(session, 'LSUB')
  for (const { name, attributes } of subscribedEntries(await session.mail.subscriptions(), pattern))
    session.untagged(`LSUB ${entryText(session, name, attributes)}`)
}

/** What RFC 6154's attributes were called in XLIST. */
const oldNames: Readonly<Record<string, string>> = {
  '\\All': '\\AllMail',
  '\\Junk': '\\Spam',
  '\\Flagged': '\\Starred',
}

export async function xlist(session: Session, args: Decoder): Promise<void> {
  const pattern = readPlain(args)
  if (pattern === '') return tellRoot(session, 'XLIST')
  const request = { selection: [], recursive: false, extended: false, tellSubscribed: false }
  const folders = await session.mail.folders()
  for (const { name, attributes } of listEntries(folders, [], { ...request, patterns: [pattern] })) {
    const named = attributes.map(attribute => oldNames[attribute] ?? attribute)
    session.untagged(`XLIST ${entryText(session, name, name === 'INBOX' ? [...named, '\\Inbox'] : named)}`)
  }
}

function readPlain(args: Decoder): string {
  args.space()
  const reference = readReference(args)
  args.space()
  const pattern = args.pattern()
  args.end()
  return pattern === '' ? '' : reference + pattern
}
