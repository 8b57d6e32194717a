/** What the actors of the model-based test share. */
import { createHash } from 'node:crypto'
import type { Ledger } from './ledger.js'
import type { Book } from './model-book.js'
import type { Copy } from './model-copy.js'
import type { Deed, SessionName } from './model-plan.js'
import type { Session } from './model-session.js'
import type { World } from './model-world.js'
import type { Uids } from './uids.js'

export interface Stage {
  readonly world: World
  readonly book: Book
  /** Makes messages, and counts what was done. */
  readonly ledger: Ledger
  /** What each server has told of UIDs. */
  readonly uids: ReadonlyMap<string, Uids>
  readonly constants: Constants
  readonly sessions: Map<SessionName, Session>
  /** What was done, in order. */
  readonly history: string[]
}

/** What never changes of a message as long as its folder has the same UIDVALIDITY, whoever tells it. */
export class Constants {
  readonly #known = new Map<string, string>()
  readonly faults: string[] = []

  /** @param what SIZE, DATE, ID, BODY … */
  tell(who: string, folder: string, validity: string, uid: number, what: string, value: string): void {
    const key = `${folder}/${validity}/${uid} ${what}`
    const known = this.#known.get(key)
    if (known === undefined) this.#known.set(key, value)
    else if (known !== value) this.faults.push(`${key} was ${known}, and ${who} says ${value}`)
  }

  idOf(folder: string, validity: string, uid: number): string | undefined {
    return this.#known.get(`${folder}/${validity}/${uid} ID`)
  }
}

export function hashOf(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex').slice(0, 16)
}

/** What went wrong in an actor's own doing, and is not for it to judge. */
export function note(stage: Stage, who: string, text: string): void {
  stage.history.push(`${performance.now().toFixed(1).padStart(10)} ${who.padEnd(8)} ${text}`)
}

export function pick<T>(list: readonly T[], number: number): T | undefined {
  return list[number % Math.max(1, list.length)]
}

/** Whether all that is done to a copy can be relied on. */
export function isReliable({ book }: Stage, copy: Copy): boolean {
  return !book.shaken.has(copy.folder)
}

/** Does deeds of one actor. */
export type Doing = (stage: Stage, deed: Deed) => Promise<void>
