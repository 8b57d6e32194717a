/** A message on its way into the queue: written as it comes, accepted as a whole or not at all. */
import type { FileHandle } from 'node:fs/promises'
import { countBareLf } from '../message/wire.js'
import { writeAll } from '../sys/atomic.js'
import { type Envelope, envelopeOf, type Submission } from './entry.js'
import { formatEnvelope } from './envelope-text.js'
import {
  create,
  type EntryPaths,
  entryPaths,
  halfWritten,
  type Owner,
  prepare,
  removeAll,
  settle,
} from './files.js'

/** Below this many octets a message waits in memory, and costs one write. */
const gather = 256 * 1024
const CR = 13
const LF = 10

export interface DraftOptions {
  readonly directory: string
  readonly id: string
  readonly owner: Owner | undefined
  /** Of the files; those in a drop directory are read by the group. */
  readonly mode: number
  readonly clock: () => number
}

export class Draft {
  readonly id: string
  readonly #options: DraftOptions
  readonly #paths: EntryPaths
  readonly #submission: Submission
  #chunks: Uint8Array[] = []
  #gathered = 0
  #size = 0
  #bareLines = 0
  #lastOctet = 0
  #file: FileHandle | undefined
  /** Whether the files of this name are ours; before that they may be another's. */
  #created = false

  constructor(submission: Submission, options: DraftOptions) {
    this.id = options.id
    this.#submission = submission
    this.#options = options
    this.#paths = entryPaths(options.directory, options.id)
  }

  /** Octets written so far. */
  get size(): number {
    return this.#size
  }

  /**
   * Adds octets of the message, its lines ending in LF. They are kept, not copied: the caller must not reuse them.
   *
   * @throws the system's error (ENOSPC, EDQUOT, EIO …)
   */
  async write(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk)
    this.#gathered += chunk.length
    this.#size += chunk.length
    this.#count(chunk)
    if (this.#gathered >= gather) await this.#flush()
  }

  /**
   * Accepts the message: when this resolves, message and envelope are on disk, names and all.
   *
   * @param changes what became known of the envelope while the message came
   * @throws the system's error; nothing is left then
   */
  async commit(changes: Partial<Submission> = {}): Promise<{ id: string; envelope: Envelope }> {
    const { owner, mode, clock } = this.#options
    const sizes = { size: this.#size, wireSize: this.#size + this.#bareLines }
    const envelope = envelopeOf({ ...this.#submission, ...changes }, sizes, clock())
    try {
      await this.#flush()
      const [temporary] = await bothOrThrow(
        prepare(this.#paths.envelope, formatEnvelope(envelope), owner, mode),
        this.#sync(),
      )
      await settle(temporary, this.#paths.envelope)
    } catch (error) {
      await this.abort()
      throw error
    }
    return { id: this.id, envelope }
  }

  /** Leaves nothing. Also right after a commit() that threw. */
  async abort(): Promise<void> {
    this.#chunks = []
    await this.#file?.close().catch(() => {})
    this.#file = undefined
    if (!this.#created) return
    const { envelope, message } = this.#paths
    await removeAll(envelope)
    await removeAll(message, halfWritten(envelope))
  }

  /** Counts the line ends that take an octet more on the wire. */
  #count(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    this.#bareLines += countBareLf(octets)
    if (octets[0] === LF && this.#lastOctet === CR) this.#bareLines--
    this.#lastOctet = octets[octets.length - 1] as number
  }

  async #sync(): Promise<void> {
    const file = this.#file as FileHandle
    this.#file = undefined
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
  }

  async #flush(): Promise<void> {
    const { owner, mode } = this.#options
    this.#file ??= await create(this.#paths.message, owner, mode)
    this.#created = true
    const chunks = this.#chunks
    this.#chunks = []
    this.#gathered = 0
    await writeAll(this.#file, chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks))
  }
}

/** Waits for both even when one fails, so that no write is under way when the files are removed. */
async function bothOrThrow<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second])
  if (a.status === 'rejected') throw a.reason
  if (b.status === 'rejected') throw b.reason
  return [a.value, b.value]
}
