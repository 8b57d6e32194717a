/**
 * `subscriptions`, in the root of a Maildir: the mailboxes a user wants to see.
 *
 * Version 2 is `V<TAB>2`, an empty line, then a name a line with its levels separated by TAB, each escaped; version 1
 * has no header and names with ".". Names are modified UTF-7. `subscriptions.lock` is at once the lock and the new
 * file: made with O_EXCL, written, synced, renamed. A line that is no name is kept as it is.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { canonicalName, separator } from '../maildir/layout.js'
import { decodeMutf7, encodeMutf7 } from '../message/mutf7.js'
import { closeQuietly, syncDirectory, writeAllSync } from '../sys/atomic.js'
import { errorCode, isMissing, TemporaryError } from '../sys/error.js'

/** A lock that has not changed for so long was left behind (Dovecot's figure), in milliseconds. */
const stale = 30_000
/** Longest wait for it, in milliseconds. */
const longestWait = 30_000
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
  const fd = await take(`${path}.lock`)
  let open = true
  try {
    const names = parse(readText(path))
    const removed = new Set((change.remove ?? []).map(canonicalName))
    const next = new Set([
      ...names.filter(name => !removed.has(name)),
      ...(change.add ?? []).map(canonicalName),
    ])
    if (next.size === names.length && names.every(name => next.has(name))) {
      unlinkSync(`${path}.lock`)
      return
    }
    writeAllSync(fd, Buffer.from(header + [...next].map(name => `${formatName(name)}\n`).join('')))
    fsyncSync(fd)
    open = false
    closeSync(fd)
    renameSync(`${path}.lock`, path)
  } catch (error) {
    unlinkSync(`${path}.lock`)
    throw error
  } finally {
    if (open) closeQuietly(fd)
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
  const names = isSecond ? lines.map(line => line.split('\t').map(unescapeLevel).join(separator)) : lines
  return [...new Set(names.map(name => canonicalName(decodeMutf7(name) ?? name)))]
}

function formatName(name: string): string {
  return name
    .split(separator)
    .map(level => escapeLevel(encodeMutf7(level)))
    .join('\t')
}

/** Dovecot's tab escapes: \001 before 0, 1, t, r, n. */
function escapeLevel(level: string): string {
  return level
    .replaceAll('\x01', '\x011')
    .replaceAll('\t', '\x01t')
    .replaceAll('\r', '\x01r')
    .replaceAll('\n', '\x01n')
}

function unescapeLevel(level: string): string {
  const of: Readonly<Record<string, string>> = { '0': '\0', '1': '\x01', t: '\t', r: '\r', n: '\n' }
  return level.replace(/\x01([01trn])/g, (_, letter: string) => of[letter] ?? '')
}

async function take(path: string): Promise<number> {
  const until = performance.now() + longestWait
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    try {
      return openSync(path, 'wx', 0o600)
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
    }
    if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > stale)
      unlinkSync(path)
    else if (performance.now() > until)
      throw new TemporaryError(`${path} is held by another program; try again later`)
    else await delay(pause)
  }
}
