/** Every UID that anybody was ever told: it stands for the same message for ever, and none is given twice. */

interface Known {
  validity: string
  next: number
  highest: bigint
  readonly messages: Map<number, string>
}

export class Uids {
  readonly #folders = new Map<string, Known>()
  readonly faults: string[] = []

  /** A UID as an answer or a listing told it. */
  tell(folder: string, validity: string, uid: number, id: string): void {
    const known = this.#known(folder, validity)
    const before = known.messages.get(uid)
    if (before !== undefined && before !== id)
      this.faults.push(`${folder}: UID ${uid} was ${before} and is ${id}`)
    known.messages.set(uid, id)
  }

  idOf(folder: string, uid: number): string | undefined {
    return this.#folders.get(folder)?.messages.get(uid)
  }

  /** All that a folder holds now. What is below the UIDNEXT of the last time must have been known then. */
  survey(
    folder: string,
    told: { validity: string; next: number; highest: bigint },
    messages: ReadonlyMap<number, string>,
  ): void {
    const known = this.#known(folder, told.validity)
    if (told.next < known.next) this.faults.push(`${folder}: UIDNEXT fell from ${known.next} to ${told.next}`)
    if (told.highest < known.highest)
      this.faults.push(`${folder}: HIGHESTMODSEQ fell from ${known.highest} to ${told.highest}`)
    for (const [uid, id] of messages) {
      if (uid < known.next && !known.messages.has(uid))
        this.faults.push(`${folder}: UID ${uid} of ${id} is below UIDNEXT ${known.next} of the last look`)
      if (uid >= told.next) this.faults.push(`${folder}: UID ${uid} is not below UIDNEXT ${told.next}`)
      this.tell(folder, told.validity, uid, id)
    }
    known.next = told.next
    known.highest = told.highest
  }

  #known(folder: string, validity: string): Known {
    const known = this.#folders.get(folder) ?? { validity, next: 0, highest: 0n, messages: new Map() }
    this.#folders.set(folder, known)
    if (known.validity !== validity) {
      this.faults.push(`${folder}: UIDVALIDITY was ${known.validity} and is ${validity}`)
      known.validity = validity
    }
    return known
  }
}
