/**
 * FETCH, asked past the client library, since nearly all that a provider ever sends are answers to it: they are read
 * where they come in, messages as they stand in memory. The library has the connection before and after, hears of
 * everything else meanwhile, and the gate stands in front of the socket as it always does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Answers, octetsOfAnswer } from './answers.js'
import { type Parts, type Row, readRow } from './row.js'
import type { Diversion, GatedSocket } from './transport.js'
import { suggestedWait } from './trouble.js'

/** Longest pause that a provider may ask for in the middle of a run, in milliseconds. */
export const briefly = 30_000
const retries = 3

/** The server said NO or BAD. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly responseStatus: string
  readonly responseText: string

  constructor(status: string, text: string) {
    super(text)
    this.responseStatus = status
    this.responseText = text
  }
}

export interface Question {
  /** `UID FETCH 1:* (UID)` */
  readonly command: string
  /** Whether an answer is one to this; those to nothing are news of other sessions. */
  isAnswer(row: Row): boolean
  /** Awaited before more is read. */
  take(row: Row): Promise<void> | void
  /** Another line than FETCH; the library hears of it all the same. */
  line?(text: string): void
}

/** Asks over one connection. */
export class Asker {
  readonly #socket: () => GatedSocket | undefined
  #count = 0
  #before: Promise<unknown> = Promise.resolve()

  constructor(socket: () => GatedSocket | undefined) {
    this.#socket = socket
  }

  /**
   * @throws Refusal, or what broke the connection; what `take` throws, with the rest of the answers unread: they are
   * passed over before the next question
   */
  async ask(question: Question): Promise<void> {
    for (let attempt = 0; ; attempt++)
      try {
        return await this.#askOnce(question)
      } catch (error) {
        const wait = error instanceof Refusal ? suggestedWait(error.responseText) : 0
        if (wait === 0 || wait > briefly || attempt === retries) throw error
        await delay(wait)
      }
  }

  async #askOnce(question: Question): Promise<void> {
    await this.#before
    const socket = this.#socket()
    if (!socket || socket.destroyed) throw new Error('the connection is closed')
    const asking = new Asking(socket, `P${++this.#count}`, question)
    this.#before = asking.over
    await asking.answered
  }
}

/** A question that is under way. */
class Asking implements Diversion {
  /** Kept when all that was asked for has been taken. */
  readonly answered: Promise<void>
  /** Kept when the server has nothing more to say to it. */
  readonly over: Promise<void>
  readonly #socket: GatedSocket
  readonly #tag: string
  readonly #question: Question
  readonly #answers = new Answers(parts => this.#read(parts))
  #rows: Row[] = []
  /** What the server said at the end. */
  #end: { readonly status: string; readonly text: string } | undefined
  #failed = false
  #taking: Promise<void> | undefined
  #resolve: () => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #finish: () => void = () => {}

  constructor(socket: GatedSocket, tag: string, question: Question) {
    this.#socket = socket
    this.#tag = `${tag} `
    this.#question = question
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.over = new Promise(resolve => {
      this.#finish = resolve
    })
    socket.divert(this)
    socket.write(`${tag} ${question.command}\r\n`)
  }

  push(chunk: Buffer): Promise<void> | undefined {
    const rest = this.#answers.push(chunk)
    if (this.#end) {
      this.#socket.divert(undefined)
      if (rest.length > 0) this.#socket.give(rest)
    }
    if (this.#rows.length === 0) {
      this.#settle()
      return undefined
    }
    this.#taking = this.#takeAll().finally(() => {
      this.#taking = undefined
      this.#settle()
    })
    return this.#taking
  }

  closed(error: Error): void {
    // What has come is taken first, so that nobody takes anything any more when this fails.
    const fail = () => {
      this.#reject(error)
      this.#finish()
    }
    if (this.#taking) void this.#taking.then(fail)
    else fail()
  }

  /** @returns whether the end has not come yet */
  #read(parts: Parts): boolean {
    const [text] = parts as [string]
    if (text.startsWith(this.#tag)) {
      const [, status = '', said = ''] = /^\S+ +(\S*) *(.*)$/.exec(text) ?? []
      this.#end = { status: status.toUpperCase(), text: said }
      return false
    }
    const row = readRow(parts)
    if (row && this.#question.isAnswer(row)) {
      if (!this.#failed) this.#rows.push(row)
    } else {
      if (!row) this.#question.line?.(text)
      // The library waits for no answer that has octets in it.
      if (parts.length === 1) this.#socket.give(octetsOfAnswer(parts))
    }
    return true
  }

  async #takeAll(): Promise<void> {
    const rows = this.#rows
    this.#rows = []
    try {
      for (const row of rows) {
        const taking = this.#question.take(row)
        if (taking) await taking
      }
    } catch (error) {
      this.#failed = true
      this.#reject(error)
    }
  }

  #settle(): void {
    if (!this.#end) return
    const { status, text } = this.#end
    if (status === 'OK') this.#resolve()
    else this.#reject(new Refusal(status, text))
    this.#finish()
  }
}
