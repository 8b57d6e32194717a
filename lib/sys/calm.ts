/**
 * Where a process waits for its disk. Off the event loop, as a rule. But the way to a thread and back takes longer
 * than a quick disk does, and while one message is all that is under way nobody else is kept waiting: then calls
 * are made where they stand. A disk that was found slow is not waited for so for a while, which is the longer the
 * slower it was: a quick disk that lingers now and then, to write its journal back, does not send every message of
 * the next second through threads, and one that is always slow holds up everybody for a small part of the time only.
 */

/** What a disk may take at a time, in milliseconds: less than the slices in which other long work is done. */
const quick = 4
/** For how many times as long as it took is a slow disk left to threads: who waits here takes a twentieth at most. */
const caution = 20

let underway = 0
let slowUntil = 0

/** Something begins that will wait for the disk. */
export function enter(): void {
  underway++
}

/** It has ended, however. To be called once for each {@link enter}. */
export function leave(): void {
  underway--
}

/** Whether who has entered may wait for the disk where it stands, within {@link waitHere}. */
export function isCalm(): boolean {
  return underway === 1 && monotonic() >= slowUntil
}

/** Makes a call that waits, and takes note if that takes long. */
export function waitHere<T>(call: () => T): T {
  const start = monotonic()
  try {
    return call()
  } finally {
    const end = monotonic()
    if (end - start > quick) slowUntil = end + (end - start) * caution
  }
}

/** Milliseconds; Node's `performance` would take longer to load than a single delivery has. */
function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}
