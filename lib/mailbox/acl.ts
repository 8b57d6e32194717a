/**
 * Who may do what with a mailbox: Dovecot's file dovecot-acl beside the mail, in the rights of RFC 4314 §2.1.
 *
 * Of the entries that speak of somebody the most particular one counts: group-override before user, owner, group,
 * authenticated and anyone, as with Dovecot; entries that begin with a minus take away from what that one gives.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { isMissing } from '../sys/error.js'
import { Mutex } from '../sys/mutex.js'

/** All rights, in the order in which they are told: lookup, read, write, seen, deleted, insert, post, expunge, create, delete, administer. */
export const allRights = 'lrwstipekxa'

/** One line of the file. */
export interface AclEntry {
  /** `owner`, `anyone`, `authenticated`, `user=NAME`, `group=NAME` or `group-override=NAME`. */
  readonly identifier: string
  /** Whether the rights are taken away. */
  readonly negative: boolean
  readonly rights: string
}

/** Somebody who wants something. */
export interface AclSubject {
  readonly isOwner: boolean
  /** Whether a name of the file is this user's. */
  isNamed(name: string): boolean
}

const file = 'dovecot-acl'
const locks = new Map<string, Mutex>()

/** Reads the lines that can be read. */
export function parseAcl(text: string): AclEntry[] {
  const entries: AclEntry[] = []
  for (const line of text.split('\n')) {
    const [, minus, quoted, plain, rights = ''] =
      /^\s*(-?)(?:"((?:[^"\\]|\\.)*)"|([^\s"#]\S*))(?:\s+([a-zA-Z]*))?(?:\s+:.*|\s*)$/.exec(line) ?? []
    const identifier = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (identifier !== undefined)
      entries.push({ identifier, negative: minus === '-', rights: inOrder(rights) })
  }
  return entries
}

/** The file's text. */
export function formatAcl(entries: readonly AclEntry[]): string {
  return entries
    .map(({ identifier, negative, rights }) => {
      const name = /^[^\s"\\#]+$/.test(identifier) ? identifier : `"${identifier.replace(/["\\]/g, '\\$&')}"`
      return `${negative ? '-' : ''}${name} ${rights}\n`
    })
    .join('')
}

/** Rights without repetition, in their order; letters that are none are left out. */
export function inOrder(rights: string): string {
  return [...allRights].filter(right => rights.includes(right)).join('')
}

/** @param directory the mailbox's @returns undefined where nobody has said anything */
export function readAcl(directory: string): AclEntry[] | undefined {
  try {
    return parseAcl(readFileSync(join(directory, file), 'utf8'))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Changes the entries of a mailbox; those that give and take nothing but for the owner go. */
export async function changeAcl(
  directory: string,
  change: (entries: readonly AclEntry[]) => readonly AclEntry[],
): Promise<void> {
  const lock = locks.get(directory) ?? new Mutex()
  locks.set(directory, lock)
  await lock.run(async () => {
    await writeAtomic(join(directory, file), formatAcl(change(readAcl(directory) ?? [])))
  })
}

/** The rights that somebody has. The owner of a mailbox has all where no entry speaks of the owner. */
export function rightsOf(entries: readonly AclEntry[] | undefined, subject: AclSubject): string {
  let rights = subject.isOwner ? allRights : ''
  let taken = ''
  let best = subject.isOwner ? ranks.indexOf('group') : -1
  for (const { identifier, negative, rights: given } of entries ?? []) {
    const [kind = '', name] = identifier.split(/=(.*)/s)
    const rank = ranks.indexOf(kind)
    const speaks =
      kind === 'anyone' ||
      kind === 'authenticated' ||
      (kind === 'owner' && subject.isOwner) ||
      (kind === 'user' && name !== undefined && subject.isNamed(name))
    if (!speaks) continue
    if (negative) taken += given
    else if (rank > best) {
      best = rank
      rights = given
    }
  }
  return inOrder([...rights].filter(right => !taken.includes(right)).join(''))
}

/** From what speaks of all to what speaks of one. There are no groups of users here. */
const ranks: readonly string[] = ['anyone', 'authenticated', 'group', 'owner', 'user', 'group-override']
