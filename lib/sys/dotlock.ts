/**
 * Dovecot's dotlock: a plain file NAME.lock, made with O_CREAT|O_EXCL, that holds `pid:hostname`.
 *
 * A lock whose process is dead on this host is taken over at once; one of another host, or whose content cannot be
 * read, after 120 seconds without a change; one whose process lives, never. (A directory, as proper-lockfile makes,
 * must not stand under this name: Dovecot waits on it for ever.)
 */
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode, TemporaryError } from './error.js'
import { Mutex } from './mutex.js'

/** After how long an unreadable or foreign lock counts as left behind, in milliseconds (Dovecot's 120 s). */
const staleAfter = 120_000
/** Dovecot touches a lock it holds every ten seconds, so that others see it is alive. */
const touchEvery = 10_000
const host = hostname()
const content = `${process.pid}:${host}`

const queues = new Map<string, { mutex: Mutex; users: number }>()

/**
 * Runs `work` while holding the dotlock `path`; within this process callers wait in order, without polling.
 *
 * @param wait longest wait for another process, in milliseconds
 * @throws TemporaryError when the lock is not to be had in time, naming who holds it
 */
export async function withDotlock<T>(path: string, work: () => T | Promise<T>, wait = 30_000): Promise<T> {
  const queue = queues.get(path) ?? { mutex: new Mutex(), users: 0 }
  queues.set(path, queue)
  queue.users++
  try {
    return await queue.mutex.run(() => holding(path, work, wait))
  } finally {
    if (--queue.users === 0) queues.delete(path)
  }
}

async function holding<T>(path: string, work: () => T | Promise<T>, wait: number): Promise<T> {
  if (!take(path)) await waitFor(path, wait)
  const touch = setInterval(() => touchLock(path), touchEvery).unref()
  try {
    return await work()
  } finally {
    clearInterval(touch)
    release(path)
  }
}

function take(path: string): boolean {
  let fd: number
  try {
    fd = openSync(path, 'wx', 0o600)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
  try {
    writeSync(fd, content)
  } finally {
    closeSync(fd)
  }
  return true
}

async function waitFor(path: string, wait: number): Promise<void> {
  const until = Date.now() + wait
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    if (isStale(path)) breakLock(path)
    if (take(path)) return
    if (Date.now() >= until)
      throw new TemporaryError(`${path} is held by ${holder(path) ?? 'somebody'}; try again later`)
    await delay(pause)
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

function isStale(path: string): boolean {
  const text = holder(path)
  if (text === undefined) return false
  const [, pid, name] = /^(\d+):(.+)$/s.exec(text) ?? []
  if (name === host) return !isAlive(Number(pid))
  try {
    return Date.now() - statSync(path).mtimeMs > staleAfter
  } catch {
    return false
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

/**
 * Removes a stale lock without ever removing a live one: it is renamed away first, and put back if somebody took
 * it over between our look and our rename.
 */
function breakLock(path: string): void {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (isStale(aside)) unlinkSync(aside)
  else renameSync(aside, path)
}

function touchLock(path: string): void {
  try {
    utimesSync(path, new Date(), new Date())
  } catch {
    // Gone: the release will see it.
  }
}

function release(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}
