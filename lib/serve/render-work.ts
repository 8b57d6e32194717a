/** Rendering messages for FETCH: reads files and makes records for the cache, on a thread or on the one that serves. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { MessageContent } from '../imap/content.js'
import { OctetWriter } from '../imap/encode.js'
import { type Rendered, render } from '../imap/render.js'
import { largestValue, recordHead, sealRecord } from '../mailbox/cache-record.js'
import { errorCode } from '../sys/error.js'

/** Messages in files, and what is wanted of each. */
export interface RenderWork {
  readonly uids: readonly number[]
  /** A Buffer for a path that is not ASCII. */
  readonly paths: readonly (string | Uint8Array)[]
  readonly rendered: readonly Rendered[]
}

/** How many numbers of {@link RenderDone.facts} are of one message. */
export const factsOfOne = 4

export interface RenderDone {
  /** Records as mailbox/cache-record.ts has them, in the order of the messages. */
  readonly records: Uint8Array<ArrayBuffer>
  /** Of each message that was read: UID, octets in the file and on the wire, the file's time in milliseconds. */
  readonly facts: Float64Array<ArrayBuffer>
  /** How many of the messages were looked at. */
  readonly count: number
}

/** Rendering ends before there is more than this and one message, in octets. */
const mostAtOnce = 2 << 20

/** What messages are rendered into; each thread has its own. */
const out = new OctetWriter(256 * 1024)

/**
 * Renders what is there; files that are not are left out.
 *
 * @param until when to stop, in milliseconds of the monotonic clock; one message is rendered at least
 */
export function renderMessages(
  { uids, paths, rendered }: RenderWork,
  until = Number.POSITIVE_INFINITY,
): RenderDone {
  const facts = new Float64Array(uids.length * factsOfOne)
  const asksTree = rendered.some(({ kind }) => kind === 'structure' || kind === 'body')
  let known = 0
  let count = 0
  for (const path of paths) {
    const uid = uids[count++]!
    const file = readFile(typeof path === 'string' ? path : Buffer.from(path))
    if (file) {
      const content = new MessageContent(file.octets)
      // The tree has the header in it, which would else be read twice.
      if (asksTree) content.scan()
      for (const one of rendered) writeRecord(uid, content, one)
      facts.set([uid, file.octets.length, content.wireSize, file.mtimeMs], known)
      known += factsOfOne
    }
    if (performance.now() > until || out.length > mostAtOnce) break
  }
  const records = new Uint8Array(out.length)
  records.set(out.view())
  out.truncate(0)
  return { records, facts: facts.slice(0, known), count }
}

function writeRecord(uid: number, content: MessageContent, rendered: Rendered): void {
  const start = out.length
  out.skip(recordHead).text(rendered.kind)
  render(out, content, rendered)
  const record = out.view(start)
  // What is too large to be kept is rendered again by who asks for it.
  if (record.length > recordHead + rendered.kind.length + largestValue) out.truncate(start)
  else sealRecord(record, uid, rendered.kind.length)
}

/** Fresh memory for each of many messages costs several times what reading them does. */
let room = Buffer.allocUnsafeSlow(256 * 1024)
/** A larger message does not stay in memory. */
const usualMessage = 4 << 20

/** A file's octets, good until the next is read; undefined when it cannot be read, which its session finds out too. */
function readFile(path: string | Buffer): { octets: Buffer; mtimeMs: number } | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const { size, mtimeMs } = fstatSync(fd)
    const octets = roomFor(size)
    let filled = 0
    while (filled < size) {
      const count = readSync(fd, octets, filled, size - filled, filled)
      if (count === 0) break
      filled += count
    }
    return { octets: octets.subarray(0, filled), mtimeMs }
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function roomFor(size: number): Buffer {
  if (size > usualMessage) return Buffer.allocUnsafe(size)
  if (size > room.length) room = Buffer.allocUnsafeSlow(Math.max(size, 2 * room.length))
  return room
}
