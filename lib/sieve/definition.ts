/**
 * The vocabulary in which extensions say what they add to the language: commands, tests, tags, match types,
 * comparators, address parts and variables. check.ts holds scripts to it; the `compile` functions give it meaning.
 */
import type { Action } from './action.js'
import type { PlainAddress } from './address.js'
import type { Call } from './call.js'
import type { Comparator } from './comparator.js'
import type { Run } from './run.js'
import type { Scope } from './scope.js'
import type { Settings } from './settings.js'
import type { CommandNode, Position, TestNode } from './syntax.js'
import type { Texts } from './text.js'
import type { Variable } from './variable.js'

/** How a command ended that did not simply end: the script, an included script, or a named loop is over. */
export type Signal = 'stop' | 'return' | { readonly leaves: string | undefined } | undefined

/** A command, ready to be run. */
export interface Step {
  readonly at: Position
  readonly node: CommandNode
  run(run: Run): Signal
  /** What follows an `if` or `elsif` whose test failed. */
  otherwise?: Step
}

/** A test, ready to be made. */
export interface Condition {
  readonly at: Position
  readonly node: TestNode
  /** The result, where it is known before any message is. */
  readonly constant: boolean | undefined
  test(run: Run): boolean
}

export type ArgumentType = 'string' | 'strings' | 'number'

/** An argument that is known by its place. */
export interface Parameter {
  /** What it is, for messages. */
  readonly name: string
  readonly type: ArgumentType
  readonly optional?: boolean
  /** It may not depend on variables. */
  readonly constant?: boolean
  /** Checks what is known while compiling; says what is wrong. */
  readonly check?: (value: string, settings: Settings) => string | undefined
}

/** An argument that is known by its tag, with the value that follows it, if one does. */
export interface Tag {
  /** In lower case, without the colon. */
  readonly name: string
  /** Of the tags of a group only one may be given. */
  readonly group?: string
  readonly value?: ArgumentType
  readonly constant?: boolean
  readonly check?: (value: string, settings: Settings) => string | undefined
  /** Changes the action that the command takes; for tags that an extension puts on another's command. */
  readonly effect?: (given: Given) => (run: Run, action: Action) => Action
}

/** A tag as it was given. */
export interface Given {
  readonly tag: Tag
  readonly at: Position
  /** For a tag with a value: its strings (one for `string`). */
  readonly texts: Texts | undefined
  readonly number: number | undefined
}

/** What commands and tests have in common. */
export interface Definition {
  readonly name: string
  readonly tags?: readonly Tag[]
  /** Families of tags that it takes: `match` brings comparators and match types, `address` address parts. */
  readonly families?: readonly Family[]
  readonly takes?: readonly Parameter[]
  readonly tests?: 'one' | 'list'
}

export type Family = 'match' | 'address' | 'index' | 'mime' | 'fcc'

export interface CommandDefinition extends Definition {
  /** Whether a block belongs to it; else a semicolon ends it. */
  readonly block?: boolean
  /** The commands that must stand right before it. */
  readonly follows?: readonly string[]
  compile(call: Call, scope: Scope): (this: Step, run: Run) => Signal | undefined
}

export interface TestDefinition extends Definition {
  compile(
    call: Call,
    scope: Scope,
  ): ((run: Run) => boolean) | { readonly constant: boolean | undefined; test(run: Run): boolean }
}

/** Whether any of the values matches any of the keys. */
export type Match = (run: Run, values: readonly string[]) => boolean

export interface MatchType {
  readonly name: string
  /** Whether a relation follows the tag (RFC 5231). */
  readonly relation?: boolean
  /** Whether it looks for parts of strings, which not every comparator can. */
  readonly substring?: boolean
  compile(options: {
    readonly comparator: Comparator
    readonly relation: string
    readonly keys: Texts
    readonly scope: Scope
  }): Match
}

export interface AddressPart {
  readonly name: string
  /** @returns undefined where the address has no such part: nothing matches then */
  extract(address: PlainAddress, run: Run): string | undefined
}

export interface Namespace {
  readonly name: string
  /** The value of `${name.rest}`. */
  read(run: Run, rest: string): string
  /** The variable that may be set under the name; absent where none may. */
  readonly write?: (rest: string) => Variable
  /** Says what is wrong with the rest of a name. */
  readonly check?: (rest: string) => string | undefined
}

/** One capability of `require`, and what becomes known with it. */
export interface Extension {
  /** The capability string. */
  readonly name: string
  readonly implies?: readonly string[]
  readonly commands?: readonly CommandDefinition[]
  readonly tests?: readonly TestDefinition[]
  /** Tags for commands and tests that belong to others. */
  readonly tags?: readonly { readonly on: readonly string[]; readonly tag: Tag }[]
  readonly families?: readonly { readonly family: Family; readonly tag: Tag }[]
  readonly matchTypes?: readonly MatchType[]
  readonly comparators?: readonly Comparator[]
  readonly addressParts?: readonly AddressPart[]
  readonly namespaces?: readonly Namespace[]
  /** Whether `require` accepts it on this installation; yes when absent. */
  readonly offered?: (settings: Settings) => boolean
  /** Changes how strings are read, so `ihave` cannot bring it in later (RFC 5463 §4). */
  readonly lexical?: boolean
}
