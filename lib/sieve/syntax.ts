/** A script as the parser understands it, before any meaning is given to its words (RFC 5228 §8.2). */

/** Where something stands in a script; both count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface StringNode {
  readonly kind: 'string'
  /** Escapes and dot-stuffing undone; `${...}` untouched. */
  readonly value: string
  /** Written as `text:` … `.`; only the printer cares. */
  readonly multiline: boolean
  readonly at: Position
}

export interface NumberNode {
  readonly kind: 'number'
  readonly value: number
  readonly at: Position
}

export interface ListNode {
  readonly kind: 'list'
  readonly values: readonly StringNode[]
  readonly at: Position
}

export interface TagNode {
  readonly kind: 'tag'
  /** In lower case, without its colon. */
  readonly name: string
  readonly at: Position
}

export type Argument = StringNode | NumberNode | ListNode | TagNode

/** A test: `header :is "subject" "x"`, or one with tests of its own: `anyof (…)`. */
export interface TestNode {
  /** In lower case. */
  readonly name: string
  readonly args: readonly Argument[]
  readonly tests: readonly TestNode[]
  /** Whether the tests stand in parentheses. */
  readonly listed: boolean
  readonly at: Position
}

/** A command: a test's syntax, and a block or a semicolon after it. */
export interface CommandNode extends TestNode {
  readonly block: readonly CommandNode[] | undefined
  /** Something in it could not be parsed: it was reported, and nothing more need be said about the command. */
  readonly broken: boolean
}
