/**
 * A disk that remembers what was written to it, in which order, and between which flushes: a file system in an image,
 * on a loop device, on a file that qemu-storage-daemon serves by FUSE and whose writes it logs (blklogwrites, the
 * format of dm-log-writes). From the log it can be made again as it would have been if the power had gone.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../support/world.js'
import type { Chance } from '../ledger.js'

const sector = 512
/** Flags of an entry of the log. */
const flush = 1
const discard = 4

export interface Write {
  /** Where the entry ends in the log: whoever saw the log at least so long saw it done. */
  readonly end: number
  readonly at: number
  /** Where its octets stand in the log. */
  readonly from: number
  readonly length: number
  readonly isFlush: boolean
}

/** What the disk did with writes after the last flush when the power went. */
export const losses = ['none lost', 'all lost', 'some lost', 'pieces lost'] as const
export type Loss = (typeof losses)[number]

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** Why there can be no such disk here; undefined if there can. */
export function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root to mount'
  for (const program of ['qemu-storage-daemon', 'mkfs.ext4', 'losetup', 'fsck.ext4'])
    try {
      run('sh', '-c', `command -v ${program}`)
    } catch {
      return `there is no ${program}`
    }
  for (const device of ['/dev/fuse', '/dev/loop-control'])
    try {
      closeSync(openSync(device, 'r+'))
    } catch {
      return `${device} cannot be used`
    }
  return undefined
}

export class Disk {
  readonly #folder: string
  #daemon: ChildProcess | undefined
  #loop = ''
  readonly mountPoint: string

  constructor(folder: string) {
    this.#folder = folder
    this.mountPoint = join(folder, 'mnt')
  }

  #file(name: string): string {
    return join(this.#folder, name)
  }

  /** Makes the file system, and records from now on. */
  async start(): Promise<void> {
    mkdirSync(this.mountPoint)
    const [image, log, device] = [this.#file('image'), this.#file('log'), this.#file('device')]
    run('truncate', '-s', '256M', image)
    run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image)
    run('cp', '--sparse=always', image, this.#file('base'))
    writeFileSync(log, '')
    writeFileSync(device, '')
    this.#daemon = spawn(
      'qemu-storage-daemon',
      [
        ...['--blockdev', `driver=file,node-name=image,filename=${image}`],
        ...['--blockdev', `driver=file,node-name=log,filename=${log}`],
        ...['--blockdev', 'driver=blklogwrites,node-name=all,file=image,log=log,log-sector-size=512'],
        ...['--export', `type=fuse,id=export,node-name=all,mountpoint=${device},writable=on`],
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    )
    await until(() => statSync(device).size > 0, 20_000)
    this.#loop = run('losetup', '-f', '--show', device)
    run('mount', '-t', 'ext4', this.#loop, this.mountPoint)
  }

  /** How long the log is now: what was promised by now must stand in it. */
  get position(): number {
    return statSync(this.#file('log')).size
  }

  /** Ends the recording. */
  async stop(): Promise<void> {
    this.#unmount()
    const daemon = this.#daemon
    if (!daemon) return
    this.#daemon = undefined
    daemon.kill('SIGTERM')
    await until(() => daemon.exitCode !== null || daemon.signalCode !== null, 20_000)
  }

  #unmount(): void {
    if (this.#loop === '') return
    try {
      run('umount', this.mountPoint)
    } finally {
      run('losetup', '-d', this.#loop)
      this.#loop = ''
    }
  }

  /** The log, in its order. */
  writes(): Write[] {
    const log = readFileSync(this.#file('log'))
    const writes: Write[] = []
    const count = Number(log.readBigUInt64LE(16))
    for (let at = sector, i = 0; i < count && at + sector <= log.length; i++) {
      const [place, sectors, flags] = [0, 8, 16].map(offset => Number(log.readBigUInt64LE(at + offset))) as [
        number,
        number,
        number,
      ]
      const length = flags & discard ? 0 : sectors * sector
      writes.push({
        at: place * sector,
        from: at + sector,
        length,
        end: at + sector + length,
        isFlush: (flags & flush) !== 0,
      })
      at += sector + length
    }
    return writes
  }

  /** Makes the disk as it was when the power went after so many writes, and mounts it. */
  cut(writes: readonly Write[], count: number, loss: Loss, chance: Chance): void {
    const image = this.#file('cut')
    run('cp', '--sparse=always', this.#file('base'), image)
    const log = readFileSync(this.#file('log'))
    const fd = openSync(image, 'r+')
    const put = ({ at, from, length }: Pick<Write, 'at' | 'from' | 'length'>) => {
      if (length > 0) writeSync(fd, log, from, length, at)
    }
    let flushed = count
    while (flushed > 0 && !writes[flushed - 1]?.isFlush) flushed--
    for (const write of writes.slice(0, flushed)) put(write)
    const open = writes.slice(flushed, count)
    if (loss === 'none lost') for (const write of open) put(write)
    if (loss === 'some lost') for (const write of open) if (chance.below(2) === 0) put(write)
    if (loss === 'pieces lost')
      for (const write of shuffled(open, chance))
        for (let done = 0; done < write.length; done += sector)
          if (chance.below(2) === 0)
            put({
              at: write.at + done,
              from: write.from + done,
              length: Math.min(sector, write.length - done),
            })
    closeSync(fd)
    this.#loop = run('losetup', '-f', '--show', image)
    run('mount', '-t', 'ext4', this.#loop, this.mountPoint)
  }

  /** Puts the disk away. @returns what fsck found, if anything */
  away(): string | undefined {
    this.#unmount()
    try {
      run('fsck.ext4', '-fn', this.#file('cut'))
      return undefined
    } catch (error) {
      return (error as { stdout?: string }).stdout ?? String(error)
    }
  }
}

function shuffled<T>(list: readonly T[], chance: Chance): T[] {
  const copy = [...list]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = chance.below(i + 1)
    ;[copy[i], copy[j]] = [copy[j] as T, copy[i] as T]
  }
  return copy
}
