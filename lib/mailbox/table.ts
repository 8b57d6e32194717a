/**
 * What a mailbox holds, as columns in memory, sorted by UID. Rows are only added at the end; removing rows makes new
 * columns, so that a session which still counts the old messages keeps the old UIDs without a copy of its own.
 */

/** A size that is not known yet. */
export const unknownSize = 0xffff_ffff

/** Columns of equal length, sorted by UID. */
export interface Columns {
  readonly uids: Uint32Array<ArrayBuffer>
  readonly masks: Int32Array<ArrayBuffer>
  readonly modseqs: Float64Array<ArrayBuffer>
  readonly dates: Float64Array<ArrayBuffer>
  readonly sizes: Uint32Array<ArrayBuffer>
  readonly storedSizes: Uint32Array<ArrayBuffer>
  readonly inNew: Uint8Array<ArrayBuffer>
  readonly names: string[]
}

/** The columns of a mailbox. `row` is a position in all of them; it is good until the next change of the table. */
export class Table {
  /** Rows in use. */
  count = 0
  /** Grows with every removal: rows and sequence numbers have moved. */
  epoch = 0
  uids = new Uint32Array(16)
  /** System flags and keyword letters, as maildir/name.ts has them. */
  masks = new Int32Array(16)
  modseqs = new Float64Array(16)
  /** When the flags last changed, in ticks of the mailbox's change log. */
  ticks = new Float64Array(16)
  /** Octets on the wire, or {@link unknownSize}. */
  sizes = new Uint32Array(16)
  /** Octets on disk, or {@link unknownSize}. */
  storedSizes = new Uint32Array(16)
  /** Modification times, which are internal dates, in milliseconds; NaN where not known yet. */
  dates = new Float64Array(16)
  /** 1 for a file in new/, 0 for one in cur/. */
  inNew = new Uint8Array(16)
  /** File names, latin1. */
  names: string[] = []
  /** Keywords that have no letter, by UID; names as first written, sorted. */
  readonly extras = new Map<number, readonly string[]>()

  /** The row of a UID, or -1. */
  find(uid: number): number {
    let low = 0
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = this.uids[middle]!
      if (found === uid) return middle
      if (found < uid) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /** The highest UID, or 0. */
  get lastUid(): number {
    return this.count === 0 ? 0 : this.uids[this.count - 1]!
  }

  /** Adds a message whose UID is above all others. @returns its row */
  push(uid: number, name: string, inNew: boolean, mask: number, modseq: number, tick: number): number {
    if (uid <= this.lastUid) throw new RangeError(`UID ${uid} is not above ${this.lastUid}`)
    if (this.count === this.uids.length) this.#resize(Math.max(16, this.count * 2))
    const row = this.count++
    this.uids[row] = uid
    this.masks[row] = mask
    this.modseqs[row] = modseq
    this.ticks[row] = tick
    this.sizes[row] = unknownSize
    this.storedSizes[row] = unknownSize
    this.dates[row] = Number.NaN
    this.inNew[row] = inNew ? 1 : 0
    this.names[row] = name
    return row
  }

  #resize(length: number): void {
    this.uids = grown(this.uids, new Uint32Array(length))
    this.masks = grown(this.masks, new Int32Array(length))
    this.modseqs = grown(this.modseqs, new Float64Array(length))
    this.ticks = grown(this.ticks, new Float64Array(length))
    this.sizes = grown(this.sizes, new Uint32Array(length))
    this.storedSizes = grown(this.storedSizes, new Uint32Array(length))
    this.dates = grown(this.dates, new Float64Array(length))
    this.inNew = grown(this.inNew, new Uint8Array(length))
  }

  /** Takes rows out. @param rows ascending */
  remove(rows: readonly number[]): void {
    if (rows.length === 0) return
    for (const row of rows) this.extras.delete(this.uids[row]!)
    const old = this.count
    // A new array: sessions go on reading the old one.
    this.uids = this.uids.slice()
    for (const column of [
      this.uids,
      this.masks,
      this.modseqs,
      this.ticks,
      this.sizes,
      this.storedSizes,
      this.dates,
      this.inNew,
      this.names,
    ])
      squeeze(column, rows, old)
    this.count = old - rows.length
    this.names.length = this.count
    this.epoch++
  }

  /** Takes over columns; all rows are as old as can be to change logs. */
  load(columns: Columns): void {
    this.count = columns.uids.length
    this.uids = columns.uids
    this.masks = columns.masks
    this.modseqs = columns.modseqs
    this.ticks = new Float64Array(this.count)
    this.sizes = columns.sizes
    this.storedSizes = columns.storedSizes
    this.dates = columns.dates
    this.inNew = columns.inNew
    this.names = columns.names
    this.epoch++
  }

  /** Forgets everything: another mailbox stands under this name now. */
  clear(): void {
    this.uids = new Uint32Array(16)
    this.count = 0
    this.names = []
    this.extras.clear()
    this.#resize(16)
    this.epoch++
  }
}

function grown<T extends { set(from: T): void; subarray(start: number, end: number): T; length: number }>(
  from: T,
  to: T,
): T {
  to.set(from.subarray(0, Math.min(from.length, to.length)))
  return to
}

/** Closes the gaps that rows leave in a column. */
function squeeze(column: { [index: number]: unknown }, rows: readonly number[], count: number): void {
  let to = rows[0]!
  let next = 0
  for (let from = to; from < count; from++) {
    if (from === rows[next]) next++
    else column[to++] = column[from]
  }
}
