/** Stores what comes, in batches that share their syncs, behind what is being read. */
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Delivery } from '../maildir/maildir.js'
import { keyOf } from './identity.js'
import { joined, type Run } from './run.js'
import type { Listed, RemoteMessage } from './source.js'
import { type FolderMemory, idsOf } from './state-line.js'

/** Messages stored together: they share their syncs. */
const batchMessages = 128
const batchOctets = 8 * 1024 * 1024
/** Messages that go through the user's filters at a time. */
const atOnce = 4

interface Waiting {
  readonly uid: number
  readonly id: string | undefined
  /** The message, or a large one that is in a file already. */
  readonly content: Buffer | Delivery
  readonly date: number | undefined
  /** As the remote has them. */
  readonly flags: readonly string[]
  readonly key: string
}

/** What comes into one folder. */
export class Writer {
  readonly #run: Run
  readonly #folder: FolderMemory
  readonly #mailbox: () => Promise<Mailbox>
  #batch: Waiting[] = []
  #octets = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(run: Run, folder: FolderMemory, mailbox: () => Promise<Mailbox>) {
    this.#run = run
    this.#folder = folder
    this.#mailbox = mailbox
  }

  /** Takes a message. @param listed what was said of it before @param came is told how many octets of it came, as they come */
  async add(message: RemoteMessage, { size, id }: Listed, came: (octets: number) => void): Promise<void> {
    const { uid, octets, rest, date, flags } = message
    const key = keyOf(octets, size, date)
    came(octets.length)
    if (rest && this.#run.deliver) return this.#deliverLarge(message, id, key, came)
    const content = rest ? await this.#writeLarge(octets, counted(rest(), came)) : octets
    this.#batch.push({ uid, id, content, date, flags, key })
    if (!rest) this.#octets += octets.length
    if (this.#batch.length >= batchMessages || this.#octets >= batchOctets) await this.#flush()
  }

  async end(): Promise<void> {
    await this.#flush()
    await this.#writing
  }

  async #writeLarge(octets: Buffer, rest: AsyncIterable<Buffer>): Promise<Delivery> {
    // A mailbox that the batch before is still making is made once.
    await this.#writing
    return this.#run.target.write(await this.#mailbox(), joinedTo(octets, rest))
  }

  async #deliverLarge(
    { uid, octets, rest, flags }: RemoteMessage,
    id: string | undefined,
    key: string,
    came: (octets: number) => void,
  ): Promise<void> {
    const { deliver, memory, budget } = this.#run
    memory.ids(idsOf(this.#folder, [{ uid, id }]))
    await deliver?.(octets, rest && (() => counted(rest(), came)))
    memory.know(this.#folder, [[uid, { local: 0, key, flags: joined(flags) }]])
    budget.note()
    await memory.sync()
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
    budget.note()
    // Before the messages are there: an id without its message means nothing, a POP3 message without its id comes again.
    memory.ids(idsOf(folder, batch))
    if (deliver) return this.#deliver(batch)
    const locals = await target.place(
      await this.#mailbox(),
      batch.map(({ content, date, flags }) => ({
        content,
        date,
        flags: policy.flags === 'none' ? [] : flags,
      })),
      uniques =>
        memory.intend(
          folder,
          batch.map(({ uid, key, flags }, i) => ({
            uid,
            unique: uniques[i] as string,
            key,
            flags: joined(flags),
          })),
        ),
    )
    memory.got(
      folder,
      batch.map(({ uid }, i) => [uid, locals[i] as number]),
    )
  }

  /** One that is delivered when the machine stops, and not yet noted, is delivered again: better than not at all. */
  async #deliver(batch: readonly Waiting[]): Promise<void> {
    const { memory, deliver } = this.#run
    for (let at = 0; at < batch.length; at += atOnce) {
      const outcomes = await Promise.allSettled(
        batch.slice(at, at + atOnce).map(async ({ uid, content, key, flags }) => {
          await deliver?.(content as Buffer)
          memory.know(this.#folder, [[uid, { local: 0, key, flags: joined(flags) }]])
        }),
      )
      const failed = outcomes.find(outcome => outcome.status === 'rejected')
      if (failed) throw failed.reason
    }
    return memory.sync()
  }
}

async function* joinedTo(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}

async function* counted(
  pieces: AsyncIterable<Buffer>,
  came: (octets: number) => void,
): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    came(piece.length)
    yield piece
  }
}
