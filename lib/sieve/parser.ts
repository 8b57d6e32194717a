/** The grammar of RFC 5228 §8.2. A command that cannot be parsed is noted and skipped; the next one is read again. */
import { Lexer, type Token } from './lexer.js'
import type { Problems } from './problem.js'
import type { Argument, CommandNode, StringNode, TestNode } from './syntax.js'

/** How deep blocks, and tests within tests, may stand in each other (RFC 5228 §2.10.7 wants fifteen at least). */
const deepest = 32
const mostArguments = 32
/** After so many errors it is no script, and the rest is not read. */
const mostErrors = 1_000

/** Parses a whole script. What was wrong is in `problems`; commands in which something was are marked broken. */
export function parse(text: string, problems: Problems): readonly CommandNode[] {
  return new Parser(text, problems).script()
}

/** Thrown within the parser to give a command up; one for all, since a script may be full of them. */
const unparsable = new Error('unparsable')

class Parser {
  readonly #lexer: Lexer
  readonly #problems: Problems
  #token: Token

  constructor(text: string, problems: Problems) {
    this.#lexer = new Lexer(text, problems)
    this.#problems = problems
    this.#token = this.#lexer.next()
  }

  script(): readonly CommandNode[] {
    const commands: CommandNode[] = []
    for (;;) {
      commands.push(...this.#commands(0))
      if (this.#token.kind === 'end' || this.#isHopeless) return commands
      this.#problems.error(this.#token.at, 'this } closes nothing')
      this.#take()
    }
  }

  get #isHopeless(): boolean {
    return this.#problems.count >= mostErrors
  }

  #at(kind: Token['kind']): boolean {
    return this.#token.kind === kind
  }

  #take(): Token {
    const taken = this.#token
    this.#token = this.#lexer.next()
    return taken
  }

  /** The commands up to a `}` or the end. */
  #commands(depth: number): readonly CommandNode[] {
    const commands: CommandNode[] = []
    while (this.#token.kind !== '}' && this.#token.kind !== 'end' && !this.#isHopeless)
      commands.push(this.#command(depth))
    return commands
  }

  #command(depth: number): CommandNode {
    const start = this.#token
    const name = start.kind === 'identifier' ? start.text : ''
    let head: TestNode = { name, args: [], tests: [], listed: false, at: start.at }
    try {
      if (start.kind !== 'identifier') this.#fail(`expected a command, found ${describe(start)}`)
      head = this.#test(depth)
      if (this.#token.kind === '{') return this.#block(head, depth)
      if (this.#token.kind !== ';') this.#fail(this.#afterArguments(name))
      this.#take()
      return { ...head, block: undefined, broken: false }
    } catch (error) {
      if (error !== unparsable) throw error
      this.#skip()
      return { ...head, block: undefined, broken: true }
    }
  }

  #afterArguments(name: string): string {
    const found = describe(this.#token)
    const command = name === '' ? '' : ` after ${name}`
    return `expected ; or a block${command}, found ${found}`
  }

  #block(head: TestNode, depth: number): CommandNode {
    const open = this.#take()
    if (depth + 1 >= deepest) {
      this.#problems.error(open.at, `blocks may stand in each other at most ${deepest} deep`)
      this.#skipBlock()
      return { ...head, block: undefined, broken: true }
    }
    const block = this.#commands(depth + 1)
    if (this.#token.kind === '}') this.#take()
    else this.#problems.error(open.at, 'this block has no end; close it with }')
    return { ...head, block, broken: false }
  }

  /** An identifier, its arguments, and its test or tests. */
  #test(depth: number): TestNode {
    const { at, text: name } = this.#take() as Extract<Token, { text: string }>
    const args = this.#arguments()
    const token = this.#token
    if (token.kind !== 'identifier' && token.kind !== '(') return { name, args, tests: [], listed: false, at }
    if (depth + 1 >= deepest) this.#fail(`tests may stand in each other at most ${deepest} deep`)
    if (token.kind === 'identifier') return { name, args, tests: [this.#test(depth + 1)], listed: false, at }
    return { name, args, tests: this.#tests(depth + 1), listed: true, at }
  }

  #tests(depth: number): readonly TestNode[] {
    const tests: TestNode[] = []
    do {
      this.#take()
      if (this.#token.kind !== 'identifier') this.#fail(`expected a test, found ${describe(this.#token)}`)
      tests.push(this.#test(depth))
    } while (this.#at(','))
    if (!this.#at(')')) this.#fail(`expected , or ) in the list of tests, found ${describe(this.#token)}`)
    this.#take()
    return tests
  }

  #arguments(): readonly Argument[] {
    const args: Argument[] = []
    for (;;) {
      const argument = this.#argument()
      if (!argument) return args
      if (args.length >= mostArguments) this.#fail(`more than ${mostArguments} arguments`)
      args.push(argument)
    }
  }

  #argument(): Argument | undefined {
    const token = this.#token
    switch (token.kind) {
      case 'string':
      case 'number':
        this.#take()
        return token
      case 'tag':
        this.#take()
        return { kind: 'tag', name: token.text, at: token.at }
      case '[':
        return { kind: 'list', values: this.#list(), at: token.at }
      default:
        return undefined
    }
  }

  /** RFC 5228 §2.4.2.1; the grammar does not know an empty list. */
  #list(): readonly StringNode[] {
    const values: StringNode[] = []
    do {
      this.#take()
      if (this.#token.kind !== 'string')
        this.#fail(`expected a string in the list, found ${describe(this.#token)}`)
      values.push(this.#take() as StringNode)
    } while (this.#at(','))
    if (!this.#at(']')) this.#fail(`expected , or ] in the list of strings, found ${describe(this.#token)}`)
    this.#take()
    return values
  }

  #fail(message: string): never {
    // What the lexer could not read, or found without an end, it has told already.
    if (this.#token.kind !== 'garbage' && !this.#reported()) this.#problems.error(this.#token.at, message)
    throw unparsable
  }

  /** Whether something is known to be wrong at this very token. */
  #reported(): boolean {
    const last = this.#problems.errors.at(-1)
    return last?.line === this.#token.at.line && last.column === this.#token.at.column
  }

  /** Goes behind the command that was given up: its semicolon, or its block, or before the `}` around it. */
  #skip(): void {
    for (;;) {
      const { kind } = this.#token
      if (kind === 'end' || kind === '}') return
      this.#take()
      if (kind === ';') return
      if (kind === '{') return this.#skipBlock()
    }
  }

  /** Goes behind the `}` that closes the block whose `{` was taken. */
  #skipBlock(): void {
    for (let open = 1; open > 0 && !this.#at('end'); ) {
      const { kind } = this.#take()
      if (kind === '{') open++
      if (kind === '}') open--
    }
  }
}

function describe(token: Token): string {
  switch (token.kind) {
    case 'identifier':
      return `"${token.text}"`
    case 'tag':
      return `":${token.text}"`
    case 'number':
      return `the number ${token.value}`
    case 'string':
      return 'a string'
    case 'end':
      return 'the end of the script'
    case 'garbage':
      return 'something unreadable'
    default:
      return `"${token.kind}"`
  }
}
