/** How far a long command has come (RFC 9585): told every ten seconds, so that no client takes us for dead. */
import type { Call } from './command.js'
import { quote } from './encode.js'
import type { Session } from './session.js'

/** How often it is told, in milliseconds (§4: every 10 to 15 seconds). */
const every = 10_000

/**
 * Commands that can take long and write nothing on the way but whole lines: something else may be written between.
 * FETCH tells how far it has come by its answers.
 */
const slow: ReadonlySet<string> = new Set([
  ...['SEARCH', 'SORT', 'THREAD', 'COPY', 'MOVE', 'STORE', 'EXPUNGE'],
  ...['SELECT', 'EXAMINE', 'STATUS', 'DELETE', 'RENAME'],
])

/** Tells of one command until it is stopped. */
export class Progress {
  readonly #session: Session
  readonly #tag: string
  readonly #timer: NodeJS.Timeout
  #done = 0
  #goal = 0

  /** @returns undefined for a command that needs none */
  static begin(session: Session, { name, tag }: Call): Progress | undefined {
    return slow.has(name.replace(/^UID /, '')) ? new Progress(session, tag) : undefined
  }

  private constructor(session: Session, tag: string) {
    this.#session = session
    this.#tag = tag
    this.#timer = setInterval(() => this.#tell(), session.options.progressEvery ?? every)
  }

  /** So much of the work is done. What begins anew, or ends, says nothing (§4: progress never goes back). */
  note(done: number, goal: number): void {
    if (goal === this.#goal && done <= this.#done) return
    this.#done = done
    this.#goal = goal
  }

  #tell(): void {
    const { connection } = this.#session
    if (connection.ended) return
    const isKnown = this.#goal > 0 && this.#done < this.#goal
    const share = isKnown ? `${this.#done} ${this.#goal}` : 'NIL NIL'
    this.#session.note(`INPROGRESS (${quote(this.#tag)} ${share})`, 'Still working.')
    connection.flush()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
