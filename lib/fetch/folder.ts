/** One pass over one remote folder: what is there and not here is brought here. */
import type { Mailbox } from '../mailbox/mailbox.js'
import { fetchNew } from './arrivals.js'
import { followChanges } from './changes.js'
import { heal, settle } from './heal.js'
import type { Pairing } from './names.js'
import { planFolder, type Remembered } from './plan.js'
import { type FolderPass, type FolderResult, noResult, type Run } from './run.js'
import { type FolderMemory, lastOf } from './state-line.js'

/** Goes once over a folder. */
export async function passFolder(run: Run, pairing: Pairing): Promise<FolderResult> {
  return new Pass(run, pairing).pass()
}

class Pass implements FolderPass {
  readonly run: Run
  readonly pairing: Pairing
  readonly result: FolderResult

  constructor(run: Run, pairing: Pairing) {
    this.run = run
    this.pairing = pairing
    this.result = noResult(pairing)
  }

  get memory(): FolderMemory | undefined {
    return this.run.memory.folder(this.pairing.remote.path)
  }

  async pass(): Promise<FolderResult> {
    const { source, policy, memory } = this.run
    const { remote } = this.pairing
    if (remote.status && planFolder(remote.status, this.#remembered(true), policy).idle) return this.result
    const status = await source.examine(remote.path)
    if (planFolder(status, this.#remembered(true), policy).idle) return this.result
    const mailbox = await this.found()
    const sameLocal = (mailbox?.uidValidity ?? 0) === this.memory?.localValidity
    const plan = planFolder(status, this.#remembered(sameLocal), policy)
    if (mailbox) settle(this, mailbox)
    if (plan.heal || plan.relink) await heal(this, status, plan, mailbox)
    const failed =
      plan.listFrom > 0 ? await fetchNew(this, plan.heal ? 1 : plan.listFrom, mailbox) : undefined
    await followChanges(this, plan)
    const folder = this.memory
    const { uidNext, messages, modseq } = status
    const known = uidNext === 0 ? lastOf(folder?.known.keys() ?? []) : 0
    const highest = Math.max(uidNext - 1, folder?.floor ?? 0, known)
    const floor = plan.listFrom > 0 ? (failed === undefined ? highest : failed - 1) : (folder?.floor ?? 0)
    const localNext = (await this.found())?.uidNext ?? 0
    if (folder) memory.pass(folder, { floor, uidNext, messages, modseq, localNext })
    return this.result
  }

  #remembered(sameLocal: boolean): Remembered | undefined {
    const folder = this.memory
    if (!folder) return undefined
    return {
      ...folder,
      count: folder.known.size,
      unsure: folder.pending.size > 0,
      sameLocal: sameLocal && folder.local === this.pairing.local,
    }
  }

  async found(): Promise<Mailbox | undefined> {
    return this.run.deliver ? undefined : this.run.target.find(this.pairing.local)
  }

  async mailbox(): Promise<Mailbox> {
    return this.run.target.make(this.pairing.local)
  }
}
