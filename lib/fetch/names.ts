/** Which remote folders are fetched, and what they are called here. */
import { separator } from '../maildir/layout.js'
import { MailError } from '../sys/error.js'
import type { RemoteFolder } from './source.js'

/** A remote folder and the mailbox here that it goes to. */
export interface Pairing {
  readonly remote: RemoteFolder
  readonly local: string
}

/** A name, a pattern, or a new name for one folder. */
export type Choice = string | { readonly from: string; readonly to: string }

export interface Choices {
  readonly folders: readonly Choice[]
  readonly exclude: readonly string[]
}

/** Gmail's own names of folders that its users see in their language, by what they are for (RFC 6154). */
const gmailNames: Readonly<Record<string, string>> = {
  '\\All': 'All Mail',
  '\\Drafts': 'Drafts',
  '\\Flagged': 'Starred',
  '\\Important': 'Important',
  '\\Junk': 'Spam',
  '\\Sent': 'Sent Mail',
  '\\Trash': 'Trash',
}

/** Stand-ins for characters that a level of a name cannot hold here: they look alike. */
const standIns: Readonly<Record<string, string>> = { '.': '\u2024', '/': '\u2044' }

/** The name of a folder here, when nobody gives it another: levels joined by ".", INBOX as INBOX. */
export function localName({ path, delimiter }: Pick<RemoteFolder, 'path' | 'delimiter'>): string {
  const levels = delimiter === '' ? [path] : path.split(delimiter)
  const safe = levels
    .filter(level => level !== '')
    .map(level =>
      level
        .normalize('NFC')
        .replace(/[./]/g, character => standIns[character] as string)
        .replace(/[\x00-\x1f\x7f]|\p{Surrogate}/gu, '_'),
    )
  if (safe[0]?.toUpperCase() === 'INBOX') safe[0] = 'INBOX'
  return safe.join(separator)
}

/** All that a person may call a folder: its path, its special use, and Gmail's English name for it. */
function namesOf({ path, delimiter, specialUse }: RemoteFolder): string[] {
  const names = [path]
  if (specialUse === undefined) return names
  names.push(specialUse)
  const english = gmailNames[specialUse]
  const parent = path.slice(0, Math.max(0, path.lastIndexOf(delimiter)))
  if (english !== undefined && /^\[(?:Gmail|Google Mail)\]$/.test(parent))
    for (const root of ['[Gmail]', '[Google Mail]']) names.push(`${root}${delimiter}${english}`)
  return names
}

/** Whether a folder is one that a name or a pattern (`*` stands for anything) means; case counts in INBOX only not. */
export function isMeant(folder: RemoteFolder, pattern: string): boolean {
  const source = pattern.normalize('NFC').replace(/[\\^$.|?+()[\]{}]/g, '\\$&')
  const inbox = /^inbox\b/i.test(pattern)
  const regex = new RegExp(`^${source.replaceAll('*', '.*')}$`, inbox ? 'isu' : 'su')
  return namesOf(folder).some(name => regex.test(name.normalize('NFC')))
}

/**
 * Chooses the folders, in the server's order with INBOX first.
 *
 * @throws MailError (78) where two would become one mailbox here without having been told to
 */
export function chooseFolders(
  folders: readonly RemoteFolder[],
  { folders: wanted, exclude }: Choices,
): Pairing[] {
  const pairings: Pairing[] = []
  const owners = new Map<string, string>()
  for (const remote of folders) {
    if (!remote.selectable || exclude.some(pattern => isMeant(remote, pattern))) continue
    const choice =
      wanted.find(each => typeof each !== 'string' && isMeant(remote, each.from)) ??
      wanted.find(each => typeof each === 'string' && isMeant(remote, each))
    if (choice === undefined) continue
    const local = typeof choice === 'string' ? localName(remote) : choice.to
    const owner = owners.get(local)
    if (owner !== undefined && typeof choice === 'string')
      throw new MailError(
        `the folders ${owner} and ${remote.path} would both become ${local}; rename one with { from = …, to = … }`,
        { exit: 78 },
      )
    owners.set(local, remote.path)
    pairings.push({ remote, local })
  }
  return pairings.sort((a, b) => Number(b.local === 'INBOX') - Number(a.local === 'INBOX'))
}
