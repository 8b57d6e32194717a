/** One run of scripts over a message: what they see, what they have said so far, and what it may still cost. */
import type { Action, DuplicateMark } from './action.js'
import type { Comparator } from './comparator.js'
import type { Script } from './compile.js'
import type { Context, ProgramCall, ProgramResult } from './context.js'
import type { Condition, Signal, Step } from './definition.js'
import type { Version } from './message.js'
import type { PartCursor, Replacements } from './mime.js'
import { Result } from './result.js'
import type { Settings } from './settings.js'
import type { Position } from './syntax.js'

/** Something went wrong while a script ran; the message is kept and the user told. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError'
}

/** A program's answer is not here yet: the run is begun again when it is. */
export class Suspended extends Error {
  readonly answer: Promise<ProgramResult>

  constructor(answer: Promise<ProgramResult>) {
    super('waiting for a program')
    this.answer = answer
  }
}

/** What belongs to one script, and is another's under `include`. */
export interface Frame {
  readonly script: Script
  readonly variables: Map<string, string>
  matches: readonly string[]
  /** The scripts that are including each other, this one last. */
  readonly path: readonly string[]
}

export class Run {
  readonly context: Context
  readonly settings: Settings
  readonly original: Version
  message: Version
  /** The MIME part that `foreverypart` is at. */
  part: PartCursor | undefined
  /** What `replace` put in place of parts of one version of the message. */
  replaced: Replacements | undefined
  /** The message without what `enclose` wrapped it in: `redirect` sends that (RFC 5703 §6). */
  unenclosed: Version | undefined
  /** How often the header was changed. */
  edits = 0
  /** How many `foreverypart` loops are under way, those of including scripts too. */
  loops = 0
  frame: Frame
  readonly globals = new Map<string, string>()
  /** The internal variable of imap4flags. */
  flags: readonly string[]
  readonly result: Result
  readonly duplicates: DuplicateMark[] = []
  readonly notes: string[] = []
  /** Values that tests look at, as comparators fold them. */
  readonly folded = new Map<Comparator, Map<readonly string[], readonly string[]>>()
  /** Extensions that an `ihave` test found. */
  readonly had = new Set<string>()
  readonly included = new Set<string>()
  /** Where the script is. */
  at: Position = { line: 0, column: 0 }
  #work = 0
  #looked: readonly string[] | undefined
  readonly #answers: readonly ProgramResult[]
  #asked = 0

  constructor(message: Version, context: Context, first: Script, answers: readonly ProgramResult[]) {
    this.context = context
    this.settings = context.settings
    this.original = message
    this.message = message
    this.flags = context.flags ?? []
    this.result = new Result(context.settings)
    this.frame = { script: first, variables: new Map(), matches: [], path: [] }
    this.#answers = answers
  }

  get variables(): Map<string, string> {
    return this.frame.variables
  }

  execute(steps: readonly Step[]): Signal {
    for (const step of steps) {
      const signal = this.step(step)
      if (signal) return signal
    }
    return undefined
  }

  step(step: Step): Signal {
    this.at = step.at
    this.spend(10)
    this.context.trace?.({
      script: this.frame.script.name,
      line: step.at.line,
      kind: 'command',
      node: step.node,
    })
    return step.run(this)
  }

  test(condition: Condition): boolean {
    const { at, node } = condition
    this.at = at
    this.spend(10)
    const { trace } = this.context
    if (!trace) return condition.test(this)
    this.#looked = undefined
    const result = condition.test(this)
    const values = this.#looked
    this.#looked = undefined
    const seen = values ? { values } : {}
    trace({ script: this.frame.script.name, line: at.line, kind: 'test', node, result, ...seen })
    return result
  }

  /** Tells the trace what a test looks at. */
  look(values: readonly string[]): void {
    if (this.context.trace) this.#looked = values
  }

  /** Counts work. @throws ScriptError when it was too much */
  spend(units: number): void {
    this.#work += units
    if (this.#work > this.settings.maxWork) this.fail('the script took more work than one message may cost')
  }

  /** @throws ScriptError always */
  fail(message: string): never {
    throw new ScriptError(message)
  }

  /** @throws ScriptError when only an `ihave` that was not made yet brings the extension */
  needs(extension: string): void {
    if (!this.had.has(extension))
      this.fail(`"${extension}" is used before an ihave test has found that it is there`)
  }

  /** Takes an action. @returns undefined, so that a command may return it @throws ScriptError when it cannot be taken */
  take(action: Action): undefined {
    // An included script may try (RFC 6785 §3.11).
    if (this.context.imap && (action.type === 'reject' || action.type === 'vacation'))
      this.fail(`${action.type} has no place in a script that runs for what a client does`)
    const problem = this.result.add(action)
    if (problem !== undefined) this.fail(problem)
    return undefined
  }

  /** What all actions hold: the message as it is now, and the line. */
  get taken(): { readonly message: Version; readonly line: number; readonly script: string } {
    return { message: this.message, line: this.at.line, script: this.frame.script.name }
  }

  /** Notes an id for the duplicate test's memory; of two equal ones the last counts. */
  remember(mark: DuplicateMark): void {
    const i = this.duplicates.findIndex(each => each.handle === mark.handle && each.id === mark.id)
    if (i < 0) this.duplicates.push(mark)
    else this.duplicates[i] = mark
  }

  matched(index: number): string {
    return this.frame.matches[index] ?? ''
  }

  setMatches(values: readonly string[]): void {
    this.frame.matches = values
  }

  /** Sets a variable, cut to what one may hold (RFC 5229 §6). */
  setVariable(name: string, value: string, variables = this.variables): void {
    variables.set(name, cut(value, this.settings.maxVariableSize))
  }

  /** @throws Suspended when the answer has to be waited for @throws ScriptError where there are no programs */
  program(call: ProgramCall): ProgramResult {
    const known = this.#answers[this.#asked++]
    if (known) return known
    const answer = this.context.program?.(call)
    if (!answer) this.fail(`the program "${call.program}" cannot be run here`)
    if (answer instanceof Promise) throw new Suspended(answer)
    return answer
  }
}

/** As much of a text as has at most so many octets in UTF-8, never half a character. */
export function cut(text: string, octets: number): string {
  if (text.length * 3 <= octets || Buffer.byteLength(text) <= octets) return text
  const kept = Buffer.from(text).subarray(0, octets)
  const whole = kept.toString()
  // A character that was cut in two shows as a replacement at the end.
  return whole.endsWith('\ufffd') && !text.startsWith(whole) ? whole.replace(/\ufffd+$/, '') : whole
}
