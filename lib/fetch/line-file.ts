/** The file of a memory: lines appended to it, each with its CRC; one that is cut or wrong ends it. */
import { closeSync, fdatasync, ftruncateSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { writeAllSync, writeAtomic } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { isMissing } from '../sys/error.js'
import { decode, encode, type Line } from './state-line.js'

const datasync = promisify(fdatasync)
/** A file smaller than this, in octets, is not worth being written anew. */
const small = 65_536

export class LineFile {
  readonly #path: string
  #fd = -1
  #size = 0
  #dirty = false

  private constructor(path: string) {
    this.#path = path
  }

  /**
   * Reads the file; one that is not there, or begins with another line, is begun.
   *
   * @param first what its first line begins with
   * @param take gets each line but the first
   * @param dry whether nothing is to be written, now and later
   */
  static async open(path: string, first: Line, take: (line: Line) => void, dry: boolean): Promise<LineFile> {
    const file = new LineFile(path)
    const octets = readOrNothing(path)
    const good = load(octets, first, take)
    if (dry) return file
    if (good === 0) {
      makeDirectory(dirname(path), 0o700)
      await writeAtomic(path, encode(first))
    }
    file.#fd = openSync(path, 'a', 0o600)
    if (good > 0 && good < octets.length) ftruncateSync(file.#fd, good)
    file.#size = statSync(path).size
    return file
  }

  write(line: Line): void {
    if (this.#fd < 0) return
    const octets = encode(line)
    try {
      writeAllSync(this.#fd, octets)
    } catch (error) {
      // On a full disk a part of it may stand there, and would spoil all that comes after.
      ftruncateSync(this.#fd, this.#size)
      throw error
    }
    this.#size += octets.length
    this.#dirty = true
  }

  /** Puts other lines in the place of all: a crash leaves the old ones or the new. */
  async replace(whole: Buffer): Promise<void> {
    if (this.#fd < 0) return
    await writeAtomic(this.#path, whole)
    closeSync(this.#fd)
    this.#fd = openSync(this.#path, 'a', 0o600)
    this.#size = whole.length
    this.#dirty = false
  }

  async sync(): Promise<void> {
    if (!this.#dirty) return
    this.#dirty = false
    await datasync(this.#fd)
  }

  /**
   * @param needed about how many octets say the same
   * @param snapshot makes them, for a file that is mostly outdated
   */
  async close(needed: number, snapshot: () => Buffer): Promise<void> {
    if (this.#fd < 0) return
    if (this.#size > Math.max(small, 2 * needed)) {
      const whole = snapshot()
      if (whole.length < this.#size / 2) await this.replace(whole)
    }
    await this.sync()
    closeSync(this.#fd)
    this.#fd = -1
  }
}

/** @returns how many octets of it are good */
function load(octets: Buffer, [kind, version]: Line, take: (line: Line) => void): number {
  for (let at = 0; ; ) {
    const end = octets.indexOf(10, at)
    const line = end < 0 ? undefined : decode(octets.subarray(at, end))
    if (!line) return at
    if (at === 0 && (line[0] !== kind || line[1] !== version)) return 0
    if (at > 0) take(line)
    at = end + 1
  }
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0)
    throw error
  }
}
