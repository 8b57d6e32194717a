/**
 * Dovecot's dotlock: a plain file NAME.lock that holds `pid:hostname`.
 *
 * It comes into being with its content, as a link, so that whoever is killed leaves either none or one that names a
 * dead process (on a full disk it is empty). Such a lock is taken over at once; so is, after two touches that did not
 * come, one that is older than the process of that number, which is another's then (the machine was started anew). A
 * lock of another host, or whose content cannot be read, is after 120 seconds without a change; one whose process lives,
 * never. (A directory, as proper-lockfile makes, must not stand under this name: Dovecot waits on it for ever.)
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode, isFull, TemporaryError } from './error.js'
import { Mutex } from './mutex.js'
import { dropReady, keepReady, type ReadyFile, readyFile } from './ready-files.js'

/** After how long an unreadable or foreign lock counts as left behind, in milliseconds (Dovecot's 120 s). */
const staleAfter = 120_000
/** Dovecot touches a lock it holds every ten seconds, so that others see it is alive. */
const touchEvery = 10_000
/** Longer than this between two touches nobody takes, in milliseconds. */
const untouched = touchEvery * 1.5
/** How long to break a stale lock may take, in milliseconds. */
const breaking = 5_000
const host = hostname()
const content = `${process.pid}:${host}`

const queues = new Map<string, { mutex: Mutex; users: number }>()

export interface DotlockOptions {
  /** Longest wait for another process, in milliseconds; 30 s unless told. */
  readonly wait?: number
  /** After how long a lock counts as left behind that does not say who has it, in milliseconds; 120 s unless told. */
  readonly stale?: number
  /** Whether it is taken often: what it is made of is then kept in tmp/ for a while. */
  readonly often?: boolean
}

/**
 * Runs `work` while holding the dotlock `path`; within this process callers wait in order, without polling. What a
 * crash may leave behind of the making of it stands in tmp/ beside it, where there is one; so does, for a while after,
 * what the next lock will be made of.
 *
 * @throws TemporaryError when the lock is not to be had in time, naming who holds it
 */
export async function withDotlock<T>(
  path: string,
  work: () => T | Promise<T>,
  { wait = 30_000, stale = staleAfter, often = false }: DotlockOptions = {},
): Promise<T> {
  const queue = queues.get(path) ?? { mutex: new Mutex(), users: 0 }
  queues.set(path, queue)
  queue.users++
  try {
    return await queue.mutex.run(() => holding(path, work, wait, stale, often))
  } finally {
    if (--queue.users === 0) queues.delete(path)
  }
}

async function holding<T>(
  path: string,
  work: () => T | Promise<T>,
  wait: number,
  stale: number,
  often: boolean,
): Promise<T> {
  if (!take(path, often)) await new Waiting(path, stale, often).until(wait)
  const touch = setInterval(() => touchLock(path), touchEvery).unref()
  try {
    return await work()
  } finally {
    clearInterval(touch)
    release(path)
  }
}

