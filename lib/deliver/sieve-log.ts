/**
 * What went wrong with a user's script, where the user finds it: the file `.dovecot.sieve.log` in the home, where
 * Dovecot's Sieve writes it too. It is put aside as `.dovecot.sieve.log.0` when it has grown.
 */
import { appendFileSync, renameSync, statSync } from 'node:fs'

/** Octets after which a new file is begun. */
const longest = 16_384

/**
 * Adds lines. Never throws: a note is not worth a message.
 *
 * @param now milliseconds since 1970
 */
export function tellUser(home: string, lines: readonly string[], now: number): void {
  const path = `${home}/.dovecot.sieve.log`
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  try {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > longest) renameSync(path, `${path}.0`)
    appendFileSync(path, lines.map(line => `${time} ${line.replace(/\s*\n\s*/g, ' ')}\n`).join(''), {
      mode: 0o600,
    })
  } catch {
    // A home that cannot be written: the log of the service has it.
  }
}
