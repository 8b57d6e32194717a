/** Who answers whom, by Message-ID and References: steps 1 to 3 of THREAD=REFERENCES (RFC 5256 §3). */
import type { Pacer } from '../sys/pacer.js'
import { Forest } from './forest.js'
import type { Parents, Threaded } from './thread.js'

const none = 0

/** Links the messages; a message that is not there is a dummy when it is at the top and several answer it. */
export async function linkReferences(messages: Threaded, pacer: Pacer): Promise<Parents> {
  const links = new Links(messages)
  for (let position = 0; position < messages.rows.length; position++) {
    links.add(position)
    if (pacer.isDue) await pacer.rest()
  }
  return links.prune(pacer)
}

class Links {
  readonly #messages: Threaded
  readonly #forest: Forest
  /** The node of each message: the number of its Message-ID, or one of its own above all of those. */
  readonly #nodes: Uint32Array
  /** One more than the position of the message that a node is; 0 for a message that is not there. */
  readonly #positions: Uint32Array
  #lastNode: number

  constructor(messages: Threaded) {
    const { columns, rows } = messages
    this.#messages = messages
    this.#lastNode = columns.numbers.count
    this.#forest = new Forest(this.#lastNode + rows.length)
    this.#nodes = new Uint32Array(rows.length)
    this.#positions = new Uint32Array(this.#lastNode + rows.length + 1)
  }

  /** Step 1 for one message. */
  add(position: number): void {
    const { columns, rows } = this.#messages
    const row = rows[position]!
    const named = columns.rows.ids[row]!
    // Of several messages with one Message-ID the first has it, and the others one that nobody names.
    const node = named !== none && this.#positions[named] === 0 ? named : ++this.#lastNode
    this.#positions[node] = position + 1
    this.#nodes[position] = node
    const forest = this.#forest
    const start = columns.rows.referenceStarts[row]!
    let previous = none
    for (let at = start; at < start + columns.rows.referenceCounts[row]!; at++) {
      const reference = columns.references[at]!
      if (previous !== none && forest.parents[reference] === none) forest.link(reference, previous)
      previous = reference
    }
    if (forest.parents[node] === previous) return
    // What this message says of itself counts more than what others say of it.
    forest.cut(node)
    if (previous !== none) forest.link(node, previous)
  }

  /** Steps 2 and 3: what is not there goes, unless its children would be many at the top. */
  async prune(pacer: Pacer): Promise<Parents> {
    const { rows } = this.#messages
    const above = new Int32Array(rows.length)
    const tops = new Map<number, { first: number; dummy: number }>()
    let dummies = 0
    for (let position = 0; position < rows.length; position++) {
      if (pacer.isDue) await pacer.rest()
      const node = this.#anchorOf(this.#nodes[position]!)
      above[position] = -1
      if (node === none) continue
      if (this.#positions[node] !== 0) {
        above[position] = this.#positions[node]! - 1
        continue
      }
      const top = tops.get(node)
      if (!top) {
        tops.set(node, { first: position, dummy: -1 })
        continue
      }
      if (top.dummy < 0) {
        top.dummy = rows.length + dummies++
        above[top.first] = top.dummy
      }
      above[position] = top.dummy
    }
    return { above, dummies }
  }

  /**
   * The nearest node above that is a message, or else the top one; none for a node at the top. Ways over nodes that
   * are no messages are made short on the way.
   */
  #anchorOf(node: number): number {
    const { parents } = this.#forest
    let anchor = parents[node]!
    while (anchor !== none && this.#positions[anchor] === 0 && parents[anchor] !== none)
      anchor = parents[anchor]!
    for (let at = parents[node]!; at !== anchor && at !== none; ) {
      const next = parents[at]!
      parents[at] = anchor
      at = next
    }
    return anchor
  }
}
