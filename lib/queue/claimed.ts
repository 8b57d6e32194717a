/** An entry in the hands of one process. */
import { dirname } from 'node:path'
import { syncDirectory } from '../sys/atomic.js'
import { type Attempt, recordAttempt } from './dialogue.js'
import type { Entry, Envelope } from './entry.js'
import { formatEnvelope } from './envelope-text.js'
import { type EntryPaths, ownerOf, place, remove, removeAll } from './files.js'

/** An entry that nobody else touches until it is let go. */
export class Claimed {
  readonly id: string
  readonly paths: EntryPaths
  #envelope: Envelope
  readonly #release: () => void
  #released = false
  /** Where nothing was ever said of a recipient, nothing was recorded. */
  #hasDialogue: boolean

  constructor(entry: Entry, paths: EntryPaths, release: () => void) {
    this.id = entry.id
    this.#envelope = entry.envelope
    this.paths = paths
    this.#hasDialogue = entry.envelope.recipients.some(({ said }) => said !== undefined)
    this.#release = release
  }

  get envelope(): Envelope {
    return this.#envelope
  }

  /** Replaces the envelope; on disk when this resolves. */
  async save(envelope: Envelope): Promise<void> {
    await place(this.paths.envelope, formatEnvelope(envelope), ownerOf(dirname(this.paths.envelope)))
    this.#envelope = envelope
  }

  /** Ends the entry, and lets it go. */
  async remove(): Promise<void> {
    const { envelope, message, dialogue } = this.paths
    await remove(envelope)
    await syncDirectory(dirname(envelope))
    await Promise.all([this.#hasDialogue ? removeAll(message, dialogue) : remove(message), this.release()])
  }

  record(attempt: Attempt): void {
    this.#hasDialogue = true
    recordAttempt(this.paths.dialogue, attempt, ownerOf(dirname(this.paths.envelope)))
  }

  /** Lets the entry go; harmless when that was done before. */
  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    this.#release()
  }
}
