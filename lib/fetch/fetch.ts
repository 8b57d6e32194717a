/** Fetches one account: logs in, goes through its folders, and remembers. */
import { scryptSync } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { describe, exits, MailError, TemporaryError } from '../sys/error.js'
import { type Lock, lock } from '../sys/lock.js'
import type { Log } from '../sys/log.js'
import { Budget } from './budget.js'
import { passFolder } from './folder.js'
import type { MbsyncState } from './mbsync.js'
import { type Choices, chooseFolders, type Pairing } from './names.js'
import type { Policy } from './plan.js'
import { openPopSource } from './pop.js'
import { type Proof, standingOf } from './proof.js'
import { openRemote, type RemoteOptions } from './remote.js'
import type { Deliver, FolderResult, Progress, Run } from './run.js'
import type { Source } from './source.js'
import { Memory } from './state.js'
import { Target } from './target.js'
import { ConnectionLost, LoginRefused, Throttled } from './trouble.js'

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
  readonly failures: readonly FolderFailure[]
}

/** How often a lost connection is made again in a run that brings nothing more. */
const retries = 2

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

/** @throws TemporaryError saying who holds it */
async function hold(state: string): Promise<Lock> {
  mkdirSync(dirname(state), { recursive: true, mode: 0o700 })
  const holder = `${state}.pid`
  try {
    const held = await lock(state)
    await writeAtomic(holder, `${process.pid}\n`)
    return held
  } catch (error) {
    if (!(error instanceof TemporaryError)) throw error
    throw new TemporaryError(`another mail-fetch (process ${readOr(holder, 'unknown')}) is at this account`)
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return otherwise
  }
}

/** One account that is open. */
export class Session {
  readonly account: FetchAccount
  readonly #options: FetchOptions
  readonly #memory: Memory
  readonly #target: Target
  #source: Source | undefined

  constructor(account: FetchAccount, options: FetchOptions, memory: Memory, target: Target) {
    this.account = account
    this.#options = options
    this.#memory = memory
    this.#target = target
  }

  /** Connected and logged in; the same connection as long as it lasts. */
  async source(): Promise<Source> {
    this.#source ??= await this.#login()
    return this.#source
  }

  /** One more connection, for the caller to close. */
  async another(): Promise<Source> {
    return this.#connect(await this.account.secret(false))
  }

  /** Lets go of the connection; the next that is needed is made anew. */
  async close(): Promise<void> {
    await this.#source?.close()
    this.#source = undefined
  }

  async #login(): Promise<Source> {
    const { account } = this
    const secret = await account.secret(false)
    const refused = this.#memory.refused
    const fingerprint = () => fingerprintOf(account, secret)
    if (refused && !this.#options.retryLogin && refused.fingerprint === fingerprint())
      throw new LoginRefused(
        account.host,
        account.user,
        `${refused.said} (asked before; not asked again until the configuration changes, or with --retry-login)`,
      )
    try {
      const source = await this.#connect(secret)
      await this.#memory.login('', '')
      return source
    } catch (error) {
      if (!(error instanceof LoginRefused)) throw error
      if ('token' in secret && !refused) {
        const source = await this.#connect(await account.secret(true)).catch(again => again as Error)
        if (!(source instanceof Error)) return source
      }
      await this.#memory.login(fingerprint(), error.said)
      throw error
    }
  }

