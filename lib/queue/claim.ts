/**
 * Who works on what. A process that takes entries keeps one file in `process/` that says who it is:
 *
 *     PID START BOOT NAMESPACE HOST
 *
 * and claims an entry by making ID.claim a hard link to that file: link(2) fails when the claim exists, the content
 * is whole from the first moment, and touching the one file renews all claims of the process at once. A claim is
 * dead when its process is known to be gone (the same boot, the same pid namespace, and no process of that number
 * and start time), or, where that cannot be known (another host or container), when nobody touched it for two
 * minutes. Dead claims are removed under a lock of their own, so that two who see one do not both act on it.
 */
import { randomBytes } from 'node:crypto'
import {
  linkSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { withDotlock } from '../sys/dotlock.js'
import { errorCode } from '../sys/error.js'

/** How often a process touches its file, and after how long an untouched one of elsewhere is dead; milliseconds. */
const touchEvery = 20_000
const lease = 120_000

/** This process, for the queues it opens. */
export class Claimant {
  readonly #directory: string
  readonly #lock: string
  #file: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param directory where process files stand @param lock the dotlock under which dead claims are removed */
  constructor(directory: string, lock: string) {
    this.#directory = directory
    this.#lock = lock
  }

  /**
   * Makes `path` this process's claim, if it is nobody's or a dead process's.
   *
   * @returns false when somebody who lives has it
   */
  async take(path: string): Promise<boolean> {
    if (this.#link(path)) return true
    if (!isDead(path)) return false
    await withDotlock(this.#lock, () => {
      if (isDead(path)) unlinkSync(path)
    })
    return this.#link(path)
  }

  /** Lets a claim go; harmless when it is gone. At once, as it was made: a name of a file that has others. */
  release(path: string): void {
    removeNow(path)
  }

  close(): void {
    clearInterval(this.#timer)
    if (this.#file) removeNow(this.#file)
    this.#file = undefined
  }

  #link(path: string): boolean {
    try {
      linkSync(this.#identify(), path)
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      if (errorCode(error) !== 'ENOENT') throw error
      // Somebody took our file for a dead process's: show ourselves again.
      this.close()
      linkSync(this.#identify(), path)
      return true
    }
  }

  #identify(): string {
    if (this.#file) return this.#file
    const file = join(this.#directory, `${process.pid}-${randomBytes(6).toString('hex')}`)
    writeFileSync(file, `${identity()}\n`, { flag: 'wx', mode: 0o644 })
    this.#timer = setInterval(() => touch(file), touchEvery).unref()
    this.#file = file
    return file
  }
}

/** What cannot be removed now is found to be a dead process's, and swept away. */
function removeNow(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or a disk that takes nothing.
  }
}

/** Whether the process that made a claim, or a file of `process/`, is gone; false when the file is. */
export function isDead(path: string): boolean {
  let text: string
  let touched: number
  try {
    text = readFileSync(path, 'latin1').trim()
    touched = statSync(path).mtimeMs
  } catch {
    return false
  }
  const [pid = '', start = '', ...place] = text.split(' ')
  if (/^\d+$/.test(pid) && place.join(' ') === here()) return !lives(Number(pid), start)
  return Date.now() - touched > lease
}

function identity(): string {
  return `${process.pid} ${startOf(process.pid)} ${here()}`
}

let place: string | undefined

/** Boot, pid namespace and host: where a process number means something. */
function here(): string {
  place ??= [
    attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()),
    attempt(() => readlinkSync('/proc/self/ns/pid')),
    hostname(),
  ].join(' ')
  return place
}

/** When a process began, in ticks since boot (proc(5), stat, field 22): two processes of one number differ in it. */
function startOf(pid: number): string {
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-'
  })
}

function lives(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false
  }
  return start === '-' || startOf(pid) === start
}

function attempt(read: () => string): string {
  try {
    return read() || '-'
  } catch {
    return '-'
  }
}

function touch(file: string): void {
  try {
    utimesSync(file, new Date(), new Date())
  } catch {
    // Gone: the next claim makes a new one.
  }
}
