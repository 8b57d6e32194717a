/** One account that is open: its connection, its folders, one after the other. */
import { describe, exits, MailError } from '../sys/error.js'
import { Budget, dayOf } from './budget.js'
import type { FetchAccount, FetchOptions, FetchResult, FolderFailure } from './fetch.js'
import { passFolder } from './folder.js'
import { arrangeLabels } from './labels.js'
import { logIn, noteThrottled, openSource } from './login.js'
import type { MbsyncState } from './mbsync.js'
import { chooseFolders, type Pairing } from './names.js'
import { standingOf } from './proof.js'
import { followRenames } from './renames.js'
import type { FolderResult, Run, Waiting } from './run.js'
import type { Source } from './source.js'
import type { Memory } from './state.js'
import type { Target } from './target.js'
import { ConnectionLost, LoginRefused, Throttled } from './trouble.js'

/** How often a lost connection is made again in a run that brings nothing more. */
const retries = 2

/** One account that is open. */
export class Session {
  readonly account: FetchAccount
  readonly #options: FetchOptions
  readonly #memory: Memory
  readonly #target: Target
  readonly #waiting = new Map<string, Waiting>()
  #source: Source | undefined

  constructor(account: FetchAccount, options: FetchOptions, memory: Memory, target: Target) {
    this.account = account
    this.#options = options
    this.#memory = memory
    this.#target = target
  }

  /** Connected and logged in; the same connection as long as it lasts. */
  async source(): Promise<Source> {
    this.#source ??= await logIn(this.account, this.#options, this.#memory)
    return this.#source
  }

  /** One more connection, for the caller to close. */
  async another(): Promise<Source> {
    return openSource(this.account, await this.account.secret(false), this.#options, this.#memory)
  }

  /** Lets go of the connection; the next that is needed is made anew. */
  async close(): Promise<void> {
    await this.#source?.close()
    this.#source = undefined
  }

  /** The folders that are to be fetched; those that have other names than the last time are followed first. */
  async pairings(): Promise<Pairing[]> {
    return this.#heedful(async () => {
      const { choices, labels = 'links', allMail = 'whole' } = this.account
      const { deliver, dry = false, log } = this.#options
      const source = await this.source()
      const folders = await source.folders()
      const chosen = chooseFolders(folders, choices)
      const pairings = source.hasLabels ? arrangeLabels(chosen, labels, allMail) : chosen
      const following = { memory: this.#memory, target: this.#target, source, log }
      await followRenames({ ...following, leaveLocal: dry || deliver !== undefined }, folders, pairings)
      return pairings
    })
  }

  /** Goes once through all folders; a lost connection is made again as long as that brings something. */
  async once(): Promise<FetchResult> {
    const { proof } = this.#options
    proof?.begin(this.account.name, this.account.protocol)
    const pairings = await this.pairings()
    if (proof) await this.#stand('before', pairings)
    const result = await this.passAll(pairings)
    if (proof) await this.#stand('after', pairings)
    return result
  }

  /** One pass over all folders. */
  async passAll(pairings: readonly Pairing[]): Promise<FetchResult> {
    const { clock = Date.now } = this.#options
    const result = await this.pass(pairings)
    await this.#memory.postpone()
    const left = result.folders.reduce((sum, { postponedOctets }) => sum + postponedOctets, 0)
    const day = this.#memory.spread(dayOf(clock()), left > 0)
    const days = day > 0 ? { days: { day, of: day + Math.ceil(left / this.account.bytesPerDay) } } : {}
    return { ...result, ...days }
  }

  /** What a provider that wants to be left alone says is remembered. */
  async #heedful<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw error instanceof Throttled ? await noteThrottled(error, this.#memory, this.#options.clock) : error
    }
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
        folders.push(await this.#heedful(() => this.#passPatiently(pairing)))
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
      allMail: this.account.allMail ?? 'whole',
      waiting: this.#waiting,
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
