/** A small file system of its own, to be filled to the brim, to be left without inodes, or to be made read-only. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '../../lib/sys/error.js'

export type DiskKind = 'ext4' | 'tmpfs'

/** Octets, and how many files it can hold. */
const size = 48 * 1024 * 1024
const inodes = 800
/** What is free when nothing is filled, in octets: enough for what a test does. */
const room = 12 * 1024 * 1024
export const blockSize = 4096

export class SmallDisk {
  readonly directory: string
  readonly #image: string | undefined
  readonly #made: string[] = []
  #stuffing: string

  private constructor(directory: string, image: string | undefined) {
    this.directory = directory
    this.#image = image
    this.#stuffing = join(directory, 'stuffing')
    mkdirSync(this.#stuffing)
    this.#leave(join(this.#stuffing, 'ballast'), room / blockSize)
  }

  /** @returns why there can be none, where mounting is not allowed */
  static make(kind: DiskKind): SmallDisk | string {
    const directory = mkdtempSync(join(tmpdir(), `postern-${kind}-`))
    // Its syncs need not wait for a real disk.
    const image =
      kind === 'ext4'
        ? join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `postern-${process.pid}.img`)
        : ''
    const failed =
      kind === 'ext4'
        ? (run(
            'mke2fs',
            '-q',
            '-F',
            '-t',
            'ext4',
            '-m',
            '0',
            '-b',
            '4096',
            '-N',
            `${inodes}`,
            image,
            '48M',
          ) ?? run('mount', '-o', 'loop', image, directory))
        : run('mount', '-t', 'tmpfs', '-o', `size=${size},nr_inodes=${inodes}`, 'tmpfs', directory)
    if (failed === undefined) return new SmallDisk(directory, image || undefined)
    rmSync(directory, { recursive: true })
    if (image) rmSync(image, { force: true })
    return `${kind} cannot be mounted: ${failed}`
  }

  /** Takes all space but so many blocks. */
  fill(blocks: number): void {
    const path = join(this.#stuffing, 'filler')
    this.#made.push(path)
    this.#leave(path, blocks)
  }

  #leave(path: string, blocks: number): void {
    const fd = openSync(path, 'w')
    try {
      let length = 0
      const { bavail, bsize } = statfsSync(this.directory)
      const most = (bavail - blocks) * bsize
      const zeros = Buffer.alloc(1024 * 1024)
      for (let piece = zeros.length; piece >= blockSize; )
        try {
          if (blocks > 1000 && length + piece > most) piece >>= 1
          else length += writeSync(fd, zeros, 0, piece)
        } catch (error) {
          if (errorCode(error) !== 'ENOSPC') throw error
          piece >>= 1
        }
      fsyncSync(fd)
      if (blocks <= 1000) ftruncateSync(fd, Math.max(0, length - blocks * blockSize))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  /** Takes all inodes but so many. */
  exhaust(left: number): void {
    const here: string[] = []
    try {
      for (let i = 0; ; i++) {
        const path = join(this.#stuffing, `${i}`)
        writeFileSync(path, '')
        here.push(path)
      }
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC') throw error
    }
    for (let i = 0; i < left; i++) unlinkSync(here.pop() as string)
    this.#made.push(...here)
  }

  /** Gives back what was taken. */
  release(): void {
    for (const path of this.#made.splice(0)) unlinkSync(path)
  }

  /** @returns why it cannot be */
  mode(mode: 'ro' | 'rw'): string | undefined {
    return run('mount', '-o', `remount,${mode}`, this.directory)
  }

  close(): void {
    run('umount', '-l', this.directory)
    rmSync(this.directory, { recursive: true, force: true })
    if (this.#image) rmSync(this.#image, { force: true })
  }
}

/** @returns what it said when it failed */
function run(command: string, ...args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  })
  return status === 0 ? undefined : (error?.message ?? stderr.trim())
}
