/** What IMAP clients note of mailboxes and of the server (RFC 5464), over the attributes of an account. */
import type { Metadata } from '../imap/backend.js'
import { no } from '../imap/reply.js'
import type { Account } from '../mailbox/account.js'
import { reserved, seenOf, server, split } from '../mailbox/attribute-names.js'
import { parseUses, standardFolders, useEntry } from '../mailbox/special-use.js'

/** Most entries of one mailbox. */
const most = 200

/** @param mailbox undefined for the server @throws MailboxError nonexistent */
export async function readMetadata(account: Account, mailbox: string | undefined): Promise<Metadata> {
  const found = seenOf(account.attributes.of(await account.guidOf(mailbox ?? 'INBOX')), mailbox)
  if (mailbox === undefined) return found
  const use = account.specialUse(mailbox)
  if (use === undefined) found.delete(useEntry)
  else found.set(useEntry, Buffer.from(use))
  return found
}

/** What is noted of all mailboxes, and of the server under the empty name, as far as anything is. */
export function readAllMetadata(account: Account): ReadonlyMap<string, Metadata> {
  const all = new Map<string, Metadata>()
  const noted = account.attributes.all()
  if (noted.size === 0) return all
  for (const [name, guid] of account.guids()) {
    const entries = noted.get(guid)
    if (!entries) continue
    if (name === 'INBOX') all.set('', seenOf(entries, undefined))
    all.set(name, seenOf(entries, name))
  }
  return all
}

/** Changes all of it, or nothing. @throws ImapError NO, MailboxError nonexistent */
export async function writeMetadata(
  account: Account,
  mailbox: string | undefined,
  changes: ReadonlyMap<string, Buffer | undefined>,
): Promise<void> {
  const guid = await account.guidOf(mailbox ?? 'INBOX')
  const kept = new Map<string, Buffer | undefined>()
  for (const [name, value] of changes) {
    const [scope, path] = split(name)
    if (path.startsWith(reserved)) throw no('NOPERM', 'That entry is for the server alone.')
    if (mailbox === undefined && name === '/shared/admin')
      throw no('NOPERM', 'Only the administrator says who that is.')
    if (mailbox === undefined) kept.set(`${scope}/${server}${path}`, value)
    else kept.set(name, name === useEntry ? useOf(mailbox, value) : value)
  }
  const all = new Map<string, Buffer | undefined>([...account.attributes.of(guid), ...kept])
  if ([...all.values()].filter(value => value !== undefined).length > most)
    throw no('METADATA TOOMANY', `A mailbox has ${most} entries at most.`)
  await account.attributes.change(guid, kept)
}

/** RFC 6154 §5.2. One of the usual folders that is to have no use must say so, or it would have its own. */
function useOf(mailbox: string, value: Buffer | undefined): Buffer | undefined {
  if (!value) return standardFolders[mailbox] === undefined ? undefined : Buffer.alloc(0)
  const uses = parseUses(value.toString('latin1'))
  if (uses === undefined) throw no('USEATTR', 'There is no such special use here.')
  return Buffer.from(uses)
}
