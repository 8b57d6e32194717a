/** One use of a command or test, its arguments told apart: which tags were given, and what stands in which place. */

import type { Action } from './action.js'
import type {
  CommandDefinition,
  Condition,
  Definition,
  Given,
  Parameter,
  Step,
  Tag,
  TestDefinition,
} from './definition.js'
import type { Run } from './run.js'
import type { Scope } from './scope.js'
import type { Argument, CommandNode, Position, TagNode, TestNode } from './syntax.js'
import { compileTexts, type Text, type Texts } from './text.js'

/** What a `compile` function sees of a command or test in the script. */
export class Call {
  readonly node: TestNode
  readonly at: Position
  readonly given: ReadonlyMap<string, Given>
  readonly #placed: ReadonlyMap<string, Texts | number>
  /** The tests in it, compiled. */
  readonly conditions: readonly Condition[]
  /** Compiles the block behind it; to be called once, and not at all for a block that never runs. */
  readonly compileBlock: () => readonly Step[]

  constructor(
    node: TestNode,
    given: ReadonlyMap<string, Given>,
    placed: ReadonlyMap<string, Texts | number>,
    conditions: readonly Condition[],
    compileBlock: () => readonly Step[],
  ) {
    this.node = node
    this.at = node.at
    this.given = given
    this.#placed = placed
    this.conditions = conditions
    this.compileBlock = compileBlock
  }

  has(tag: string): boolean {
    return this.given.has(tag)
  }

  /** The tag of a group that was given. */
  chosen(group: string): Given | undefined {
    for (const given of this.given.values()) if (given.tag.group === group) return given
    return undefined
  }

  /** The string behind a tag. */
  tagText(tag: string): Text | undefined {
    return this.given.get(tag)?.texts?.items[0]
  }

  tagTexts(tag: string): Texts | undefined {
    return this.given.get(tag)?.texts
  }

  tagNumber(tag: string): number | undefined {
    return this.given.get(tag)?.number
  }

  /** Whether an optional argument was given. */
  hasArgument(name: string): boolean {
    return this.#placed.has(name)
  }

  text(name: string): Text {
    return this.texts(name).items[0] as Text
  }

  texts(name: string): Texts {
    return this.#placed.get(name) as Texts
  }

  number(name: string): number {
    return this.#placed.get(name) as number
  }

  /** What the tags of extensions make of an action. */
  effects(): (run: Run, action: Action) => Action {
    if (this.given.size === 0) return (_run, action) => action
    const effects = [...this.given.values()].flatMap(given => given.tag.effect?.(given) ?? [])
    return (run, action) => effects.reduce((changed, effect) => effect(run, changed), action)
  }
}

/** Tells the arguments of a command or test apart. @returns undefined when something was wrong, which is noted */
export function bind(
  node: TestNode | CommandNode,
  definition: CommandDefinition | TestDefinition,
  kind: 'command' | 'test',
  scope: Scope,
): Call | undefined {
  const before = scope.problems.count
  const binder = new Binder(node, definition, kind, scope)
  binder.arguments()
  binder.subtests()
  const conditions = node.tests.length > 0 && definition.tests ? scope.tests(node.tests) : []
  if (kind === 'command') binder.block(definition as CommandDefinition)
  const block = 'block' in node ? node.block : undefined
  if (scope.problems.count > before) {
    // What is in the block is looked at all the same: all errors are told at once.
    if (block) scope.commands(block)
    return undefined
  }
  return new Call(node, binder.given, binder.placed, conditions, () => (block ? scope.commands(block) : []))
}

const articles: Readonly<Record<Argument['kind'], string>> = {
  string: 'a string',
  number: 'a number',
  list: 'a string list',
  tag: 'a tag',
}

/** Most uses have no tags, or no arguments at all: a script of many rules would make thousands of empty maps. */
const none = new Map<string, never>()

class Binder {
  #given: Map<string, Given> | undefined
  #placed: Map<string, Texts | number> | undefined
  readonly #node: TestNode | CommandNode
  readonly #definition: Definition
  readonly #scope: Scope
  readonly #kind: string

  constructor(node: TestNode | CommandNode, definition: Definition, kind: string, scope: Scope) {
    this.#node = node
    this.#definition = definition
    this.#scope = scope
    this.#kind = kind
  }

  get given(): ReadonlyMap<string, Given> {
    return this.#given ?? none
  }

  get placed(): ReadonlyMap<string, Texts | number> {
    return this.#placed ?? none
  }

