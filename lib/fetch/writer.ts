/**
 * Stores what comes, behind what is being read: each message is brought to disk as soon as it is here, and gets its
 * name with others in a batch, that share what has to be synced for that.
 */
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Delivery } from '../maildir/maildir.js'
import { keyOf } from './identity.js'
import { joined, type Run } from './run.js'
import type { Listed, RemoteMessage } from './source.js'
import { type FolderMemory, idsOf } from './state-line.js'

/** Messages that get their names together; as many again are on their way to the disk meanwhile. */
const batchMessages = 128
const batchOctets = 8 * 1024 * 1024
/** Messages that go through the user's filters at a time. */
const atOnce = 4

interface Waiting {
  readonly uid: number
  readonly id: string | undefined
  /** The message, for filters; or its file, for folders. */
  readonly content: Buffer | Promise<Delivery>
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
  #into: Promise<Mailbox> | undefined
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
    const content = this.#run.deliver ? octets : this.#stage(message, came)
    // A large one is read while it is written.
    if (rest) await content
    this.#batch.push({ uid, id, content, date, flags, key })
    if (!rest) this.#octets += octets.length
    if (this.#batch.length >= batchMessages || this.#octets >= batchOctets) await this.#flush()
  }

  async end(): Promise<void> {
    await this.#flush()
    await this.#writing
  }

  /** Begins to bring a message to disk. */
  #stage({ octets, rest, date }: RemoteMessage, came: (octets: number) => void): Promise<Delivery> {
    const { target } = this.#run
    // A mailbox that is not there is made once.
    this.#into ??= this.#mailbox()
    const staged = this.#into.then(mailbox =>
      rest
        ? target.write(mailbox, joinedTo(octets, counted(rest(), came)))
        : target.stage(mailbox, octets, date),
    )
    // Who places it hears of its failure.
    staged.catch(() => {})
    return staged
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
    try {
      await this.#writing
    } catch (error) {
      await discard(batch)
      throw error
    }
    if (batch.length === 0) return
    this.#writing = this.#write(batch).catch(async error => {
      await discard(batch)
      throw error
    })
    this.#writing.catch(() => {})
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const { memory, target, policy, deliver, budget } = this.#run
    const folder = this.#folder
    budget.note()
    // Before the messages are there: an id without its message means nothing, a POP3 message without its id comes again.
    memory.ids(idsOf(folder, batch))
    if (deliver) return this.#deliver(batch)
    const staged = await Promise.all(batch.map(({ content }) => content as Promise<Delivery>))
    const locals = await target.place(
      await this.#mailbox(),
      batch.map(({ date, flags }, i) => ({
        delivery: staged[i] as Delivery,
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

/** What does not get a name leaves nothing behind. */
async function discard(batch: readonly Waiting[]): Promise<void> {
  for (const { content } of batch)
    if (!Buffer.isBuffer(content))
      await content.then(
        delivery => delivery.abort(),
        () => {},
      )
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
