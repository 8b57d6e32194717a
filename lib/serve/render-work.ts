/** Rendering messages for FETCH, as it is done on a thread. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { MessageContent } from '../imap/content.js'
import { OctetWriter } from '../imap/encode.js'
import { type Rendered, render } from '../imap/render.js'
import { wireSize } from '../message/wire.js'
import { isMissing } from '../sys/error.js'

/** Messages in files, and what is wanted of each. */
export interface RenderWork {
  /** A Buffer for a path that is not ASCII. */
  readonly paths: readonly (string | Uint8Array)[]
  readonly rendered: readonly Rendered[]
}

/** What was rendered of one message. */
export interface RenderedMessage {
  /** Its place among the paths. */
  readonly at: number
  /** Octets in the file and on the wire, and the time of the file in milliseconds. */
  readonly storedSize: number
  readonly size: number
  readonly mtimeMs: number
  /** Where each thing that was rendered ends among all octets; it begins where the one before ends. */
  readonly ends: readonly number[]
}

export interface RenderDone {
  readonly messages: readonly RenderedMessage[]
  readonly octets: Uint8Array
}

/** Renders what is there; files that are not are left out. */
export function renderMessages({ paths, rendered }: RenderWork): RenderDone {
  const out = new OctetWriter()
  const messages: RenderedMessage[] = []
  for (const [at, path] of paths.entries()) {
    const file = readFile(typeof path === 'string' ? path : Buffer.from(path))
    if (!file) continue
    const { octets, mtimeMs } = file
    const content = new MessageContent(octets)
    const ends = rendered.map(one => {
      render(out, content, one)
      return out.length
    })
    messages.push({ at, storedSize: octets.length, size: wireSize(octets), mtimeMs, ends })
  }
  return { messages, octets: out.take() }
}

let room = Buffer.allocUnsafeSlow(256 * 1024)

/** A file's octets, good until the next is read. */
function readFile(path: string | Buffer): { octets: Buffer; mtimeMs: number } | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const { size, mtimeMs } = fstatSync(fd)
    if (size > room.length) room = Buffer.allocUnsafeSlow(Math.max(size, 2 * room.length))
    let filled = 0
    while (filled < size) {
      const count = readSync(fd, room, filled, size - filled, filled)
      if (count === 0) break
      filled += count
    }
    return { octets: room.subarray(0, filled), mtimeMs }
  } finally {
    closeSync(fd)
  }
}
