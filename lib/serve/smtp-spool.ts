/** A message that waits for a verdict: in memory while it is small, else in a file that has no name any more. */

import type { FileHandle } from 'node:fs/promises'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeAll } from '../sys/atomic.js'

/** Octets kept in memory. */
const small = 256 * 1024

export class Spool {
  readonly #name: string
  #chunks: Buffer[] = []
  #size = 0
  #inFile = 0
  #file: FileHandle | undefined

  /** @param name unique on this machine */
  constructor(name: string) {
    this.#name = name
  }

  /** @throws the system's error (ENOSPC …) */
  async write(octets: Buffer): Promise<void> {
    this.#chunks.push(octets)
    this.#size += octets.length
    if (this.#size <= small) return
    this.#file ??= await openUnnamed(join(tmpdir(), `postern-${this.#name}`))
    const whole = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#size = 0
    await writeAll(this.#file, whole)
    this.#inFile += whole.length
  }

  /** The octets from the beginning; may be read several times. */
  async *read(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.#inFile; ) {
      const buffer = Buffer.allocUnsafe(Math.min(65_536, this.#inFile - at))
      const { bytesRead } = await (this.#file as FileHandle).read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new Error('the spooled message is cut short')
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    yield* this.#chunks
  }

  /** Leaves nothing. */
  async close(): Promise<void> {
    this.#chunks = []
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}

/** Nobody else opens it, and a crash leaves nothing behind. */
async function openUnnamed(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
