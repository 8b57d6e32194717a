/**
 * Which mailbox is for what (RFC 6154): what a client has said, kept as the entry /private/specialuse (§5.2), else what
 * the usual folders are for by their names. A folder yields its use to a mailbox that was given it.
 */
import type { Attributes } from './attributes.js'
import { readGuid } from './guid.js'

/** The folders every user has beside INBOX, and their special use. */
export const standardFolders: Readonly<Record<string, string>> = {
  Drafts: '\\Drafts',
  Sent: '\\Sent',
  Junk: '\\Junk',
  Trash: '\\Trash',
  Archive: '\\Archive',
}

/** The entry in which a mailbox's use is kept: one or several, with blanks between; empty for none at all. */
export const useEntry = '/private/specialuse'

/** Uses that a mailbox may have. \All and \Flagged would be views of other mailboxes, of which there are none here. */
const uses = ['\\Archive', '\\Drafts', '\\Important', '\\Junk', '\\Sent', '\\Trash']

/** Uses as RFC 6154 writes them, with blanks between; undefined when one of them is none that can be had here. */
export function parseUses(text: string): string | undefined {
  const words = text.split(/ +/).filter(word => word !== '')
  const known = words.map(word => uses.find(use => use.toLowerCase() === word.toLowerCase()))
  return known.includes(undefined) ? undefined : [...new Set(known)].join(' ')
}

/**
 * The uses of mailboxes that have one.
 *
 * @param directories of all mailboxes, by name
 */
export function specialUses(
  directories: ReadonlyMap<string, string>,
  attributes: Attributes,
): ReadonlyMap<string, string> {
  const said = usesSaid(directories, attributes)
  const taken = new Set([...said.values()].flatMap(text => text.split(' ')))
  for (const [name, use] of Object.entries(standardFolders))
    if (directories.has(name) && !said.has(name) && !taken.has(use)) said.set(name, use)
  for (const [name, use] of said) if (use === '') said.delete(name)
  return said
}

/** What clients have said. */
function usesSaid(directories: ReadonlyMap<string, string>, attributes: Attributes): Map<string, string> {
  const byGuid = new Map<string, string>()
  for (const [guid, entries] of attributes.all()) {
    const value = entries.get(useEntry)
    if (value) byGuid.set(guid, parseUses(value.toString('latin1')) ?? '')
  }
  const said = new Map<string, string>()
  if (byGuid.size === 0) return said
  for (const [name, directory] of directories) {
    const use = byGuid.get(readGuid(directory) ?? '')
    if (use !== undefined) said.set(name, use)
  }
  return said
}
