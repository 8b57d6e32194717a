/**
 * postern.columns: what sorting and threading know of a mailbox's messages, so that a new process need not read every
 * header again. Written in tmp/ and renamed, not synced: its sum tells whether it is whole, and when it is not, is of
 * another UIDVALIDITY or gone, the headers are read. In the order of this machine's octets:
 *
 *     "PSTNCOL1", 0x01020304 (4), CRC-32 of all that follows (4), UIDVALIDITY (4), number of rows (4),
 *     number of references (4), then parts, each after its length in octets (4): the columns of columns.ts by row,
 *     the references, the hashes of Message-IDs (lower halves, higher halves), and for subjects, mailboxes and names
 *     the octets of the texts, where each begins, and their order
 */
import { open, rename } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { writeAll } from '../sys/atomic.js'
import { isMissing } from '../sys/error.js'
import { Pacer } from '../sys/pacer.js'
import { Columns, columnsIn, emptyRows } from './columns.js'
import { Ids } from './ids.js'
import { Texts } from './texts.js'

const magic = 'PSTNCOL1'
const order = 0x01020304
const headSize = 28
/** How much is summed up before others run. */
const block = 1 << 20

type Part = Uint8Array | Uint32Array | Float64Array

/** Writes columns as they are at this moment. @throws the system's error; the old file stands then */
export async function writeColumns(directory: string, columns: Columns): Promise<void> {
  const octets = octetsOf(columns)
  octets.writeUInt32LE(await sumOf(octets), 12)
  const temporary = `${directory}/tmp/postern.columns`
  const file = await open(temporary, 'w', 0o600)
  try {
    await writeAll(file, octets)
  } finally {
    await file.close()
  }
  await rename(temporary, `${directory}/postern.columns`)
}

function octetsOf(columns: Columns): Buffer {
  const { count, rows, references, referenceEnd, numbers } = columns
  const { lows, highs } = numbers.data
  const pools = [columns.subjects, columns.mailboxes, columns.names].map(pool => pool.data)
  const parts: Part[] = [
    ...columnsIn(rows).map(column => column.subarray(0, count)),
    references.subarray(0, referenceEnd),
    ...[lows, highs],
    ...pools.flatMap(pool => [pool.octets, pool.starts, pool.order]),
  ]
  const octets = Buffer.alloc(parts.reduce((sum, part) => sum + 4 + part.byteLength, headSize))
  octets.write(magic, 'latin1')
  new Uint32Array(octets.buffer, octets.byteOffset + 8, 1)[0] = order
  for (const [i, number] of [columns.validity, count, referenceEnd].entries())
    octets.writeUInt32LE(number, 16 + i * 4)
  let at = headSize
  for (const part of parts) {
    octets.writeUInt32LE(part.byteLength, at)
    octets.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at + 4)
    at += 4 + part.byteLength
  }
  return octets
}

async function sumOf(octets: Buffer): Promise<number> {
  const pacer = new Pacer()
  let sum = 0
  for (let at = 16; at < octets.length; at += block) {
    sum = crc32(octets.subarray(at, at + block), sum)
    if (pacer.isOver) await pacer.rest()
  }
  return sum
}

