/**
 * What a user's mail has been through: which answers were sent to whom, which messages came before. It is the file
 * `.postern.seen` in the user's home:
 *
 *     <seconds since 1970 at which it is forgotten> <sha256 of what is remembered, in hex>
 *
 * A line is appended for each; of two with the same sum the later one counts. All who write hold the dotlock
 * `.postern.seen.lock`; who reads needs none. A line that a crash cut short is none. The file is written anew, whole,
 * when most of its lines are forgotten ones. It may be deleted at any time: what was in it may then happen twice.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { writeAtomic } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { withDotlock } from '../sys/dotlock.js'
import { isMissing } from '../sys/error.js'

/** Lines below which a file is not worth writing anew. */
const few = 1_000
/** How many users' memories a process keeps read. */
const kept = 200

const known = new Map<string, Memory>()

export class Memory {
  readonly #home: string
  readonly #path: string
  /** Sum → seconds since 1970. */
  #until = new Map<string, number>()
  #lines = 0
  /** How far the file was read, and which file that was. */
  #offset = 0
  #inode = 0
  #torn = false

  private constructor(home: string) {
    this.#home = home
    this.#path = `${home}/.postern.seen`
  }

  /** The memory of the user with this home; nothing is read or made yet. */
  static of(home: string): Memory {
    const memory = known.get(home) ?? new Memory(home)
    known.delete(home)
    known.set(home, memory)
    for (const oldest of known.keys()) {
      if (known.size <= kept) break
      known.delete(oldest)
    }
    return memory
  }

  /** The sum that stands for something, told apart from others by its kind. */
  static key(kind: string, ...parts: readonly string[]): string {
    // Loaded when it is needed: most deliveries remember nothing.
    const { createHash } = process.getBuiltinModule('node:crypto')
    return createHash('sha256')
      .update(JSON.stringify([kind, ...parts]))
      .digest('hex')
  }

  /** Nobody else remembers anything for this user until `release` is called. @throws TemporaryError */
  hold(): Promise<Held> {
    makeDirectory(this.#home, 0o700)
    return new Promise((resolve, reject) => {
      const work = () =>
        new Promise<void>(release => {
          this.#read()
          resolve({
            has: (key, now) => this.#has(key, now),
            add: (key, until, now) => this.#add(key, until, now),
            release,
          })
        })
      withDotlock(`${this.#path}.lock`, work).catch(reject)
    })
  }

  /** Whether something is remembered, without the lock: somebody may be about to add it. @param now milliseconds */
  has(key: string, now: number): boolean {
    this.#read()
    return this.#has(key, now)
  }

  #has(key: string, now: number): boolean {
    return (this.#until.get(key) ?? 0) * 1000 > now
  }

  /** Takes in what was appended since, or all of another file. */
  #read(): void {
    let fd: number
    try {
      fd = openSync(this.#path, 'r')
    } catch (error) {
      if (!isMissing(error)) throw error
      this.#forget(0)
      return
    }
    try {
      const { ino, size } = fstatSync(fd)
      if (ino !== this.#inode || size < this.#offset) this.#forget(ino)
      if (size === this.#offset) return
      const octets = Buffer.allocUnsafe(size - this.#offset)
      const length = readSync(fd, octets, 0, octets.length, this.#offset)
      this.#take(octets.toString('latin1', 0, length))
    } finally {
      closeSync(fd)
    }
  }

  #forget(inode: number): void {
    this.#until = new Map()
    this.#lines = 0
    this.#offset = 0
    this.#inode = inode
    this.#torn = false
  }

  #take(text: string): void {
    const end = text.lastIndexOf('\n') + 1
    this.#torn = end < text.length
    this.#offset += end
    for (const line of text.slice(0, end).split('\n')) {
      const [, until, key] = /^(\d{1,12}) ([0-9a-f]{64})$/.exec(line) ?? []
      if (line !== '') this.#lines++
      if (key !== undefined) this.#until.set(key, Number(until))
    }
  }

  /** @param until milliseconds since 1970, as is `now` */
  async #add(key: string, until: number, now: number): Promise<void> {
    if (this.#lines >= few) await this.#compact(now)
    const line = `${this.#torn ? '\n' : ''}${Math.ceil(until / 1000)} ${key}\n`
    const fd = openSync(this.#path, 'a', 0o600)
    try {
      writeSync(fd, line)
    } finally {
      closeSync(fd)
    }
    this.#read()
  }

  async #compact(now: number): Promise<void> {
    const live = [...this.#until].filter(([, until]) => until * 1000 > now)
    if (live.length * 2 > this.#lines) return
    await writeAtomic(this.#path, live.map(([key, until]) => `${until} ${key}\n`).join(''))
    this.#read()
  }
}

/** A memory while nobody else may change it. Times are milliseconds since 1970. */
export interface Held {
  has(key: string, now: number): boolean
  /** Remembers something. @throws the system's error */
  add(key: string, until: number, now: number): Promise<void>
  release(): void
}

/** One delivery's hold on a user's memory, taken when it is first needed and kept to the delivery's end. */
export class Claim {
  readonly memory: Memory
  #held: Promise<Held> | undefined

  constructor(home: string) {
    this.memory = Memory.of(home)
  }

  /** @throws TemporaryError when somebody else holds it for too long */
  hold(): Promise<Held> {
    this.#held ??= this.memory.hold()
    return this.#held
  }

  /** Lets go; harmless where nothing is held. */
  release(): void {
    this.#held?.then(
      held => held.release(),
      () => {},
    )
    this.#held = undefined
  }
}
