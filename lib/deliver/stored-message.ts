/** The message that is being delivered, as scripts see it: no more of it is read than they look at. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { Version } from '../sieve/message.js'
import type { Written } from './deliver.js'

/** What is read at once: most messages are smaller than this as a whole. */
const beginning = 65_536

/** @throws the system's error */
export function openMessage({ path, size, octets: all }: Pick<Written, 'path' | 'size' | 'octets'>): Version {
  if (all) return Version.of(all)
  const fd = openSync(path, 'r')
  try {
    const stored = fstatSync(fd).size
    const octets = Buffer.allocUnsafe(Math.min(stored, beginning))
    const length = readSync(fd, octets, 0, octets.length, 0)
    const begun = octets.subarray(0, length)
    if (length === stored) return Version.of(begun)
    const end = begun.indexOf('\n\n')
    return end < 0
      ? Version.of(readFileSync(path))
      : Version.begun(begun.subarray(0, end + 2), size, () => readFileSync(path))
  } finally {
    closeSync(fd)
  }
}
