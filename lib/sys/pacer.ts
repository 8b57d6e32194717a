/** Long work on the one thread that all sessions share: in slices, between which the others run. */
import { setImmediate as yielding } from 'node:timers/promises'

/** Longest piece of work before others run, in milliseconds. */
export const slice = 8

/** Cuts long work into slices, between which other sessions run. */
export class Pacer {
  #until = performance.now() + slice
  #steps = 0

  /** Whether the slice is used up, for small steps: the clock is looked at now and then only. */
  get isDue(): boolean {
    return (++this.#steps & 63) === 0 && this.isOver
  }

  /** The same for steps that each may take long. */
  get isOver(): boolean {
    return performance.now() > this.#until
  }

  /** Lets others run, and begins the next slice. */
  async rest(): Promise<void> {
    await yielding()
    this.#until = performance.now() + slice
  }
}
