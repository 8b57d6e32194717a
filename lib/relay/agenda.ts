/** What wants attention when: identifiers by time, the earliest first, in a heap whose old items are skipped. */
export class Agenda {
  readonly #times = new Map<string, number>()
  readonly #heap: { readonly time: number; readonly id: string }[] = []

  get size(): number {
    return this.#times.size
  }

  has(id: string): boolean {
    return this.#times.has(id)
  }

  /** Notes when an identifier wants attention, in place of what was noted before; Infinity keeps it without a time. */
  set(id: string, time: number): void {
    this.#times.set(id, time)
    if (time === Number.POSITIVE_INFINITY) return
    if (this.#heap.length > 1_000 + 2 * this.#times.size) this.#thin()
    this.#heap.push({ time, id })
    this.#up(this.#heap.length - 1)
  }

  delete(id: string): void {
    this.#times.delete(id)
  }

  ids(): IterableIterator<string> {
    return this.#times.keys()
  }

  /** The earliest time; Infinity when there is none. */
  get next(): number {
    this.#skip()
    return this.#heap[0]?.time ?? Number.POSITIVE_INFINITY
  }

  /** Takes an identifier whose time has come; it stays known, without a time. */
  take(now: number): string | undefined {
    this.#skip()
    const first = this.#heap[0]
    if (!first || first.time > now) return undefined
    this.#shift()
    this.#times.set(first.id, Number.POSITIVE_INFINITY)
    return first.id
  }

  /** Drops items that are no longer what was noted last. */
  #skip(): void {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (this.#times.get(first.id) === first.time) return
      this.#shift()
    }
  }

  /** Drops the old items from the middle too. A sorted array is a heap. */
  #thin(): void {
    const items = this.#heap.filter(({ time, id }) => this.#times.get(id) === time)
    items.sort((a, b) => a.time - b.time)
    this.#heap.splice(0, this.#heap.length, ...items)
  }

  #shift(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#down()
  }

  #up(at: number): void {
    const heap = this.#heap
    for (let i = at; i > 0; ) {
      const parent = (i - 1) >> 1
      if (heap[parent]!.time <= heap[i]!.time) return
      ;[heap[parent], heap[i]] = [heap[i]!, heap[parent]!]
      i = parent
    }
  }

  #down(): void {
    const heap = this.#heap
    for (let i = 0; ; ) {
      const left = 2 * i + 1
      const right = left + 1
      let least = i
      if (left < heap.length && heap[left]!.time < heap[least]!.time) least = left
      if (right < heap.length && heap[right]!.time < heap[least]!.time) least = right
      if (least === i) return
      ;[heap[least], heap[i]] = [heap[i]!, heap[least]!]
      i = least
    }
  }
}
