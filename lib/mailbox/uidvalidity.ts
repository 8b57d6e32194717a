/**
 * UIDVALIDITY of new mailboxes, as Dovecot gives it: `dovecot-uidvalidity` holds the last one given as eight hex
 * digits, and beside it stands one empty file `dovecot-uidvalidity.XXXXXXXX` of that number. Renaming that file to
 * the next number is the lock; the other file follows. No number is given twice in one Maildir.
 */
import { closeSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { errorCode } from '../sys/error.js'

const fileName = 'dovecot-uidvalidity'
/** How many numbers may be taken by others before we look again. */
const tries = 10

/**
 * Gives a UIDVALIDITY that no mailbox of this Maildir had.
 *
 * @param root the Maildir
 * @param now milliseconds since 1970; the first number is the time in seconds
 */
export function nextUidValidity(root: string, now: number): number {
  const last = lastGiven(root)
  const given = last === undefined ? undefined : advance(root, last)
  return given ?? rescan(root, now)
}

function lastGiven(root: string): number | undefined {
  try {
    const text = readFileSync(`${root}/${fileName}`, 'latin1')
    return /^[0-9a-f]{8}$/i.test(text) ? Number.parseInt(text, 16) : undefined
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return undefined
  }
}

/** @returns undefined when the marker is not where the file says, nor a little above */
function advance(root: string, last: number): number | undefined {
  for (let number = last; number < last + tries; number++) {
    try {
      renameSync(marker(root, number), marker(root, number + 1))
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      continue
    }
    writeFileSync(`${root}/${fileName}`, hex(number + 1))
    return number + 1
  }
  return undefined
}

function rescan(root: string, now: number): number {
  const found = readdirSync(root)
    .flatMap(entry => /^dovecot-uidvalidity\.([0-9a-f]{8})$/i.exec(entry)?.[1] ?? [])
    .map(digits => Number.parseInt(digits, 16))
  if (found.length > 0) {
    const given = advance(root, Math.max(...found))
    if (given !== undefined) return given
  }
  const first = Math.floor(now / 1000) >>> 0
  try {
    closeSync(openSync(marker(root, first), 'wx', 0o444))
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    return advance(root, first) ?? first
  }
  writeFileSync(`${root}/${fileName}`, hex(first), { mode: 0o600 })
  return first
}

function marker(root: string, number: number): string {
  return `${root}/${fileName}.${hex(number)}`
}

/** Eight hex digits in lower case. */
export function hex(number: number): string {
  return number.toString(16).padStart(8, '0')
}
