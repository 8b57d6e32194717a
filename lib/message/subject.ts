/** What a subject is about, without what replying, forwarding and mailing lists put around it (RFC 5256 §2.1, §5). */

/** Nobody tells subjects apart by what comes after so many characters. */
const longest = 4_096

export interface BaseSubject {
  readonly text: string
  /** Whether Re:, Fwd: or the like was taken away: the message answers or forwards another. */
  readonly isReply: boolean
}

const refwd = /(?:re|fwd?) *(?:\[[^[\]]*\] *)?:/iy
const blob = /\[[^[\]]*\] */y

/**
 * The base subject.
 *
 * @param subject decoded (RFC 2047) and unfolded
 */
export function baseSubject(subject: string): BaseSubject {
  // Step 1: one space for any white space.
  const text = subject.slice(0, longest).replace(/[ \t\r\n]+/g, ' ')
  const base = new Extraction(text)
  base.run()
  return { text: text.slice(base.start, base.end), isReply: base.isReply }
}

class Extraction {
  readonly #text: string
  start = 0
  end: number
  isReply = false

  constructor(text: string) {
    this.#text = text
    this.end = text.length
  }

  run(): void {
    do {
      this.#trailers()
      while (this.#leader() || this.#blobs());
    } while (this.#forwarded())
  }

  /** Step 2: `(fwd)` and space at the end. */
  #trailers(): void {
    for (;;)
      if (this.end > this.start && this.#text[this.end - 1] === ' ') this.end--
      else if (this.#ends('(fwd)')) {
        this.end -= 5
        this.isReply = true
      } else return
  }

  #ends(word: string): boolean {
    const from = this.end - word.length
    return from >= this.start && this.#text.slice(from, this.end).toLowerCase() === word
  }

  /** Step 3: space, or `Re:` and the like with what stands in brackets before it. */
  #leader(): boolean {
    if (this.start < this.end && this.#text[this.start] === ' ') {
      this.start++
      return true
    }
    let at = this.start
    for (let next = this.#match(blob, at); next > 0; next = this.#match(blob, at)) at = next
    const next = this.#match(refwd, at)
    if (next === 0) return false
    this.start = next
    this.isReply = true
    return true
  }

  /**
   * Step 4: what stands in brackets, as long as that leaves something. All of it at once: between two of them no
   * `Re:` can begin, or step 3 would have found it.
   */
  #blobs(): boolean {
    const before = this.start
    for (let next = this.#match(blob, before); next > 0 && next < this.end; next = this.#match(blob, next))
      this.start = next
    return this.start > before
  }

  /** Where a match that begins at `at` ends; 0 when there is none. */
  #match(pattern: RegExp, at: number): number {
    pattern.lastIndex = at
    const end = pattern.test(this.#text) ? pattern.lastIndex : 0
    return end <= this.end ? end : 0
  }

  /** Step 6: `[Fwd: …]` around everything. */
  #forwarded(): boolean {
    const isForwarded =
      this.end - this.start >= 6 &&
      this.#text[this.end - 1] === ']' &&
      this.#text.slice(this.start, this.start + 5).toLowerCase() === '[fwd:'
    if (!isForwarded) return false
    this.start += 5
    this.end--
    this.isReply = true
    return true
  }
}
