/** One message from a file descriptor to where it goes, for mail-deliver: short, and quick to start. */
import { readSync } from 'node:fs'
import { type Head, HeadReader } from '../message/head.js'
import { workAlone } from '../sys/atomic.js'
import { errorCode, exits, MailError, TemporaryError } from '../sys/error.js'

const blockSize = 65_536

/** What takes the message: local delivery, the queue. */
export interface Sink {
  write(octets: Buffer): Promise<void>
  commit(): Promise<unknown>
  /** Leaves nothing behind. */
  abort(): Promise<void>
}

/**
 * Passes on what can be read.
 *
 * @param sender undefined where nobody told; a Return-Path in the header is another's where somebody did
 * @param open called with the header, once it is there
 * @param fd where the message is read; standard input unless told
 * @throws MailError (66) where there is nothing to read, TemporaryError when reading or writing fails; nothing is
 *   left behind then
 */
export async function deliverStdin(
  sender: string | undefined,
  open: (head: Head) => Promise<readonly Sink[]>,
  fd = 0,
): Promise<void> {
  workAlone()
  const head = readHead(fd)
  const sinks = await open(head)
  const write = async (octets: Buffer) => {
    for (const sink of sinks) await sink.write(octets)
  }
  try {
    const isStale = (key: string) => key === 'return-path' && sender !== undefined
    for (const octets of head.rewrite('', field => isStale(field.key))) await write(octets)
    for (let block = read(fd); block; block = read(fd)) await write(block)
    for (const sink of sinks) await sink.commit()
  } catch (error) {
    for (const sink of sinks) await sink.abort()
    throw error
  }
}

/** The whole message at once. @throws as {@link deliverStdin} */
export function readMessage(fd = 0): { readonly head: Head; readonly octets: Buffer } {
  const head = readHead(fd)
  const blocks = [...head.rewrite('')]
  for (let block = read(fd); block; block = read(fd)) blocks.push(block)
  return { head, octets: Buffer.concat(blocks) }
}

function readHead(fd: number): Head {
  const reader = new HeadReader()
  for (let block = read(fd); block; block = read(fd)) {
    const head = reader.push(block)
    if (head) return head
  }
  const head = reader.end()
  if (head.octets.length > 0) return head
  throw new MailError('there is no message on standard input', { exit: exits.noInput })
}

/** @returns undefined at the end of the input */
function read(fd: number): Buffer | undefined {
  const block = Buffer.allocUnsafe(blockSize)
  for (;;)
    try {
      const length = readSync(fd, block)
      return length === 0 ? undefined : block.subarray(0, length)
    } catch (error) {
      const code = errorCode(error)
      if (code === 'EOF') return undefined
      if (code !== 'EAGAIN') throw new TemporaryError('cannot read the message', { cause: error })
      // A pipe that somebody made non-blocking: there is nothing else to do meanwhile.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
}
