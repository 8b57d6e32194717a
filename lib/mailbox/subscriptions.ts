/**
 * `subscriptions`, in the root of a Maildir: the mailboxes a user wants to see.
 *
 * Version 2 is `V<TAB>2`, an empty line, then a name a line with its levels separated by TAB, each escaped; version 1
 * has no header and names with ".". Names are modified UTF-7. Changed under
 * `subscriptions.lock`, as Dovecot does, which is a lock of ours only while it says so (sys/dotlock.ts): the new file is
 * written in tmp/, synced and renamed. A line that is no name is kept as it is.
 */
import { readFileSync, renameSync, rmSync } from 'node:fs'
import { canonicalName, separator } from '../maildir/layout.js'
import { uniqueName } from '../maildir/name.js'
import { decodeMutf7, encodeMutf7 } from '../message/mutf7.js'
import { syncDirectory, writeSynced } from '../sys/atomic.js'
import { withDotlock } from '../sys/dotlock.js'
import { isMissing } from '../sys/error.js'
import { escapeTabs, unescapeTabs } from './tab-escape.js'

/** A lock that names nobody and has not changed for so long was left behind (Dovecot's figure), in milliseconds. */
const stale = 30_000
const header = 'V\t2\n\n'

/** The names subscribed, in the order of the file. @param root the Maildir */
export function readSubscriptions(root: string): string[] {
  return parse(readText(`${root}/subscriptions`))
}

/**
 * Adds and removes names.
 *
 * @throws TemporaryError when another program holds the lock
 */
export async function changeSubscriptions(
  root: string,
  change: { add?: readonly string[]; remove?: readonly string[] },
): Promise<void> {
  const path = `${root}/subscriptions`
  await withDotlock(`${path}.lock`, () => rewrite(root, path, change), { stale })
}

async function rewrite(
  root: string,
  path: string,
  change: { add?: readonly string[]; remove?: readonly string[] },
): Promise<void> {
  const names = parse(readText(path))
  const removed = new Set((change.remove ?? []).map(canonicalName))
  const next = new Set([
    ...names.filter(name => !removed.has(name)),
    ...(change.add ?? []).map(canonicalName),
  ])
  if (next.size === names.length && names.every(name => next.has(name))) return
  const temporary = `${root}/tmp/${uniqueName()}`
  try {
    await writeSynced(temporary, header + [...next].map(name => `${formatName(name)}\n`).join(''))
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  await syncDirectory(root)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

function parse(text: string): string[] {
  const isSecond = text.startsWith('V\t2\n')
  const lines = (isSecond ? text.slice(header.length - 1) : text).split('\n').filter(line => line !== '')
  const names = isSecond ? lines.map(line => line.split('\t').map(unescapeTabs).join(separator)) : lines
  return [...new Set(names.map(name => canonicalName(decodeMutf7(name) ?? name)))]
}

function formatName(name: string): string {
  return name
    .split(separator)
    .map(level => escapeTabs(encodeMutf7(level)))
    .join('\t')
}
