/** A regular expression as a small machine's program: Thompson's construction, one instruction a state. */
import { type Assertion, type CharacterSet, type Expression, parseRegex, RegexError } from './syntax.js'

export type Instruction =
  | { readonly op: 'set'; readonly has: (codePoint: number) => boolean }
  /** Goes on in two places; what `first` finds is preferred. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  /** Notes the place in the text: slot 2n where group n begins, 2n + 1 where it ends. */
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'assert'; readonly assertion: Assertion }
  | { readonly op: 'match' }

export interface Program {
  readonly instructions: readonly Instruction[]
  readonly groups: number
}

/** Every step looks at each instruction once at most: with this, a character costs at most so much. */
const mostInstructions = 5_000

/**
 * @param ignoreCase whether a-z and A-Z are the same letters
 * @throws RegexError for a pattern that is none, or that comes to too large a program
 */
export function compileRegex(pattern: string, ignoreCase: boolean): Program {
  const { expression, groups } = parseRegex(pattern)
  const builder = new Builder(ignoreCase, pattern.length)
  builder.add(expression)
  builder.push({ op: 'match' })
  return { instructions: builder.instructions, groups }
}

class Builder {
  readonly instructions: Instruction[] = []
  readonly #ignoreCase: boolean
  readonly #length: number
  /** What is asked of a character, by its set: most patterns have the same ones many times. */
  readonly #memberships = new Map<string, (codePoint: number) => boolean>()
  #added = 0

  constructor(ignoreCase: boolean, length: number) {
    this.#ignoreCase = ignoreCase
    this.#length = length
  }

  push<I extends Instruction>(instruction: I): I {
    if (this.instructions.length >= mostInstructions) throw this.#tooLarge()
    this.instructions.push(instruction)
    return instruction
  }

  add(expression: Expression): void {
    // Repeating what has no instructions makes none, and still may not go on for ever.
    if (++this.#added > mostInstructions * 4) throw this.#tooLarge()
    switch (expression.kind) {
      case 'empty':
        return
      case 'set':
        this.push({ op: 'set', has: this.#membership(expression.set) })
        return
      case 'assertion':
        this.push({ op: 'assert', assertion: expression.assertion })
        return
      case 'sequence':
        for (const part of expression.parts) this.add(part)
        return
      case 'choice':
        this.#choice(expression.parts)
        return
      case 'group':
        this.push({ op: 'save', slot: expression.index * 2 })
        this.add(expression.inner)
        this.push({ op: 'save', slot: expression.index * 2 + 1 })
        return
      case 'repeat':
        this.#repeat(expression.inner, expression.least, expression.most)
    }
  }

  #membership(set: CharacterSet): (codePoint: number) => boolean {
    const key = `${set.negated}${set.ranges}`
    const known = this.#memberships.get(key) ?? membership(set, this.#ignoreCase)
    this.#memberships.set(key, known)
    return known
  }

  #tooLarge(): RegexError {
    return new RegexError('the pattern, its repetitions written out, is too large', this.#length)
  }

  get #here(): number {
    return this.instructions.length
  }

  #choice(parts: readonly Expression[]): void {
    const jumps: { to: number }[] = []
    for (const [i, part] of parts.entries()) {
      const split =
        i < parts.length - 1 ? this.push({ op: 'split', first: this.#here + 1, second: 0 }) : undefined
      this.add(part)
      if (!split) break
      jumps.push(this.push({ op: 'jump', to: 0 }))
      split.second = this.#here
    }
    for (const jump of jumps) jump.to = this.#here
  }

  #repeat(inner: Expression, least: number, most: number): void {
    for (let i = 0; i < least; i++) this.add(inner)
    if (most === Number.POSITIVE_INFINITY) {
      const start = this.#here
      const split = this.push({ op: 'split', first: start + 1, second: 0 })
      this.add(inner)
      this.push({ op: 'jump', to: start })
      split.second = this.#here
      return
    }
    const splits: { second: number }[] = []
    for (let i = least; i < most; i++) {
      splits.push(this.push({ op: 'split', first: this.#here + 1, second: 0 }))
      this.add(inner)
    }
    for (const split of splits) split.second = this.#here
  }
}

function membership({ ranges, negated }: CharacterSet, ignoreCase: boolean): (codePoint: number) => boolean {
  const has = (code: number) => ranges.some(([first, last]) => code >= first && code <= last)
  const either = (code: number) => has(code) || (ignoreCase && has(otherCase(code)))
  const table = Array.from({ length: 128 }, (_, code) => either(code) !== negated)
  return code => (code < 128 ? (table[code] as boolean) : has(code) !== negated)
}

function otherCase(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code + 0x20
  return code >= 0x61 && code <= 0x7a ? code - 0x20 : code
}
