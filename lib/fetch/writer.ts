/** Stores what comes, in batches that share their syncs, behind what is being read. */
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Delivery } from '../maildir/maildir.js'
import { keyOf } from './identity.js'
import { joined, type Run } from './run.js'
import type { RemoteMessage } from './source.js'
import type { FolderMemory } from './state-line.js'

/** Messages stored together: they share their syncs. */
const batchMessages = 128
const batchOctets = 8 * 1024 * 1024
/** Messages that go through the user's filters at a time. */
const atOnce = 4

interface Waiting {
  readonly uid: number
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

  /** Takes a message. @param size as it was listed @param came is told how many octets of it came, as they come */
  async add(message: RemoteMessage, size: number, came: (octets: number) => void): Promise<void> {
    const { uid, octets, rest, date, flags } = message
    const key = keyOf(octets, size, date)
    came(octets.length)
    if (rest && this.#run.deliver) return this.#deliverLarge(message, key, came)
    const content = rest ? await this.#writeLarge(octets, counted(rest(), came)) : octets
    this.#batch.push({ uid, content, date, flags, key })
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
    key: string,
    came: (octets: number) => void,
  ): Promise<void> {
    const { deliver, memory, budget } = this.#run
    this.#noteIds([{ uid }])
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
    this.#noteIds(batch)
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

  /** Before the messages are there: an id without its message means nothing, a POP3 message without its id comes again. */
  #noteIds(batch: readonly { readonly uid: number }[]): void {
    this.#run.memory.ids(
      batch.flatMap(({ uid }) => {
        const id = this.#ids.get(uid)
        return id === undefined ? [] : [[id, this.#folder.id, uid] as const]
      }),
    )
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
