/** Fetches one account: opens it, goes once through its folders, and remembers. */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { TemporaryError } from '../sys/error.js'
import { type Lock, lock } from '../sys/lock.js'
import type { Log } from '../sys/log.js'
import type { AllMail } from './labels.js'
import type { Choices } from './names.js'
import type { Policy } from './plan.js'
import type { Proof } from './proof.js'
import type { Deliver, FolderResult, Progress } from './run.js'
import { Session } from './session.js'
import type { RemoteOptions } from './source.js'
import { Memory } from './state.js'
import { Target } from './target.js'
import { AccountBusy } from './trouble.js'

/** A password, or an access token. */
export type Secret = RemoteOptions['secret']

/** One account, as the configuration has it. */
export interface FetchAccount extends Omit<RemoteOptions, 'secret' | 'witness'> {
  readonly name: string
  readonly protocol?: 'imap' | 'pop3'
  /** @param renew whether the last token was refused */
  secret(renew: boolean): Promise<Secret>
  readonly choices: Choices
  readonly policy: Policy
  readonly bytesPerDay: number
  /** What of Gmail's folder of all mail comes here: all of it, what no other folder has, or nothing. */
  readonly allMail?: AllMail
  /** HOME/Maildir of whom the mail is for. */
  readonly maildir: string
  /** The file of its memory. */
  readonly state: string
}

export interface FetchOptions {
  readonly log: Log
  readonly signal: AbortSignal
  readonly clock?: () => number
  readonly deliver?: Deliver | undefined
  readonly dry?: boolean
  readonly proof?: Proof | undefined
  /** To try a login that was refused before. */
  readonly retryLogin?: boolean
  readonly progress?: (progress: Progress) => void
}

/** A folder that could not be fetched, while others could. */
export interface FolderFailure {
  readonly folder: string
  readonly error: Error
}

export interface FetchResult {
  readonly account: string
  readonly folders: readonly FolderResult[]
  /** Where the budget spreads it over several days: which of them this is, and how many it will have been. */
  readonly days?: { readonly day: number; readonly of: number }
  readonly failures: readonly FolderFailure[]
}

/**
 * Runs once over all folders of an account.
 *
 * @throws LoginRefused, Throttled, TemporaryError where nothing could be done now
 */
export async function fetchAccount(account: FetchAccount, options: FetchOptions): Promise<FetchResult> {
  return withAccount(account, options, async session => session.once())
}

/** Opens an account for one run or many: holds its lock, its memory and its Maildir. */
export async function withAccount<T>(
  account: FetchAccount,
  options: FetchOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const held = options.dry ? undefined : await hold(account.state)
  const abort = new AbortController()
  const signal = AbortSignal.any([options.signal, abort.signal, ...(held ? [held.signal] : [])])
  let memory: Memory | undefined
  let target: Target | undefined
  let session: Session | undefined
  try {
    memory = await Memory.open(account.state, account.name, options.dry)
    target = new Target(account.maildir, options.log)
    session = new Session(account, { ...options, signal }, memory, target)
    return await work(session)
  } finally {
    await session?.close()
    await target?.close()
    await memory?.close()
    await held?.release()
  }
}

/** @throws AccountBusy saying who holds it */
async function hold(state: string): Promise<Lock> {
  makeDirectory(dirname(state), 0o700)
  const holder = `${state}.pid`
  try {
    const held = await lock(state)
    await writeAtomic(holder, `${process.pid}\n`)
    return held
  } catch (error) {
    if (!(error instanceof TemporaryError)) throw error
    throw new AccountBusy(`another mail-fetch (process ${readOr(holder, 'unknown')}) is at this account`)
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return otherwise
  }
}
