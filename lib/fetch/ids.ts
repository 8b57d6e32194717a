/** Where messages are by the ids that their provider gave them: Gmail's are the same in all folders. */

/** A message in a remote folder, by the memory's number of the folder. */
export interface Place {
  readonly folder: number
  readonly uid: number
}

export class Ids {
  /** By id: folder, UID, folder, UID …; flat, since there may be hundreds of thousands. */
  readonly #places = new Map<string, number[]>()

  /** How many ids there are. */
  get size(): number {
    return this.#places.size
  }

  /** Notes a place. A folder has one message with an id, the last that was noted. */
  add(id: string, { folder, uid }: Place): void {
    const places = this.#places.get(id)
    if (!places) {
      this.#places.set(id, [folder, uid])
      return
    }
    for (let i = 0; i < places.length; i += 2)
      if (places[i] === folder) {
        places[i + 1] = uid
        return
      }
    places.push(folder, uid)
  }

  /** All places of an id, the first that was noted first. */
  places(id: string): Place[] {
    const flat = this.#places.get(id) ?? []
    return flat.flatMap((folder, i) => (i % 2 === 0 ? [{ folder, uid: flat[i + 1] as number }] : []))
  }

  /** Ids of some messages of a folder, by UID. */
  idsIn(folder: number, uids: ReadonlySet<number>): Map<number, string> {
    const found = new Map<number, string>()
    for (const [id, flat] of this.#places)
      for (let i = 0; i < flat.length; i += 2)
        if (flat[i] === folder && uids.has(flat[i + 1] as number)) found.set(flat[i + 1] as number, id)
    return found
  }

  /** Everything, as the memory's file has it. */
  *rows(isKnown: (place: Place) => boolean): Generator<[id: string, folder: number, uid: number]> {
    for (const id of this.#places.keys())
      for (const place of this.places(id)) if (isKnown(place)) yield [id, place.folder, place.uid]
  }
}
