/** What is wrong with a script, said so that its author can mend it. */
import type { Position } from './syntax.js'

export interface Problem extends Position {
  /** The script's name, where it is known. */
  readonly script: string
  readonly message: string
}

/** How many problems of one script are told; after that more only hide the first. */
const most = 50

/** The errors and warnings found while a script is read; reading goes on after each. */
export class Problems {
  readonly script: string
  readonly errors: Problem[] = []
  readonly warnings: Problem[] = []

  constructor(script: string) {
    this.script = script
  }

  /** How many errors there are, those that are not told counted. */
  count = 0

  error(at: Position, message: string): void {
    this.count++
    if (this.errors.length < most) this.errors.push(this.#problem(at, message))
  }

  warning(at: Position, message: string): void {
    if (this.warnings.length < most) this.warnings.push(this.#problem(at, message))
  }

  /** In the order of the script, whichever pass found them. */
  sort(): void {
    const order = (a: Problem, b: Problem) => a.line - b.line || a.column - b.column
    this.errors.sort(order)
    this.warnings.sort(order)
  }

  #problem({ line, column }: Position, message: string): Problem {
    return { script: this.script, line, column, message }
  }
}

/** One line for people: `spam: line 3, column 7: …`. */
export function formatProblem({ script, line, column, message }: Problem): string {
  return line > 0 ? `${script}: line ${line}, column ${column}: ${message}` : `${script}: ${message}`
}
