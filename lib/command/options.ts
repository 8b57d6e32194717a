/** How a command tells its options: one table serves the parser, the help and the test that holds the man page to it. */

export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given several times; the value is then a list. */
  readonly multiple?: boolean
  /** What the help calls the value: FILE, USER. */
  readonly argument?: string
  readonly help: string
}

export type Options = Readonly<Record<string, Option>>

/** What the options of a table come to: a list, a boolean, or a string where one was given. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { multiple: true }
    ? readonly string[]
    : O[K] extends { type: 'boolean' }
      ? boolean
      : string | undefined
}

/** One command, or one subcommand of it. */
export interface Command {
  /** As it is typed: `mail-smtpd`, or `add` for a subcommand. */
  readonly name: string
  /** One line for the help, without a full stop. */
  readonly summary: string
  readonly options: Options
  /** What may follow the options, as the synopsis shows it: `[USER ...]`; none when absent. */
  readonly operands?: string
  readonly commands?: readonly Command[]
  /** Writes nothing to standard output, so that what guards it need not be loaded. */
  readonly silent?: boolean
  /** Reads arguments that are not as ours usually are, sendmail's; undefined for a wrong call. */
  readonly parse?: (argv: readonly string[]) => Pick<Call, 'values' | 'operands'> | undefined
  readonly run?: (call: Call) => Promise<number | undefined>
}

/** What a command was called with. */
export interface Call {
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
  readonly operands: readonly string[]
  /** The configuration's path: --config, else $POSTERN_CONFIG, else /etc/postern/mail.toml. */
  readonly config: string
}

/** Makes a command whose run() knows the types of its own options. */
export function command<const O extends Options>(definition: {
  readonly name: string
  readonly summary: string
  readonly options: O
  readonly operands?: string
  readonly silent?: boolean
  readonly parse?: (argv: readonly string[]) => Pick<Call, 'values' | 'operands'> | undefined
  readonly run: (
    call: Omit<Call, 'values'> & { readonly values: Values<O> },
  ) => Promise<number | undefined> | Promise<void>
}): Command {
  return definition as unknown as Command
}

/** The options that every command has. */
export const common = {
  config: { type: 'string', short: 'c', argument: 'FILE', help: 'the configuration file' },
  help: { type: 'boolean', help: 'show this help and exit' },
  version: { type: 'boolean', help: 'show the version and exit' },
} as const satisfies Options
