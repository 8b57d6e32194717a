/** One script while it is compiled: what it has required, which words it may use, what is wrong with it. */
import { bind } from './call.js'
import type {
  CommandDefinition,
  Condition,
  Definition,
  Extension,
  Namespace,
  Signal,
  Step,
  Tag,
  TestDefinition,
} from './definition.js'
import type { Problems } from './problem.js'
import type { Registry } from './registry.js'
import type { Settings } from './settings.js'
import type { CommandNode, Position, TestNode } from './syntax.js'

/** RFC 5229 §6 wants 128 at least. */
const mostVariables = 255

/** The command before another in its block. */
type Before = { readonly name: string; readonly step: Step | undefined } | undefined

/** Commands that go on with the one before them. */
const continuing = new Set(['elsif', 'else'])

export class Scope {
  readonly problems: Problems
  readonly settings: Settings
  readonly registry: Registry
  /** The extensions in force, the core among them. */
  readonly #enabled = new Map<string, Extension>()
  /** Their commands and tests, with the extension that brought each. */
  readonly #words = {
    commands: new Map<string, { readonly definition: CommandDefinition; readonly extension: string }>(),
    tests: new Map<string, { readonly definition: TestDefinition; readonly extension: string }>(),
  }
  /** Those that only an `ihave` test brought in: using one before that test was made is an error (RFC 5463 §4). */
  readonly #conditional = new Set<string>()
  /** What was found in the extensions in force, until there are more of them. */
  readonly #found = new Map<string, unknown[]>()
  readonly #tags = new Map<Definition, Map<string, Tag | undefined>>()
  readonly #variables = new Set<string>()
  /** Variables that `global` has declared (RFC 6609 §3.4). */
  readonly globals = new Set<string>()
  /** The loops around the command that is compiled, by name. */
  readonly loops: (string | undefined)[] = []
  /** An `ihave` asked for what is not there: words that nobody knows are then errors only when they are reached. */
  #lenient = false
  /** How many commands at the head of the script are `require`, while these are compiled. */
  #required = 0

  constructor(problems: Problems, settings: Settings, registry: Registry) {
    this.problems = problems
    this.settings = settings
    this.registry = registry
    this.enable(registry.core)
  }

  get extensions(): ReadonlySet<string> {
    return new Set(this.#enabled.keys())
  }

  enabled(extension: string): boolean {
    return this.#enabled.has(extension)
  }

  enable(extension: Extension): void {
    this.#add(extension)
    this.#conditional.delete(extension.name)
    for (const name of extension.implies ?? []) {
      const implied = this.registry.find(name, this.settings)
      if (implied && !this.#enabled.has(name)) this.enable(implied)
    }
  }

  #add(extension: Extension): void {
    const { name, commands = [], tests = [] } = extension
    this.#enabled.set(name, extension)
    this.#found.clear()
    this.#tags.clear()
    for (const definition of commands)
      this.#words.commands.set(definition.name, { definition, extension: name })
    for (const definition of tests) this.#words.tests.set(definition.name, { definition, extension: name })
  }

  /** `require`: notes an error for what is not there. */
  require(at: Position, name: string): void {
    const extension = this.registry.find(name, this.settings)
    if (extension) this.enable(extension)
    else this.problems.error(at, `require: there is no extension "${name}" here`)
  }

  /** `ihave`: whether all are there; if so they are in force for what follows. */
  have(names: readonly string[]): boolean {
    const found = names.map(name => this.registry.find(name, this.settings))
    const all = found.every(each => each && (!each.lexical || this.enabled(each.name)))
    if (!all) this.#lenient = true
    for (const extension of all ? found : [])
      if (extension && !this.enabled(extension.name)) {
        this.#add(extension)
        this.#conditional.add(extension.name)
      }
    return all
  }

  /** Notes that a variable is in use. @returns its name */
  variable(name: string): string {
    if (!this.#variables.has(name) && this.#variables.size >= mostVariables)
      this.problems.error({ line: 0, column: 0 }, `more than ${mostVariables} variables are in use`)
    this.#variables.add(name)
    return name
  }

  /** Whether a variable of that name was used before. */
  hasVariable(name: string): boolean {
    return this.#variables.has(name)
  }

  namespace(name: string): Namespace | undefined {
    for (const extension of this.#enabled.values())
      for (const namespace of extension.namespaces ?? []) if (namespace.name === name) return namespace
    return undefined
  }

  /** Everything of one kind that the enabled extensions bring. */
  all<K extends 'matchTypes' | 'comparators' | 'addressParts'>(kind: K): NonNullable<Extension[K]>[number][] {
    let found = this.#found.get(kind)
    if (!found) {
      found = [...this.#enabled.values()].flatMap(extension => (extension[kind] ?? []) as unknown[])
      this.#found.set(kind, found)
    }
    return found as NonNullable<Extension[K]>[number][]
  }

  /** A tag that a command or test takes, its own or an extension's. */
  tag(definition: Definition, name: string): Tag | undefined {
    let known = this.#tags.get(definition)
    if (!known) {
      known = new Map()
      this.#tags.set(definition, known)
    }
    if (!known.has(name)) known.set(name, this.#findTag(definition, name))
    return known.get(name)
  }

  #findTag(definition: Definition, name: string): Tag | undefined {
    const own = definition.tags?.find(tag => tag.name === name)
    if (own) return own
    for (const extension of this.#enabled.values()) {
      const tag = tagOf(extension, definition, name)
      if (tag) return tag
    }
    return undefined
  }

  /** Says what to do about a tag that is not known here. */
  unknownTag(definition: Definition, what: string, name: string): string {
    const owner = this.registry.offered(this.settings).find(extension => tagOf(extension, definition, name))
    return owner
      ? `the tagged argument ':${name}' of the ${what} needs require "${owner.name}"`
      : `unknown tagged argument ':${name}' for the ${what}`
  }

  isTest(name: string): boolean {
    return this.#find('tests', name) !== undefined
  }

  /** Compiles a whole script. */
  script(nodes: readonly CommandNode[]): readonly Step[] {
    const steps: Step[] = []
    const requires = nodes.findIndex(node => node.name !== 'require')
    this.#required = requires < 0 ? nodes.length : requires
    for (const node of nodes.slice(0, this.#required)) this.#command(node, undefined)
    this.#required = 0
    steps.push(...this.commands(nodes.slice(requires < 0 ? nodes.length : requires)))
    return steps
  }

  /** Compiles the commands of a block. */
  commands(nodes: readonly CommandNode[]): readonly Step[] {
    const steps: Step[] = []
    let before: Before
    for (const node of nodes) {
      const step = node.broken ? undefined : this.#command(node, before)
      if (step && before?.step && continuing.has(node.name)) before.step.otherwise = step
      else if (step) steps.push(step)
      before = { name: node.name, step }
    }
    return steps
  }

  /** Whether the commands compiled now are those at the head of the script, where `require` stands. */
  get atHead(): boolean {
    return this.#required > 0
  }

  #command(node: CommandNode, before: Before): Step | undefined {
    const definition = this.#find('commands', node.name)
    if (definition) return this.#compileCommand(node, definition, before)
    const { at, name } = node
    const known = this.isTest(name)
    if (!known && this.#lenient) return { at, node, run: run => run.fail(`unknown command '${name}'`) }
    if (known) this.problems.error(at, `attempted to use test '${name}' as command`)
    else this.#unknown('commands', 'command', node)
    if (node.block) this.commands(node.block)
    return undefined
  }

  #compileCommand(node: CommandNode, definition: CommandDefinition, before: Before): Step | undefined {
    if (definition.follows && !definition.follows.includes(before?.name ?? ''))
      this.problems.error(node.at, `${node.name} must follow ${definition.follows.join(' or ')}`)
    const call = bind(node, definition, 'command', this)
    if (!call) return undefined
    const compiled = definition.compile(call, this)
    const extension = this.#conditionally('commands', node.name)
    const { at } = node
    if (!extension) return { at, node, run: compiled as Step['run'] }
    return {
      at,
      node,
      run(run) {
        run.needs(extension)
        return compiled.call(this, run) as Signal
      },
    }
  }

  tests(nodes: readonly TestNode[]): readonly Condition[] {
    return nodes.flatMap(node => this.#test(node) ?? [])
  }

  #test(node: TestNode): Condition | undefined {
    const definition = this.#find('tests', node.name)
    const { at } = node
    if (!definition && this.#lenient) return unknownTest(node)
    if (!definition) {
      if (this.#find('commands', node.name))
        this.problems.error(at, `attempted to use command '${node.name}' as test`)
      else this.#unknown('tests', 'test', node)
      return undefined
    }
    const call = bind(node, definition, 'test', this)
    if (!call) return undefined
    const compiled = definition.compile(call, this)
    const extension = this.#conditionally('tests', node.name)
    if (typeof compiled === 'object') return { at, node, ...compiled }
    if (!extension) return { at, node, constant: undefined, test: compiled }
    const test = (run: Parameters<typeof compiled>[0]) => {
      run.needs(extension)
      return compiled(run)
    }
    return { at, node, constant: undefined, test }
  }

  #find<K extends 'commands' | 'tests'>(
    kind: K,
    name: string,
  ): (K extends 'commands' ? CommandDefinition : TestDefinition) | undefined {
    return this.#words[kind].get(name)?.definition as never
  }

  /** The extension that a word belongs to, if only an `ihave` brought it in. */
  #conditionally(kind: 'commands' | 'tests', name: string): string | undefined {
    const extension = this.#words[kind].get(name)?.extension
    return extension !== undefined && this.#conditional.has(extension) ? extension : undefined
  }

  #unknown(kind: 'commands' | 'tests', what: string, node: TestNode): void {
    const owner = this.registry
      .offered(this.settings)
      .find(extension => extension[kind]?.some(definition => definition.name === node.name))
    this.problems.error(
      node.at,
      owner ? `the ${what} '${node.name}' needs require "${owner.name}"` : `unknown ${what} '${node.name}'`,
    )
  }
}

function tagOf(extension: Extension, definition: Definition, name: string): Tag | undefined {
  return (
    extension.tags?.find(({ on, tag }) => tag.name === name && on.includes(definition.name))?.tag ??
    extension.families?.find(({ family, tag }) => tag.name === name && definition.families?.includes(family))
      ?.tag
  )
}

/** After an `ihave` that failed, a word of the missing extension fails only where it is reached. */
function unknownTest(node: TestNode): Condition {
  return { at: node.at, node, constant: undefined, test: run => run.fail(`unknown test '${node.name}'`) }
}
