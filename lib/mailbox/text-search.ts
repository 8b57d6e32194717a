/**
 * BODY and TEXT of SEARCH: asks the thread that keeps postern.text (text-file.ts). The texts of a mailbox are read when
 * somebody first searches it; what comes later is read when nobody is waiting.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { describe } from '../sys/error.js'
import { Threads } from '../sys/threads.js'
import type { State } from './state.js'
import type { Finds, Needle } from './text-file.js'
import type { TextSource, TextWork } from './text-work.js'

/** How many messages are looked through, or read, before searches of others get their turn. */
const foundAtOnce = 25_000
const readAtOnce = 500
/** How long a mailbox must be left alone before texts are read that nobody asked for, in milliseconds. */
const quiet = 20_000

/** Threads for all mailboxes: to read messages for the first time is slow. */
const atOnce = Math.min(2, availableParallelism())
const thread = new Threads<TextWork, Finds>('mailbox', atOnce)

/** A text to look for. */
export interface TextQuestion {
  /** Folded; not empty. */
  readonly value: string
  /** Whether the header is looked through too: TEXT, not BODY. */
  readonly header: boolean
}

/** What was found. */
export interface TextAnswers {
  /** By question: UIDs of messages that hold the text. */
  readonly found: readonly Set<number>[]
  /** UIDs of messages that could not be read: they moved, or are gone. */
  readonly missing: Set<number>
}

/** The texts of one mailbox. */
export class TextSearch {
  readonly #state: State
  /** Whether the thread knows the mailbox. */
  #isUsed = false
  /** Whether new messages are read. */
  #isFollowing = false
  #timer: NodeJS.Timeout | undefined
  /** No message above this UID was read. */
  #filledTo = 0

  constructor(state: State) {
    this.#state = state
  }

  get #path(): string {
    return `${this.#state.directory}/postern.text`
  }

  /** Finds the messages that hold texts. What is not in postern.text yet is read, and kept there. */
  async find(questions: readonly TextQuestion[], uids: Uint32Array): Promise<TextAnswers> {
    const found = questions.map(() => new Set<number>())
    const needles = questions.map(({ value, header }) => ({ octets: Buffer.from(value), header }))
    const take = (finds: Finds) => {
      for (const [i, some] of finds.found.entries()) for (const uid of some) found[i]!.add(uid)
    }
    const missing = new Set(await this.#run(needles, uids, take))
    this.follow()
    return { found, missing }
  }

  /** From now on new messages are read when nobody is waiting, if anybody ever searched the mailbox. */
  follow(): void {
    if (this.#isFollowing || !existsSync(this.#path)) return
    this.#isFollowing = true
    this.#state.listeners.add(this.#later)
    this.#later()
  }

  readonly #later = () => {
    if (this.#state.table.lastUid <= this.#filledTo || this.#state.isGone) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#fill(), quiet).unref()
  }

  async #fill(): Promise<void> {
    const { table, isGone, log, name } = this.#state
    // Removed to be rid of it: it is made anew when somebody searches.
    if (isGone || !existsSync(this.#path)) return
    const last = table.lastUid
    const uids = table.uids.slice(0, table.count).filter(uid => uid > this.#filledTo)
    this.#filledTo = last
    try {
      await this.#run([], uids, () => {})
    } catch (error) {
      log.warning('texts-not-read', { mailbox: name, error: describe(error) })
    }
  }

  /** @returns UIDs of messages whose files were not there */
  async #run(needles: Needle[], uids: Uint32Array, take: (finds: Finds) => void): Promise<number[]> {
    const where = { directory: this.#state.directory, validity: this.#state.list.validity }
    const unread: number[] = []
    const missing: number[] = []
    this.#isUsed = true
    for (let at = 0; at < uids.length; at += foundAtOnce) {
      const some = uids.slice(at, at + foundAtOnce)
      const finds = await thread.run({ ...where, kind: 'find', needles, uids: some })
      take(finds)
      for (const uid of finds.missing) unread.push(uid)
    }
    let at = 0
    const readOn = async () => {
      while (at < unread.length) {
        const messages = this.#sourcesOf(unread.slice(at, at + readAtOnce))
        at += readAtOnce
        const finds = await thread.run({ ...where, kind: 'read', needles, messages })
        take(finds)
        for (const uid of finds.missing) missing.push(uid)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, readOn))
    return missing
  }

  /** Where the messages that are there have their files. */
  #sourcesOf(uids: readonly number[]): TextSource[] {
    const { table } = this.#state
    return uids.flatMap(uid => {
      const row = table.find(uid)
      return row < 0 ? [] : [{ uid, folder: table.inNew[row] ? 'new' : 'cur', name: table.names[row]! }]
    })
  }

  /** Drops the texts of messages that are gone, where they are many. */
  async clean(): Promise<void> {
    if (!this.#isUsed) return
    const { table, directory, list, log, name } = this.#state
    const uids = table.uids.slice(0, table.count)
    try {
      await thread.run({ kind: 'clean', directory, validity: list.validity, uids })
    } catch (error) {
      log.warning('texts-not-cleaned', { mailbox: name, error: describe(error) })
    }
  }

  /** Lets go of the file. */
  close(): void {
    const { directory, list, listeners } = this.#state
    clearTimeout(this.#timer)
    listeners.delete(this.#later)
    this.#isFollowing = false
    if (!this.#isUsed) return
    this.#isUsed = false
    thread.run({ kind: 'close', directory, validity: list.validity }).catch(() => {})
  }
}