/** A link that names us: there whole, or not at all. */
function take(path: string, often: boolean): boolean {
  const known = readyFile(path)
  const mine = known?.path ?? begin(path)
  try {
    // Before others see it: the time is that of the file, which may be an old one.
    if (known) freshen(known)
    linkSync(mine, path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    if (!known || errorCode(error) !== 'ENOENT') throw error
  } finally {
    if (!known && !(often && keep(mine, path))) remove(mine)
  }
  // Somebody cleaned tmp/.
  dropReady(path)
  return take(path, often)
}

/** As a lock that is held is touched, so far apart may be its taking and its time. */
function freshen(file: ReadyFile): void {
  const now = Date.now()
  if (Math.abs(now - file.touched) < touchEvery / 2) return
  touchLock(file.path)
  file.touched = now
}

/** For the next lock, if it is whole and in tmp/: beside the lock it would be in somebody's way. @returns whether it is */
function keep(mine: string, path: string): boolean {
  if (dirname(mine) === dirname(path)) return false
  if (statSync(mine, { throwIfNoEntry: false })?.size !== content.length) return false
  keepReady(path, mine)
  return true
}

/**
 * In names: another container may have a process of our number on the same Maildir. Made with the first lock, since
 * a delivery by itself mostly takes none, and is over in the time that node:crypto takes to load.
 */
let own: string | undefined
let begun = 0

/** Writes who we are into a file that is to become a lock. @returns its path */
function begin(path: string): string {
  own ??= `${process.pid}.${randomBytes(4).toString('hex')}`
  const name = `${basename(path)}.${own}.${++begun}`
  let place = `${dirname(path)}/tmp/${name}`
  let fd: number
  try {
    fd = openSync(place, 'w', 0o600)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    place = `${dirname(path)}/${name}`
    fd = openSync(place, 'w', 0o600)
  }
  try {
    if (writeSync(fd, content) < content.length) ftruncateSync(fd, 0)
    return place
  } catch (error) {
    // On a full disk it does not say who has it: it is needed to remove messages there.
    if (isFull(error)) return place
    remove(place)
    throw error
  } finally {
    closeSync(fd)
  }
}

/** Somebody waiting for a lock that another has. */
class Waiting {
  readonly #path: string
  readonly #stale: number
  readonly #often: boolean
  /** When the lock was last touched, in the clock of files, and since when we know that, in the monotonic one. */
  #touched = 0
  #since = 0

  constructor(path: string, stale: number, often: boolean) {
    this.#path = path
    this.#stale = stale
    this.#often = often
  }

  async until(wait: number): Promise<void> {
    const end = performance.now() + wait
    for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
      if (this.#isStale()) this.#break()
      if (take(this.#path, this.#often)) return
      if (performance.now() >= end)
        throw new TemporaryError(
          `${this.#path} is held by ${holder(this.#path) ?? 'somebody'}; try again later`,
        )
      await delay(pause)
    }
  }

  #isStale(): boolean {
    const text = holder(this.#path)
    const touched = statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs
    if (text === undefined || touched === undefined) return false
    const [, pid, name] = /^(\d+):(.+)$/s.exec(text) ?? []
    if (name !== host) return Date.now() - touched > this.#stale
    return !isAlive(Number(pid)) || (this.#isUntouched(touched) && isYounger(Number(pid), touched))
  }

  /** By the monotonic clock, since that of the files may jump. */
  #isUntouched(touched: number): boolean {
    if (touched !== this.#touched) [this.#touched, this.#since] = [touched, performance.now()]
    return performance.now() - this.#since > untouched
  }

  /**
   * Removes a stale lock, and never one that somebody else has just put in its place: who breaks holds another lock
   * meanwhile, and looks again.
   */
  #break(): void {
    const other = begin(this.#path)
    const door = `${dirname(other)}/${basename(this.#path)}.break`
    try {
      linkSync(other, door)
    } catch (error) {
      const since = statSync(door, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
      // Nobody takes that long but the dead.
      if (Math.abs(Date.now() - since) > breaking) remove(door)
      if (errorCode(error) === 'EEXIST') return
      throw error
    } finally {
      remove(other)
    }
    try {
      if (this.#isStale()) remove(this.#path)
    } finally {
      remove(door)
    }
  }
}

/** What a lock says of its holder, `pid:hostname`; undefined when it is gone. */
function holder(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return undefined
  }
}

/** Our own pid in a lock that we do not hold was left by an earlier process of the same number. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** Whether a process began after a moment, in milliseconds since 1970: what was done then was another's doing. */
function isYounger(pid: number, moment: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // proc(5): field 22 is the start in ticks of 10 ms since boot.
    const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) * 10
    const up = Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000
    return Date.now() - up + started > moment + 1_000
  } catch {
    return false
  }
}

function touchLock(path: string): void {
  try {
    utimesSync(path, new Date(), new Date())
  } catch {
    // Gone: the release will see it.
  }
}

/** Locks that could not be let go, and would keep all other processes out as long as this one lives. */
const stuck = new Map<string, NodeJS.Timeout>()
/** How often that is tried again, in milliseconds. */
const retryEvery = 1_000

function release(path: string): void {
  try {
    unlinkSync(path)
    stuck.delete(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    const again = () => {
      // Who holds it by now lets it go.
      if (stuck.get(path) === timer && !queues.has(path)) release(path)
    }
    const timer = setTimeout(again, retryEvery).unref()
    stuck.set(path, timer)
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or cleaned away later.
  }
}
