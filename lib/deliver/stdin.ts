/** One message from a file descriptor into a Maildir, for mail-deliver: short, and quick to start. */
import { readSync } from 'node:fs'
import { type Head, HeadReader } from '../message/head.js'
import { errorCode, exits, MailError, TemporaryError } from '../sys/error.js'
import { intoFolder, LocalDelivery, type LocalEnvelope } from './deliver.js'

const blockSize = 65_536

/**
 * Delivers what can be read.
 *
 * @param folder instead of the INBOX
 * @param fd where the message is read; standard input unless told
 * @throws MailError (66) where there is nothing to read, TemporaryError when reading or writing fails; nothing is
 *   left behind then
 */
export async function deliverStdin(envelope: LocalEnvelope, folder = 'INBOX', fd = 0): Promise<void> {
  const place = intoFolder(folder)
  const head = readHead(fd)
  const delivery = await LocalDelivery.begin(envelope, head, place)
  try {
    // A Return-Path in the header is another's when the caller names the sender.
    const isStale = (key: string) => key === 'return-path' && envelope.sender !== undefined
    for (const octets of head.rewrite('', field => isStale(field.key))) await delivery.write(octets)
    for (let block = read(fd); block; block = read(fd)) await delivery.write(block)
    await delivery.commit()
  } catch (error) {
    await delivery.abort()
    throw error
  }
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
