/** The list of mailboxes, subscriptions and metadata as a client was last told of it, and what has changed since. */
import { MailError } from '../sys/error.js'
import type { ImapAccount, Metadata } from './backend.js'
import { astring } from './encode.js'
import { type ListEntry, listEntries } from './folders.js'
import type { NotifyEvent } from './notify-events.js'
import { parentsOf, separator } from './pattern.js'
import type { Session } from './session.js'

export interface Listing {
  /** Ids of mailboxes by name (RFC 8474), empty for one that has none yet. */
  readonly ids: ReadonlyMap<string, string>
  /** Mailboxes that others share with the user. */
  readonly shared: readonly string[]
  readonly subscribed: ReadonlySet<string>
  /** By the name of the mailbox; the server's under the empty name. */
  readonly metadata: ReadonlyMap<string, Metadata>
}

export async function readListing(mail: ImapAccount): Promise<Listing> {
  const ids = await identified(mail, await mail.mailboxIds())
  const folders = await mail.folders()
  return {
    ids,
    shared: folders.filter(({ name, selectable }) => selectable && !ids.has(name)).map(({ name }) => name),
    subscribed: new Set(await mail.subscriptions()),
    metadata: await mail.allMetadata(),
  }
}

/** A mailbox gets its id when it is first looked at: one without could not be told from others when it is renamed. */
async function identified(
  mail: ImapAccount,
  ids: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, string>> {
  const all = new Map(ids)
  for (const [name, id] of ids) if (id === '') all.set(name, await idOf(mail, name))
  return all
}

async function idOf(mail: ImapAccount, name: string): Promise<string> {
  try {
    return (await mail.status(name)).mailboxId
  } catch (error) {
    // It is just going.
    if (error instanceof MailError) return ''
    throw error
  }
}

/** Whether the client wants to hear that this happened to a mailbox; the empty name is the server's. */
export type IsWanted = (event: NotifyEvent, name: string) => boolean

/** Tells what changed between two listings (RFC 5465 §5.4–5.7). */
export async function tellListing(
  session: Session,
  before: Listing,
  after: Listing,
  isWanted: IsWanted,
): Promise<void> {
  const attributes = await attributeTexts(session.mail)
  const tell = (name: string, oldName?: string) => tellName(session, attributes, name, oldName)
  const { renamed, others } = nameChanges(before.ids, after.ids)
  for (const [to, from] of renamed) if (isWanted('MAILBOXNAME', to)) tell(to, from)
  for (const name of others) if (isWanted('MAILBOXNAME', name)) tell(name)
  const subscribed = [...after.subscribed].filter(name => !before.subscribed.has(name))
  const left = [...before.subscribed].filter(name => !after.subscribed.has(name))
  for (const name of [...subscribed, ...left])
    if (isWanted('SUBSCRIPTIONCHANGE', name) && !renamed.has(name)) tell(name)
  tellMetadata(session, before.metadata, after.metadata, isWanted)
}

/** Tells how LIST shows a mailbox. @param oldName what the client called it, where that is another name */
export async function tellListed(session: Session, name: string, oldName?: string): Promise<void> {
  tellName(session, await attributeTexts(session.mail), name, oldName)
}

function tellName(
  session: Session,
  attributes: ReadonlyMap<string, string>,
  name: string,
  oldName: string | undefined,
): void {
  const old = oldName === undefined ? '' : ` ("OLDNAME" (${session.nameText(oldName)}))`
  const text = attributes.get(name) ?? '(\\NonExistent)'
  session.untagged(`LIST ${text} "${separator}" ${session.nameText(name)}${old}`)
}

/** The attributes of all mailboxes, as LIST shows them. */
async function attributeTexts(mail: ImapAccount): Promise<ReadonlyMap<string, string>> {
  const request = { patterns: ['*'], selection: [], recursive: false, extended: true, tellSubscribed: true }
  const entries: ListEntry[] = listEntries(await mail.folders(), await mail.subscriptions(), request)
  return new Map(entries.map(({ name, attributes }) => [name, `(${attributes.join(' ')})`]))
}

/**
 * What happened to the names of mailboxes: new names with the old ones, of which those below a renamed one are not
 * named apart; and names that came or went, each with the one above it.
 */
export function nameChanges(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): { renamed: ReadonlyMap<string, string>; others: readonly string[] } {
  const formerly = new Map([...before].filter(([, id]) => id !== '').map(([name, id]) => [id, name]))
  const renamed = new Map<string, string>()
  const moved = new Set<string>()
  const changed = new Set<string>()
  for (const name of [...after.keys()].sort()) {
    const id = after.get(name) ?? ''
    const withParent = formerName(name, renamed)
    // One that had no id yet is known by the mailbox above it.
    const isBelow = withParent !== undefined && before.get(withParent) === ''
    const old = formerly.get(id) ?? (isBelow ? withParent : undefined)
    if (old !== undefined && old !== name && before.has(old) && !after.has(old)) {
      moved.add(old)
      if (old !== withParent) renamed.set(name, old)
    } else if (!before.has(name) || (before.get(name) !== '' && before.get(name) !== id)) changed.add(name)
  }
  for (const name of before.keys()) if (!after.has(name) && !moved.has(name)) changed.add(name)
  const parents = [...changed].map(name => parentsOf(name).pop()).filter(parent => parent !== undefined)
  return { renamed, others: [...new Set([...changed, ...parents])].sort() }
}

/** What a mailbox below a renamed one was called; undefined when there is none renamed above it. */
function formerName(name: string, renamed: ReadonlyMap<string, string>): string | undefined {
  const parent = parentsOf(name).findLast(above => renamed.has(above))
  return parent === undefined ? undefined : renamed.get(parent) + name.slice(parent.length)
}

/** `METADATA INBOX /shared/comment`: which entries changed, without their values (RFC 5464 §4.4.2). */
export function tellMetadata(
  session: Session,
  before: Listing['metadata'],
  after: Listing['metadata'],
  isWanted: IsWanted,
): void {
  if (before === after) return
  for (const mailbox of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [old, now] = [before.get(mailbox), after.get(mailbox)]
    // With a mailbox that is gone went what was noted of it.
    if (mailbox === '' ? !isWanted('SERVERMETADATACHANGE', '') : !isWanted('MAILBOXMETADATACHANGE', mailbox))
      continue
    const names = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])]
    const changed = names.filter(name => !isSame(old?.get(name), now?.get(name)))
    if (changed.length > 0)
      session.untagged(`METADATA ${session.nameText(mailbox)} ${changed.map(astring).join(' ')}`)
  }
}

/** Tells a client that has enabled it what others have noted since (RFC 5464 §4.4). */
export async function tellMetadataNews(session: Session): Promise<void> {
  const before = session.metadataTold
  if (!before) return
  session.metadataTold = await session.mail.allMetadata()
  const { enabled } = session
  tellMetadata(
    session,
    before,
    session.metadataTold,
    event => enabled.has('METADATA') || event === 'SERVERMETADATACHANGE',
  )
}

function isSame(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b)
}