  #connect(secret: Secret): Promise<Source> {
    const { protocol = 'imap' } = this.account
    const options = { ...this.account, secret, witness: this.#options.proof?.connection(protocol) }
    return protocol === 'imap' ? openRemote(options) : openPopSource(options, this.#memory.numbering('INBOX'))
  }

  /** The folders that are to be fetched. */
  async pairings(): Promise<Pairing[]> {
    return chooseFolders(await (await this.source()).folders(), this.account.choices)
  }

  /** Goes once through all folders; a lost connection is made again as long as that brings something. */
  async once(): Promise<FetchResult> {
    const { proof } = this.#options
    proof?.begin(this.account.name, this.account.protocol)
    const pairings = await this.pairings()
    if (proof) await this.#stand('before', pairings)
    const result = await this.pass(pairings)
    if (proof) await this.#stand('after', pairings)
    return result
  }

  /**
   * Takes a folder over from mbsync: nothing of it is fetched again, not even headers.
   *
   * @param local the mailbox here that mbsync filled
   * @returns how many messages are here, and how many were deleted here
   * @throws MailError where the two do not fit together
   */
  async takeOver(local: string, state: MbsyncState): Promise<{ here: number; deleted: number }> {
    const pairing = (await this.pairings()).find(each => each.local === local)
    const mailbox = await this.#target.find(local)
    if (!pairing || !mailbox)
      throw new MailError(`no folder of ${this.account.name} is called ${local} here`, { exit: exits.data })
    const { path } = pairing.remote
    const { validity } = await (await this.source()).examine(path)
    if (validity !== state.validity)
      throw new MailError(`${path} has another UIDVALIDITY now; a plain run finds its messages again`, {
        exit: exits.data,
      })
    const known = await this.#target.knownFrom(mailbox, state.pairs)
    const localValidity = mailbox.uidValidity
    const folder = await this.#memory.begin({ path, validity, local, localValidity }, known)
    const localNext = mailbox.uidNext
    this.#memory.pass(folder, { floor: state.pulled, uidNext: 0, messages: 0, modseq: undefined, localNext })
    const here = known.filter(([, each]) => each.local > 0).length
    return { here, deleted: known.length - here }
  }

  /** One pass over some folders. */
  async pass(pairings: readonly Pairing[]): Promise<FetchResult> {
    const folders: FolderResult[] = []
    const failures: FolderFailure[] = []
    for (const pairing of pairings) {
      this.#options.signal.throwIfAborted()
      try {
        folders.push(await this.#passPatiently(pairing))
      } catch (error) {
        if (this.#options.signal.aborted || !(error instanceof MailError)) throw error
        if (error instanceof LoginRefused || error instanceof Throttled || error instanceof ConnectionLost)
          throw error
        this.#options.log.warning('folder-failed', {
          account: this.account.name,
          folder: pairing.remote.path,
          error: describe(error),
        })
        failures.push({ folder: pairing.remote.path, error })
      }
    }
    return { account: this.account.name, folders, failures }
  }

  async #passPatiently(pairing: Pairing): Promise<FolderResult> {
    for (let attempt = 0; ; attempt++) {
      const before = this.#memory.folder(pairing.remote.path)?.known.size ?? 0
      try {
        return await passFolder(await this.#run(), pairing)
      } catch (error) {
        if (!(error instanceof ConnectionLost) || this.#options.dry) throw error
        await this.close()
        const after = this.#memory.folder(pairing.remote.path)?.known.size ?? 0
        if (after > before) attempt = 0
        if (attempt === retries) throw error
        this.#options.log.info('connection-lost', { account: this.account.name, error: describe(error) })
      }
    }
  }

  async #run(): Promise<Run> {
    const { deliver, dry = false, log, signal, progress = () => {}, clock = Date.now } = this.#options
    const memory = this.#memory
    return {
      source: await this.source(),
      memory,
      target: this.#target,
      policy: this.account.policy,
      deliver,
      budget: new Budget(memory, this.account.bytesPerDay, clock),
      dry,
      log,
      signal,
      progress,
    }
  }

  /** Writes down how the folders stand at the provider. */
  async #stand(when: 'before' | 'after', pairings: readonly Pairing[]): Promise<void> {
    // A session that hears of nothing would say what it said before.
    if (when === 'after' && this.#source?.hears === false) await this.close()
    const source = await this.source()
    for (const { remote } of pairings)
      this.#options.proof?.standing(when, standingOf(remote.path, await source.standing(remote.path)))
  }
}

/** Tells whether credentials are those that were refused, and does not tell which they are. */
function fingerprintOf({ host, port, user }: FetchAccount, secret: Secret): string {
  const text = 'token' in secret ? secret.token : secret.password
  return scryptSync(text, `${host}:${port} ${user}`, 12).toString('base64url')
}
