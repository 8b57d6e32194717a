/** A stored message as it is sent: its header, perhaps changed, and its body as it stands, never whole in memory. */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { Readable } from 'node:stream'
import { readHeader } from '../message/header.js'
import { wireSize } from '../message/wire.js'

/** Up to this many octets a message is read at once, and a header looked for at most. */
const small = 256 * 1024
const largestHeader = 4 * 1024 * 1024

export interface Content {
  /** The header as stored, its empty line included. */
  readonly header: Buffer
  /** How many servers it passed: its Received fields (RFC 5321 §6.3). */
  readonly hops: number
  /** The octets after the header. */
  body(): AsyncIterable<Buffer>
  /** The message with another header, as one buffer or as a stream. */
  with(header: Buffer): Buffer | Readable
}

/** Reads the beginning of a stored message. @throws the system's error */
export function openContent(path: string): Content {
  const { octets, whole } = readBeginning(path)
  const block = readHeader(octets)
  const header = octets.subarray(0, block.bodyStart)
  const hops = block.fields.filter(({ key }) => key === 'received').length
  return {
    header,
    hops,
    body: () => follow(Buffer.alloc(0), path, header.length),
    with: changed => {
      if (!whole) return Readable.from(follow(changed, path, header.length))
      return changed === header ? octets : Buffer.concat([changed, octets.subarray(header.length)])
    },
  }
}

/** The size on the wire of a message whose header was changed. */
export function sizeWith(wireSizeStored: number, stored: Buffer, changed: Buffer): number {
  return wireSizeStored - wireSize(stored) + wireSize(changed)
}

async function* follow(header: Buffer, path: string, from: number): AsyncGenerator<Buffer> {
  yield header
  for await (const chunk of createReadStream(path, { start: from, highWaterMark: small }))
    yield chunk as Buffer
}

/** Enough of a file to hold its header. */
function readBeginning(path: string): { octets: Buffer; whole: boolean } {
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    let octets: Buffer = Buffer.alloc(0)
    for (let room = small; ; room *= 4) {
      const more = Buffer.allocUnsafe(Math.min(room, size) - octets.length)
      const count = fill(fd, more, octets.length)
      octets =
        octets.length === 0 ? more.subarray(0, count) : Buffer.concat([octets, more.subarray(0, count)])
      if (octets.length >= size || count < more.length) return { octets, whole: true }
      if (readHeader(octets).bodyStart < octets.length || room >= largestHeader)
        return { octets, whole: false }
    }
  } finally {
    closeSync(fd)
  }
}

/** Reads until the buffer is full or the file ends. */
function fill(fd: number, buffer: Buffer, position: number): number {
  let filled = 0
  while (filled < buffer.length) {
    const count = readSync(fd, buffer, filled, buffer.length - filled, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}
