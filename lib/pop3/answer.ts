/**
 * Whole answers to RETR: the first line, the text as it goes on the wire, and the final dot, made in one piece of memory
 * that is used again for other messages. Fresh memory for each message costs more than reading and encoding it.
 *
 * A client that asks for one message after the other finds the next one made already: while it takes one, the next is
 * read and encoded. A session keeps no more than one so, and the process no more than a few.
 */
import { encodeInPlace } from '../wire/dot.js'
import type { Maildrop } from './session.js'

/** Octets of a room; a message that does not fit into one is sent in slices. */
const roomSize = 192 * 1024
/** Rooms that are kept for later, and sessions that may have one read ahead. */
const keptRooms = 16
const mostAhead = 64
/** Dots that may be added to a message before its room is too small for it. */
const spareDots = 512
/** For the first line, and for the end. */
const margin = 64

const rooms: Buffer[] = []
let aheadCount = 0

/** An answer as it goes on the wire. The memory is to be given back after use. */
export interface Answer {
  readonly octets: Buffer
  giveBack(): void
}

/**
 * Reads a message and makes the answer to RETR of it.
 *
 * @returns the answer; or the stored octets, of a message that is too large for one piece; undefined when it is gone
 * @throws what the disk says
 */
export function makeAnswer(maildrop: Maildrop, index: number): Answer | Buffer | undefined {
  const size = maildrop.size(index)
  if (size > roomSize) return maildrop.read(index)
  const room = rooms.pop() ?? Buffer.allocUnsafeSlow(roomSize)
  const giveBack = () => {
    if (rooms.length < keptRooms) rooms.push(room)
  }
  const start = room.write(`+OK ${size} octets\r\n`, 'latin1')
  let from = -1
  let stored: Buffer | undefined
  try {
    stored = maildrop.read(index, storedSize => {
      const gap = Math.max(0, size - storedSize) + spareDots
      if (start + gap + storedSize + margin > roomSize) return Buffer.allocUnsafe(storedSize)
      from = start + gap
      return room.subarray(from, from + storedSize)
    })
  } catch (error) {
    giveBack()
    throw error
  }
  const end = stored && from >= 0 ? encodeInPlace(room, start, from, from + stored.length) : -1
  if (end >= 0) return { octets: room.subarray(0, end), giveBack }
  giveBack()
  // The sizes in its name may lie, and so many lines may begin with a dot, that it did not fit: it is read once more.
  return stored && (from < 0 ? stored : maildrop.read(index))
}

/** The message that a session's client is likely to ask for next. */
export class Ahead {
  readonly #maildrop: Maildrop
  #index = -1
  #answer: Answer | undefined

  constructor(maildrop: Maildrop) {
    this.#maildrop = maildrop
  }

  /** The answer for this message, where it is made, and the message is still there. */
  take(index: number): Answer | undefined {
    const answer = this.#answer
    if (index === this.#index && answer && this.#maildrop.has(index)) {
      this.#answer = undefined
      aheadCount--
      return answer
    }
    this.drop()
    return undefined
  }

  /** Makes the answer for this message; not for a large one, and not where many are made already. */
  make(index: number): void {
    this.drop()
    if (aheadCount >= mostAhead || this.#maildrop.size(index) > roomSize) return
    try {
      const answer = makeAnswer(this.#maildrop, index)
      if (!answer || Buffer.isBuffer(answer)) return
      this.#answer = answer
      this.#index = index
      aheadCount++
    } catch {
      // Who asks for it is told.
    }
  }

  drop(): void {
    if (!this.#answer) return
    this.#answer.giveBack()
    this.#answer = undefined
    aheadCount--
  }
}