/** Reads columns; undefined when there are none for this UIDVALIDITY, or they are not whole. */
export async function readColumns(directory: string, validity: number): Promise<Columns | undefined> {
  let octets: Buffer
  try {
    octets = await readWhole(`${directory}/postern.columns`)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  if (octets.length < headSize || octets.toString('latin1', 0, 8) !== magic) return undefined
  if (octets.readUInt32LE(16) !== validity || (await sumOf(octets)) !== octets.readUInt32LE(12))
    return undefined
  return columnsFrom(octets, validity)
}

/** In one piece: readFile() asks for half a megabyte at a time, and copies all of them in the end. */
async function readWhole(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const octets = Buffer.allocUnsafe((await file.stat()).size)
    let filled = 0
    while (filled < octets.length) {
      const { bytesRead } = await file.read(octets, filled, octets.length - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return octets.subarray(0, filled)
  } finally {
    await file.close()
  }
}

/** What is whole may still be nonsense that somebody wrote: nothing in it may lead beyond a column. */
async function columnsFrom(octets: Buffer, validity: number): Promise<Columns | undefined> {
  const pacer = new Pacer()
  const reader = new Reader(octets)
  if (reader.word(8) !== order) return undefined
  const columns = new Columns(validity)
  columns.count = octets.readUInt32LE(20)
  columns.referenceEnd = octets.readUInt32LE(24)
  if (columns.count > octets.length || columns.referenceEnd > octets.length) return undefined
  columns.rows = emptyRows(columns.count)
  columns.references = new Uint32Array(columns.referenceEnd)
  for (const column of [...columnsIn(columns.rows), columns.references]) reader.into(column)
  const [lows, highs] = [reader.words(), reader.words()]
  await pacer.rest()
  const pools: (Texts | undefined)[] = []
  for (let i = 0; i < 3; i++) {
    const data = { octets: reader.part(), starts: reader.words(), order: reader.words() }
    pools.push(await Texts.from(data, pacer))
    await pacer.rest()
  }
  const [subjects, mailboxes, names] = pools
  if (!reader.isGood || lows.length !== highs.length || !subjects || !mailboxes || !names) return undefined
  columns.numbers = Ids.from(lows, highs)
  await pacer.rest()
  Object.assign(columns, { subjects, mailboxes, names })
  return (await isSound(columns, pacer)) ? columns : undefined
}

/** Whether no number in the columns leads beyond what it stands for. */
async function isSound(columns: Columns, pacer: Pacer): Promise<boolean> {
  const { rows, references, numbers, subjects, mailboxes, names } = columns
  const { texts } = rows
  const limits: readonly [column: Uint32Array, limit: number][] = [
    [rows.ids, numbers.count + 1],
    [references, numbers.count + 1],
    [texts.subject, subjects.count],
    [texts.from, mailboxes.count],
    [texts.to, mailboxes.count],
    [texts.cc, mailboxes.count],
    [texts.displayfrom, names.count],
    [texts.displayto, names.count],
  ]
  for (const [column, limit] of limits) {
    if (!isBelow(column, limit)) return false
    if (pacer.isOver) await pacer.rest()
  }
  return areInOrder(columns)
}

// Loops of their own over one column: where a process has just begun, they are compiled many times sooner.
function isBelow(column: Uint32Array, limit: number): boolean {
  for (let at = 0; at < column.length; at++) if (column[at]! >= limit) return false
  return true
}

/** Whether UIDs rise, and references end where they all end at the latest. */
function areInOrder({ count, rows, referenceEnd }: Columns): boolean {
  const { uids, referenceStarts, referenceCounts } = rows
  for (let row = 1; row < count; row++) if (uids[row]! <= uids[row - 1]!) return false
  for (let row = 0; row < count; row++)
    if (referenceStarts[row]! + referenceCounts[row]! > referenceEnd) return false
  return true
}

/** Takes parts one after the other. */
class Reader {
  readonly #octets: Buffer
  #at = headSize
  /** Whether all parts were there, and as long as they had to be. */
  isGood = true

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  /** A number in this machine's order. */
  word(at: number): number {
    return new Uint32Array(
      this.#octets.buffer.slice(this.#octets.byteOffset + at, this.#octets.byteOffset + at + 4),
    )[0]!
  }

  part(): Buffer {
    const start = this.#at + 4
    const length = start <= this.#octets.length ? this.#octets.readUInt32LE(this.#at) : 0
    this.isGood &&= start + length <= this.#octets.length
    this.#at = start + length
    return this.#octets.subarray(start, start + length)
  }

  /** A copy, since a column must begin at a multiple of its width. */
  words(): Uint32Array {
    const part = this.part()
    const words = new Uint32Array(part.length >>> 2)
    this.isGood &&= part.length % 4 === 0
    new Uint8Array(words.buffer).set(part.subarray(0, words.byteLength))
    return words
  }

  into(column: Part): void {
    const part = this.part()
    this.isGood &&= part.length === column.byteLength
    if (this.isGood) new Uint8Array(column.buffer).set(part)
  }
}
