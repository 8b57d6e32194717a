/** Files that dovecot-uidlist names and the table lacks: 100,000 of them when a mailbox is read for the first time. */

import type { Pacer } from '../sys/pacer.js'

/** Up to so many positions and a UID fit into one number. */
const packed = 2 ** 21

/** Files with their UIDs; sorted by these once all are there. */
export class ListedFiles {
  #uids: number[] = []
  #names: string[] = []
  #isNew: boolean[] = []

  get count(): number {
    return this.#uids.length
  }

  add(uid: number, name: string, isNew: boolean): void {
    this.#uids.push(uid)
    this.#names.push(name)
    this.#isNew.push(isNew)
  }

  uid(at: number): number {
    return this.#uids[at]!
  }

  name(at: number): string {
    return this.#names[at]!
  }

  isNew(at: number): boolean {
    return this.#isNew[at]!
  }

  /** Whether a UID is among them, once they are sorted. */
  has(uid: number): boolean {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#uids[middle]! < uid) low = middle + 1
      else high = middle
    }
    return this.#uids[low] === uid
  }

  /** Puts them in the order of their UIDs. @returns those that have the UID of another, which stays, taken out */
  async sort(pacer: Pacer): Promise<{ name: string; isNew: boolean }[]> {
    if (pacer.isOver) await pacer.rest()
    const order = await orderOf(this.#uids, pacer)
    const [uids, names, isNew] = [this.#uids, this.#names, this.#isNew]
    const doubles: { name: string; isNew: boolean }[] = []
    this.#uids = []
    this.#names = []
    this.#isNew = []
    for (const at of order) {
      if (this.#uids.at(-1) === uids[at]) doubles.push({ name: names[at]!, isNew: isNew[at]! })
      else this.add(uids[at]!, names[at]!, isNew[at]!)
      if (pacer.isDue) await pacer.rest()
    }
    return doubles
  }
}

/** Positions in the order of the numbers that stand there, of equal ones the first first. */
async function orderOf(numbers: readonly number[], pacer: Pacer): Promise<Uint32Array> {
  if (numbers.length > packed)
    return Uint32Array.from(numbers, (_, at) => at).sort((a, b) => numbers[a]! - numbers[b]! || a - b)
  // Many times faster than with a function that compares.
  const keys = new Float64Array(numbers.length)
  for (let at = 0; at < keys.length; at++) keys[at] = numbers[at]! * packed + at
  if (pacer.isOver) await pacer.rest()
  keys.sort()
  await pacer.rest()
  const order = new Uint32Array(keys.length)
  for (let at = 0; at < keys.length; at++) order[at] = keys[at]! % packed
  return order
}
