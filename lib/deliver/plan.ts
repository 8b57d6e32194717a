/** What is to be done with a message for one recipient: prepared whole, then done, or undone without a trace. */
import { unlinkSync } from 'node:fs'
import type { Delivered, Delivery, Target } from '../maildir/maildir.js'
import { describe } from '../sys/error.js'

/** A message of ours that goes out: all of it is written, and it is sent by commit(). */
export interface OutgoingDraft {
  commit(): Promise<unknown>
  /** Leaves nothing, also after a commit() that threw. */
  abort(): Promise<void>
}

/** A message that scripts changed or made, on its way into a folder. */
export interface Copy {
  readonly delivery: Delivery
  readonly target: Target
}

export class Plan {
  /** Where the message goes as it is. */
  readonly targets: Target[] = []
  readonly copies: Copy[] = []
  /** Those that are not sent yet. */
  readonly drafts: OutgoingDraft[] = []
  /** What is done for the recipient, for the log: `stored INBOX`, `redirected a@x`. */
  readonly steps: string[] = []
  /** To be done when all is done. A failure of it changes nothing any more. */
  readonly finish: (() => Promise<void> | void)[] = []
  /** To be done whatever came of it: locks are let go. */
  readonly release: (() => void)[] = []
  readonly #done: Delivered[] = []

  /** Puts what scripts made where it goes, and sends what goes out. @throws MailError; undo() takes it back */
  async commit(): Promise<void> {
    for (const { delivery, target } of this.copies) this.#done.push(...(await delivery.commit([target])))
    for (let draft = this.drafts[0]; draft; draft = this.drafts[0]) {
      await draft.commit()
      this.drafts.shift()
    }
  }

  /** Takes everything back, as far as it was done. What was sent is sent. */
  async undo(): Promise<void> {
    removeDelivered(this.#done)
    for (const { delivery } of this.copies) await delivery.abort()
    for (const draft of this.drafts) await draft.abort()
    for (const release of this.release.splice(0)) release()
  }

  /** After everything was done. Never throws: the message is delivered, and must not be sent again. */
  async end(): Promise<void> {
    for (const step of this.finish)
      try {
        await step()
      } catch (error) {
        this.steps.push(`not noted: ${describe(error)}`)
      }
    for (const release of this.release.splice(0)) release()
  }
}

/** Removes files again. */
export function removeDelivered(files: readonly Delivered[]): void {
  for (const { maildir, folder, name } of files)
    try {
      unlinkSync(`${maildir}/${folder}/${name}`)
    } catch {
      // Somebody has read and moved it already: it stays where it is.
    }
}
