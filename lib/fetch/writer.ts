/** Stores what comes, in batches that share their syncs, behind what is being read. */
import type { Mailbox } from '../mailbox/mailbox.js'
import { keyOf } from './identity.js'
import { joined, type Run } from './run.js'
import type { RemoteMessage } from './source.js'
import type { FolderMemory } from './state-line.js'

/** Messages stored together: they share their syncs. */
const batchMessages = 128
const batchOctets = 8 * 1024 * 1024
/** Messages that go through the user's filters at a time. */
const atOnce = 4

interface Waiting extends RemoteMessage {
  readonly key: string
}

/** Stores messages in batches, one behind the one that is being read. */
export class Writer {
  readonly #run: Run
  readonly #folder: FolderMemory
  /** The provider's ids of messages, by UID. */
  readonly #ids: ReadonlyMap<number, string | undefined>
  readonly #mailbox: () => Promise<Mailbox>
  #batch: Waiting[] = []
  #octets = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(
    run: Run,
    folder: FolderMemory,
    ids: ReadonlyMap<number, string | undefined>,
    mailbox: () => Promise<Mailbox>,
  ) {
    this.#run = run
    this.#folder = folder
    this.#ids = ids
    this.#mailbox = mailbox
  }

  async add(message: RemoteMessage, size: number): Promise<void> {
    this.#batch.push({ ...message, key: keyOf(message.octets, size, message.date) })
    this.#octets += message.octets.length
    if (this.#batch.length >= batchMessages || this.#octets >= batchOctets) await this.#flush()
  }

  async end(): Promise<void> {
    await this.#flush()
    await this.#writing
  }

  /** Waits for the batch before, then lets this one be written while the next is read. */
  async #flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#octets = 0
    await this.#writing
    if (batch.length === 0) return
    this.#writing = this.#write(batch)
    this.#writing.catch(() => {})
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const { memory, target, policy, deliver, budget } = this.#run
    const folder = this.#folder
    const flags = (message: Waiting) => (policy.flags === 'none' ? [] : message.flags)
    budget.note()
    if (deliver) {
      // One that is delivered when the machine stops, and not yet noted, is delivered again: better than not at all.
      for (let at = 0; at < batch.length; at += atOnce) {
        const outcomes = await Promise.allSettled(
          batch.slice(at, at + atOnce).map(async ({ uid, octets, key, flags }) => {
            await deliver(octets)
            memory.know(folder, [[uid, { local: 0, key, flags: joined(flags) }]])
          }),
        )
        const failed = outcomes.find(outcome => outcome.status === 'rejected')
        if (failed) throw failed.reason
      }
      this.#noteIds(batch)
      return memory.sync()
    }
    const locals = await target.place(
      await this.#mailbox(),
      batch.map(message => ({ octets: message.octets, date: message.date, flags: flags(message) })),
      uniques =>
        memory.intend(
          folder,
          batch.map((message, i) => ({
            uid: message.uid,
            unique: uniques[i] as string,
            key: message.key,
            flags: joined(message.flags),
          })),
        ),
    )
    memory.got(
      folder,
      batch.map(({ uid }, i) => [uid, locals[i] as number]),
    )
    this.#noteIds(batch)
  }

  #noteIds(batch: readonly Waiting[]): void {
    const { memory } = this.#run
    memory.ids(
      batch.flatMap(({ uid }) => {
        const id = this.#ids.get(uid)
        return id === undefined ? [] : [[id, this.#folder.id, uid] as const]
      }),
    )
  }
}
