/** What happened to each message while the disk was recorded, and where it may be at any moment of the record. */

interface Step {
  /** How long the log was when it was asked for, and when it was answered. */
  readonly began: number
  done: number
  /** Where the message is afterwards: `alice/INBOX`, each once; sorted. */
  readonly places: readonly string[]
  /** A removal: what is answered may be undone by the power, which loses nothing. */
  readonly isRemoval: boolean
}

export interface Tale {
  readonly id: string
  /** With LF line ends. */
  readonly text: string
  readonly steps: Step[]
}

export interface Told {
  readonly id: string
  readonly place: string
  readonly validity: string
  readonly uid: number
  readonly at: number
}

export class Story {
  readonly tales = new Map<string, Tale>()
  readonly uids: Told[] = []
  readonly #position: () => number
  #made = 0

  constructor(position: () => number) {
    this.#position = position
  }

  make(kind: string, size: number): Tale {
    const id = `${kind}-${++this.#made}`
    const text = `X-Trust: ${id}\nFrom: <sender@example.org>\nSubject: ${id}\n\n${`${id} ${'x'.repeat(60)}\n`.repeat(size)}end of ${id}\n`
    const tale = { id, text, steps: [] }
    this.tales.set(id, tale)
    return tale
  }

  /** Does something to a message. @throws what `deed` throws; it was not answered then */
  async step<T>(
    tale: Tale,
    places: readonly string[],
    deed: () => Promise<T>,
    isRemoval = false,
  ): Promise<T> {
    const step = {
      began: this.#position(),
      done: Number.POSITIVE_INFINITY,
      places: [...places].sort(),
      isRemoval,
    }
    tale.steps.push(step)
    const result = await deed()
    step.done = this.#position()
    return result
  }

  /** A server told a UID. */
  tell(place: string, validity: string, uid: number, id: string): void {
    this.uids.push({ place, validity, uid, id, at: this.#position() })
  }

  /** Answered steps by the end of the log. */
  get answered(): number {
    let sum = 0
    for (const { steps } of this.tales.values())
      for (const { done } of steps) if (Number.isFinite(done)) sum++
    return sum
  }
}

/** Where a message may be when the power goes at that length of the log: each an acceptable set of places. */
export function mayBe({ steps }: Tale, at: number): string[] {
  const may = new Set<string>()
  let last = -1
  for (const [i, step] of steps.entries()) if (step.done <= at) last = i
  if (last < 0) may.add('')
  for (let i = Math.max(last, 0); i < steps.length; i++) {
    const step = steps[i] as Step
    if (i === last || step.began <= at) may.add(step.places.join(' '))
  }
  for (let i = last; i > 0 && steps[i]?.isRemoval; i--) may.add((steps[i - 1] as Step).places.join(' '))
  return [...may]
}
