/**
 * Runs a program over a text, all its threads in step (Thompson 1968, Pike's captures): the time is at most the length
 * of the text times the length of the program, whatever the pattern. The leftmost match is found, and of those that
 * begin there the longest, as POSIX asks; of equally long ones the one that a backtracking matcher would try first.
 */
import type { Instruction, Program } from './program.js'
import type { Assertion } from './syntax.js'

/** Offsets in the text: [start, end] of the whole match, then of each group; -1 where a group took no part. */
export type Captures = readonly number[]

/**
 * @param wanted whether the captures are: without them the first match that is seen ends the search
 * @param spend told how much was done, in instructions; may throw to end it
 */
export function matchRegex(
  program: Program,
  text: string,
  wanted: boolean,
  spend: (steps: number) => void,
): Captures | undefined {
  return new Machine(program, text, wanted).run(spend)
}

interface Thread {
  readonly pc: number
  readonly slots: readonly number[]
}

class Machine {
  readonly #instructions: readonly Instruction[]
  readonly #text: string
  readonly #wanted: boolean
  readonly #none: readonly number[]
  /** At which place an instruction was reached last: each is reached once a place. */
  readonly #reached: Int32Array
  #next: Thread[] = []
  #best: readonly number[] | undefined

  constructor({ instructions, groups }: Program, text: string, wanted: boolean) {
    this.#instructions = instructions
    this.#text = text
    this.#wanted = wanted
    this.#none = new Array<number>((groups + 1) * 2).fill(-1)
    this.#reached = new Int32Array(instructions.length).fill(-1)
  }

  run(spend: (steps: number) => void): Captures | undefined {
    let threads: Thread[] = []
    for (let at = 0; ; ) {
      this.#next = []
      for (const { pc, slots } of threads) this.#follow(pc, at, slots)
      if (!this.#best) this.#follow(0, at, this.#begin(at))
      threads = this.#next
      if (this.#best && !this.#wanted) return this.#best
      if (at >= this.#text.length || (this.#best && threads.length === 0)) return this.#best
      spend(threads.length + 1)
      const code = this.#text.codePointAt(at) as number
      threads = threads.filter(({ pc, slots }) => this.#alive(slots) && this.#takes(pc, code))
      threads = threads.map(({ pc, slots }) => ({ pc: pc + 1, slots }))
      at += code > 0xffff ? 2 : 1
    }
  }

  #begin(at: number): readonly number[] {
    if (!this.#wanted) return this.#none
    const slots = [...this.#none]
    slots[0] = at
    return slots
  }

  /** Whether a thread may still lead to a match that begins as early as the best one. */
  #alive(slots: readonly number[]): boolean {
    return !this.#best || (slots[0] as number) <= (this.#best[0] as number)
  }

  #takes(pc: number, code: number): boolean {
    const instruction = this.#instructions[pc] as Instruction
    return instruction.op === 'set' && instruction.has(code)
  }

  /** Goes on from an instruction to all that take a character, those preferred first; without recursion. */
  #follow(start: number, at: number, begun: readonly number[]): void {
    const stack: Thread[] = [{ pc: start, slots: begun }]
    for (let top = stack.pop(); top; top = stack.pop()) {
      const { pc, slots } = top
      if (this.#reached[pc] === at) continue
      this.#reached[pc] = at
      const instruction = this.#instructions[pc] as Instruction
      switch (instruction.op) {
        case 'set':
          this.#next.push(top)
          break
        case 'jump':
          stack.push({ pc: instruction.to, slots })
          break
        case 'split':
          stack.push({ pc: instruction.second, slots }, { pc: instruction.first, slots })
          break
        case 'save':
          stack.push({ pc: pc + 1, slots: this.#save(slots, instruction.slot, at) })
          break
        case 'assert':
          if (holds(instruction.assertion, this.#text, at)) stack.push({ pc: pc + 1, slots })
          break
        case 'match':
          this.#matched(slots, at)
      }
    }
  }

  #save(slots: readonly number[], slot: number, at: number): readonly number[] {
    if (!this.#wanted) return slots
    const copy = [...slots]
    copy[slot] = at
    return copy
  }

  #matched(slots: readonly number[], at: number): void {
    const best = this.#best
    if (best && ((slots[0] as number) > (best[0] as number) || at <= (best[1] as number))) return
    this.#best = this.#save(slots, 1, at)
  }
}

function holds(assertion: Assertion, text: string, at: number): boolean {
  if (assertion === 'start') return at === 0
  if (assertion === 'end') return at === text.length
  const before = isWord(text, at - 1)
  const after = isWord(text, at)
  if (assertion === 'word-start') return !before && after
  if (assertion === 'word-end') return before && !after
  return (before !== after) === (assertion === 'word-edge')
}

function isWord(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122)
  )
}
