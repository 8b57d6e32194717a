/** Reading records of postern.cache: mostly one behind the other, so that much is read at once. */
import { readSync } from 'node:fs'
import { largestRecord, recordHead, recordSize, valueAt } from './cache-record.js'

/** How much is read at once where records are asked for in the order they stand, and where they are not. */
const longRead = 262_144
const shortRead = 8_192

/** The piece of a file that was read last. */
export class CacheBlock {
  #octets: Buffer = Buffer.alloc(0)
  #start = 0
  /** Whether it was read, not what we believe to have written there. */
  isRead = false

  /**
   * The value of the record at a place, if it is right and of that UID and kind.
   *
   * @param isChecked whether its checksum was right before
   * @throws the system's error
   */
  value(fd: number, offset: number, uid: number, kind: string, isChecked: boolean): Buffer | undefined {
    if (!this.#holds(offset)) {
      const isNext = offset >= this.#start && offset < this.#start + this.#octets.length + shortRead
      this.#octets = readAt(fd, offset, isNext ? longRead : shortRead)
      this.#start = offset
      this.isRead = true
    }
    if (this.#holds(offset)) return valueAt(this.#octets, offset - this.#start, uid, kind, isChecked)
    const record = this.#readLarge(fd, offset)
    return record && valueAt(record, 0, uid, kind, isChecked)
  }

  /** Octets that were just written, and will be asked for next. They must not change. */
  hold(octets: Buffer, start: number): void {
    this.#octets = octets
    this.#start = start
    this.isRead = false
  }

  /** What was read is not the file's any more. */
  clear(): void {
    this.#octets = Buffer.alloc(0)
  }

  /** Whether all of the record is here. */
  #holds(offset: number): boolean {
    const at = offset - this.#start
    if (at < 0 || at + recordHead > this.#octets.length) return false
    return at + recordSize(this.#octets, at) <= this.#octets.length
  }

  #readLarge(fd: number, offset: number): Buffer | undefined {
    if (this.#octets.length < recordHead) return undefined
    const size = recordSize(this.#octets, 0)
    if (size > largestRecord) return undefined
    const record = readAt(fd, offset, size)
    return record.length === size ? record : undefined
  }
}

/** Octets of a file from a place on, fewer at its end. */
export function readAt(fd: number, offset: number, length: number): Buffer {
  const octets = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(fd, octets, filled, length - filled, offset + filled)
    if (count === 0) break
    filled += count
  }
  return octets.subarray(0, filled)
}
