/**
 * Maildir++: the folder `A.B` of a Maildir is the directory `.A.B` in it, in modified UTF-7; INBOX is the Maildir
 * itself. A directory whose name holds octets beyond ASCII was made by a program that writes UTF-8: it is read so.
 */

import { decodeMutf7, encodeMutf7 } from '../message/mutf7.js'
import { MailError } from '../sys/error.js'

/** Between the levels of a name, for clients and on disk. */
export const separator = '.'

/** How names of folders are written into the file system. */
export type Layout = 'mutf7' | 'utf8'

/** Longest directory name that file systems take, in octets. */
const longest = 255

/** A mailbox name that no folder can have: what it says may be shown to the client. */
export class BadName extends MailError {
  override readonly name = 'BadName'
}

/** The canonical form of a name: INBOX in any case is INBOX (RFC 3501 §5.1); all other names are as they are. */
export function canonicalName(name: string): string {
  return name.length === 5 && name.toUpperCase() === 'INBOX' ? 'INBOX' : name
}

/**
 * The directory of a folder, relative to the Maildir; empty for INBOX.
 *
 * @throws BadName for a name that has empty levels, "/" or control characters in it, or is too long
 */
export function directoryOf(name: string, layout: Layout = 'mutf7'): string {
  const canonical = canonicalName(name)
  if (canonical === 'INBOX') return ''
  const trouble = troubleWith(canonical)
  if (trouble !== undefined) throw new BadName(`${JSON.stringify(name)} cannot be a mailbox name: ${trouble}`)
  const directory = `.${layout === 'mutf7' ? encodeMutf7(canonical) : canonical}`
  if (Buffer.byteLength(directory) > longest)
    throw new BadName(`the mailbox name is too long: ${longest - 1} octets are allowed`)
  return directory
}

function troubleWith(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name.split(separator).includes('')) return 'a level of it is empty'
  if (name.includes('/')) return '"/" is not allowed'
  if (/[\x00-\x1f\x7f]/.test(name)) return 'control characters are not allowed'
  if (/\p{Surrogate}/u.test(name)) return 'it is not valid Unicode'
  return undefined
}

/**
 * The folder that a directory of the Maildir is; undefined for what is no folder. INBOX is not among them: a
 * directory `.INBOX` would be taken for it, so it is passed over.
 *
 * @param entry a directory entry as UTF-8 text
 */
export function folderOf(entry: string): string | undefined {
  if (!entry.startsWith('.')) return undefined
  const text = entry.slice(1)
  const name = decodeMutf7(text) ?? text
  if (troubleWith(name) !== undefined || name.includes('\ufffd')) return undefined
  return canonicalName(name) === 'INBOX' ? undefined : name
}

/** The names above a name: `A.B` and `A` for `A.B.C`, innermost first. */
export function parentsOf(name: string): string[] {
  const parents: string[] = []
  for (let at = name.lastIndexOf(separator); at > 0; at = name.lastIndexOf(separator, at - 1))
    parents.push(name.slice(0, at))
  return parents
}