  /** `header test`, for messages. */
  get #what(): string {
    return `${this.#definition.name} ${this.#kind}`
  }

  #give(given: Given): void {
    this.#given ??= new Map()
    this.#given.set(given.tag.name, given)
  }

  #error(at: Position, message: string): void {
    this.#scope.problems.error(at, message)
  }

  /** Tags, with the values behind them, come first; then what is known by its place (RFC 5228 §2.6.2). */
  arguments(): void {
    const { args } = this.#node
    if (args.length === 0 && !this.#definition.takes) return
    const rest: Argument[] = []
    for (let i = 0; i < args.length; i++) {
      const argument = args[i] as Argument
      if (argument.kind !== 'tag') rest.push(argument)
      else if (rest.length > 0)
        this.#error(
          argument.at,
          `unexpected tagged argument ':${argument.name}' while expecting the ${this.#what}'s next argument; tags come first`,
        )
      else if (this.#tag(argument, args[i + 1])) i++
    }
    this.#places(rest)
  }

  /** @returns whether the argument behind the tag is its value */
  #tag(node: TagNode, next: Argument | undefined): boolean {
    const tag = this.#scope.tag(this.#definition, node.name)
    if (!tag) {
      this.#error(node.at, this.#scope.unknownTag(this.#definition, this.#what, node.name))
      return false
    }
    this.#unique(node, tag)
    if (!tag.value) {
      this.#give({ tag, at: node.at, texts: undefined, number: undefined })
      return false
    }
    if (!next || !fitting(next, tag.value)) {
      const found = next ? `${articles[next.kind]} was found` : 'nothing follows it'
      this.#error(
        node.at,
        `the :${tag.name} tag of the ${this.#what} needs ${needs(tag.value)}, but ${found}`,
      )
      return next !== undefined && next.kind !== 'tag'
    }
    this.#give({ tag, at: node.at, ...this.#value(next, tag, `:${tag.name}`) })
    return true
  }

  #unique(node: TagNode, tag: Tag): void {
    if (this.given.has(tag.name)) {
      this.#error(node.at, `':${tag.name}' is given twice for the ${this.#what}`)
      return
    }
    const other =
      tag.group && this.#given && [...this.given.values()].find(given => given.tag.group === tag.group)
    if (other)
      this.#error(
        node.at,
        `unexpected second ${tag.group} ':${tag.name}' for the ${this.#what}, after ':${other.tag.name}'`,
      )
  }

  #value(node: Argument, like: Tag | Parameter, what: string): Pick<Given, 'texts' | 'number'> {
    if (node.kind === 'number') return { texts: undefined, number: node.value }
    const nodes = node.kind === 'list' ? node.values : node.kind === 'string' ? [node] : []
    const texts = compileTexts(node.at, nodes, this.#scope)
    if (like.constant && !texts.constant)
      this.#error(node.at, `${what} of the ${this.#what} may not depend on variables`)
    for (const { at, constant } of texts.items) {
      const wrong = constant === undefined ? undefined : like.check?.(constant, this.#scope.settings)
      if (wrong) this.#error(at, `the ${this.#what}: ${wrong}`)
    }
    return { texts, number: undefined }
  }

  #places(args: readonly Argument[]): void {
    const takes = this.#definition.takes ?? []
    let required = 0
    for (const parameter of takes) if (!parameter.optional) required++
    const at = this.#node.at
    if (args.length < required) {
      this.#error(
        at,
        `the ${this.#what} requires ${required} positional argument(s), but ${args.length} is/are specified`,
      )
      return
    }
    let extra = args.length - required
    let i = 0
    for (const [place, parameter] of takes.entries()) {
      if (parameter.optional && extra-- <= 0) continue
      this.#place(args[i++] as Argument, parameter, place + 1)
    }
    const unexpected = args[i]
    if (unexpected)
      this.#error(
        unexpected.at,
        `the ${this.#what} takes ${i === 0 ? 'no' : `at most ${i}`} positional argument(s); ${articles[unexpected.kind]} too many was found`,
      )
  }

  #place(node: Argument, parameter: Parameter, place: number): void {
    if (!fitting(node, parameter.type)) {
      this.#error(
        node.at,
        `the ${this.#what} expects ${needs(parameter.type)} as argument ${place} (${parameter.name}), but ${articles[node.kind]} was found`,
      )
      return
    }
    const { texts, number } = this.#value(node, parameter, `the ${parameter.name}`)
    this.#placed ??= new Map()
    this.#placed.set(parameter.name, texts ?? (number as number))
  }

  subtests(): void {
    const { tests, listed, at, name } = this.#node
    const { tests: wanted } = this.#definition
    if (!wanted && tests.length > 0) this.#unwantedTest()
    if (wanted === 'one' && (tests.length !== 1 || listed))
      this.#error(
        at,
        `the ${this.#what} requires one test, but ${listed ? 'a list of tests' : 'none'} is specified`,
      )
    if (wanted === 'list' && !listed)
      this.#error(at, `the ${this.#what} requires a list of tests in parentheses: ${name} (…, …)`)
  }

  /** A word where no test belongs is most often a forgotten semicolon or colon. */
  #unwantedTest(): void {
    const first = this.#node.tests[0] as TestNode
    const tag = this.#scope.tag(this.#definition, first.name)
    if (this.#node.listed || (this.#scope.isTest(first.name) && !tag))
      this.#error(
        first.at,
        `the ${this.#what} accepts no sub-tests, but tests are specified; is a semicolon missing before '${first.name}'?`,
      )
    else if (tag) this.#error(first.at, `missing colon before the '${first.name}' tag of the ${this.#what}`)
    else this.#error(first.at, `missing semicolon after the ${this.#what}, before '${first.name}'`)
  }

  block(definition: CommandDefinition): void {
    const there = 'block' in this.#node && this.#node.block !== undefined
    if (definition.block && !there) this.#error(this.#node.at, `the ${this.#what} requires a block: { … }`)
    if (!definition.block && there)
      this.#error(this.#node.at, `the ${this.#what} takes no block; end it with a semicolon`)
  }
}

function fitting(node: Argument, type: Parameter['type']): boolean {
  if (type === 'strings') return node.kind === 'string' || node.kind === 'list'
  return node.kind === type
}

function needs(type: Parameter['type']): string {
  return type === 'strings' ? 'a string list' : `a ${type}`
}
