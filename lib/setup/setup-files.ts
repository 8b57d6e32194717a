/**
 * Files that a set-up writes, and takes back. What it wrote is remembered by its hash in setup.json, so that a file
 * that somebody has changed since is neither written over nor removed.
 */
import { createHash } from 'node:crypto'
import { chown, mkdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { describe, exits, isMissing, MailError } from '../sys/error.js'

/** Whose a file is: root's alone, root's and readable by the servers, the servers'. */
export type Belongs = 'root' | 'shared' | 'postern'

export interface Wanted {
  /** Absolute, as the system has it. */
  readonly path: string
  readonly text: string
  readonly mode: number
  readonly belongs: Belongs
}

/** kept: somebody changed it, so it stays. */
export interface Step {
  readonly wanted: Wanted
  readonly state: 'new' | 'changed' | 'same' | 'kept'
  readonly before: string
}

export interface Ids {
  readonly uid: number
  readonly gid: number
}

/** What a set-up remembers of itself. */
export interface Memory {
  readonly answers?: unknown
  /** By path: the hash of what was written. */
  readonly files: Readonly<Record<string, string>>
  readonly enabled: readonly string[]
}

const nothing: Memory = { files: {}, enabled: [] }

export class SetupFiles {
  /** Before every path; empty for this machine. */
  readonly #root: string
  readonly #memory: string
  #ids: Ids | undefined

  constructor(root: string, memory: string) {
    this.#root = root
    this.#memory = memory
  }

  /** The real path of one of the system's. */
  real(path: string): string {
    return join(this.#root, path)
  }

  async read(path: string): Promise<string | undefined> {
    try {
      return await readFile(this.real(path), 'utf8')
    } catch (error) {
      if (isMissing(error)) return undefined
      throw new MailError(`cannot read ${this.real(path)}`, { exit: exits.noInput, cause: error })
    }
  }

  async remembered(): Promise<Memory> {
    const text = await this.read(this.#memory)
    if (text === undefined) return nothing
    try {
      return { ...nothing, ...(JSON.parse(text) as Memory) }
    } catch (error) {
      throw new MailError(
        `${this.real(this.#memory)} is broken (${describe(error)}); remove it, and begin again`,
        {
          exit: exits.data,
        },
      )
    }
  }

  async remember(memory: Memory): Promise<void> {
    const text = `${JSON.stringify(memory, undefined, 1)}\n`
    if ((await this.read(this.#memory)) !== text)
      await writeAtomic(this.real(this.#memory), text, this.#ownership('root', 0o644))
  }

  /** The numbers of the user postern, once there is one. */
  async findIds(): Promise<Ids | undefined> {
    const line = /^postern:[^:]*:(\d+):(\d+):/m.exec((await this.read('/etc/passwd')) ?? '')
    this.#ids = line ? { uid: Number(line[1]), gid: Number(line[2]) } : undefined
    return this.#ids
  }

  async compare(wanted: Wanted, { files }: Memory): Promise<Step> {
    const before = await this.read(wanted.path)
    if (before === undefined) return { wanted, state: 'new', before: '' }
    if (before === wanted.text) return { wanted, state: 'same', before }
    return { wanted, state: files[wanted.path] === hashOf(before) ? 'changed' : 'kept', before }
  }

  /** Writes what is new or changed. */
  async apply({ wanted, state }: Step): Promise<void> {
    if (state === 'same' || state === 'kept') return
    const path = this.real(wanted.path)
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeAtomic(path, wanted.text, this.#ownership(wanted.belongs, wanted.mode))
    } catch (error) {
      throw new MailError(`cannot write ${path}`, { exit: exits.cannotCreate, cause: error })
    }
  }

  /** Makes a directory; one that is there stays as it is. */
  async directory(path: string, mode: number, belongs: Belongs): Promise<void> {
    const real = this.real(path)
    const made = await stat(real).then(
      () => false,
      () => true,
    )
    if (!made) return
    try {
      await mkdir(real, { recursive: true, mode })
      const { uid, gid } = this.#owner(belongs)
      if (process.geteuid?.() === 0) await chown(real, uid, gid)
    } catch (error) {
      throw new MailError(`cannot make ${real}`, { exit: exits.cannotCreate, cause: error })
    }
  }

  /** Gives what is there to whom it belongs. */
  async give(path: string, belongs: Belongs): Promise<void> {
    if (process.geteuid?.() !== 0) return
    const { uid, gid } = this.#owner(belongs)
    await chown(this.real(path), uid, gid).catch(error => {
      if (!isMissing(error)) throw error
    })
  }

  /** Removes files that are as they were written. @returns those that are not */
  async takeBack(files: Memory['files']): Promise<string[]> {
    const changed: string[] = []
    for (const [path, hash] of Object.entries(files)) {
      const text = await this.read(path)
      if (text === undefined) continue
      if (hashOf(text) !== hash) {
        changed.push(path)
        continue
      }
      await rm(this.real(path))
      if (/^\/etc\/systemd\/.*\.d\//.test(path)) await rmdir(dirname(this.real(path))).catch(() => {})
    }
    return changed
  }

  async forget(): Promise<void> {
    await rm(this.real(this.#memory), { force: true })
  }

  #ownership(belongs: Belongs, mode: number): { mode: number; uid: number; gid: number } {
    const own = { uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1 }
    return { mode, ...(own.uid === 0 ? this.#owner(belongs) : own) }
  }

  #owner(belongs: Belongs): Ids {
    const { uid, gid } = this.#ids ?? { uid: 0, gid: 0 }
    return { uid: belongs === 'postern' ? uid : 0, gid: belongs === 'root' ? 0 : gid }
  }
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The lines in which two texts differ, as diff(1) marks them. */
export function differences(before: string, after: string): string[] {
  const a = before === '' ? [] : before.replace(/\n$/, '').split('\n')
  const b = after === '' ? [] : after.replace(/\n$/, '').split('\n')
  // How long the longest common part of what follows is, for each pair of places.
  const width = b.length + 1
  const common = new Uint32Array((a.length + 1) * width)
  const at = (i: number, j: number) => common[i * width + j] as number
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const lines: string[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length)
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++
      j++
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) lines.push(`-${a[i++]}`)
    else lines.push(`+${b[j++]}`)
  return lines
}
