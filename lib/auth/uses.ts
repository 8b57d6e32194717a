/** Remembers in the users file on which day an app password was used last, so that forgotten ones can be told. */
import { describe, TemporaryError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { editFile, UsersEdit } from './edit.js'
import type { Password, User } from './users.js'

export class Uses {
  readonly #file: string
  readonly #log: Log
  /** Passwords noted by this process, with the day: the file may be read again later than it was written. */
  readonly #noted = new Map<string, string>()
  #writing: Promise<void> = Promise.resolve()
  #isWritable = true

  constructor(file: string, log: Log) {
    this.#file = file
    this.#log = log
  }

  /** Notes a use, once a day; a login does not wait for it, nor fail with it. */
  note(user: User, { stored, used }: Password, now: Date): void {
    const day = now.toISOString().slice(0, 10)
    if (!this.#isWritable || used === day || this.#noted.get(stored) === day) return
    this.#noted.set(stored, day)
    this.#writing = this.#writing.then(() => this.#write(user, stored, day))
  }

  /** Resolves when all is written. */
  close(): Promise<void> {
    return this.#writing
  }

  async #write(user: User, stored: string, day: string): Promise<void> {
    try {
      await editFile(this.#file, text => {
        const edit = new UsersEdit(text, user.domain)
        edit.noteUse(user.name, stored, day)
        return edit.toString()
      })
    } catch (error) {
      // A server that may not write the file is well set up; it only cannot tell this.
      this.#isWritable = error instanceof TemporaryError
      this.#log.info('app-password-use-not-noted', { file: this.#file, reason: describe(error) })
    }
  }
}
