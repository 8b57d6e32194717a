/** Running scripts over a message from standard input, as `mail-sieve run` and `trace` do. */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { ScriptMaildir } from '../deliver/script-maildir.js'
import { parseAddressList } from '../message/address.js'
import type { Action, Outcome } from '../sieve/action.js'
import { compileScript, type Script } from '../sieve/compile.js'
import { compose } from '../sieve/compose/compose.js'
import type { Outgoing } from '../sieve/compose/outgoing.js'
import type { Context, TraceEvent } from '../sieve/context.js'
import { runScriptsAsync } from '../sieve/execute.js'
import { ListFiles } from '../sieve/list-files.js'
import { Version } from '../sieve/message.js'
import { printTest } from '../sieve/print.js'
import type { Problem } from '../sieve/problem.js'
import { settingsOf, withSetting } from '../sieve/registry.js'
import { readScriptFile, readSource } from '../sieve/scripts.js'
import { defaultSettings, type Settings } from '../sieve/settings.js'
import { describe, errorCode, exits, isMissing, MailError } from '../sys/error.js'
import type { Values } from './options.js'
import { version } from './version.js'

export const settingOptions = {
  set: {
    type: 'string',
    multiple: true,
    argument: 'KEY=VALUE',
    help: 'a limit, or a setting of an extension',
  },
} as const

export const runOptions = {
  ...settingOptions,
  from: { type: 'string', argument: 'ADDRESS', help: 'the envelope sender; empty for a bounce' },
  to: { type: 'string', argument: 'ADDRESS', help: 'the envelope recipient' },
  'orig-to': { type: 'string', argument: 'ADDRESS', help: 'the recipient before aliases' },
  auth: { type: 'string', argument: 'USER', help: 'who was logged in to send it' },
  stored: { type: 'string', argument: 'FILE', help: 'where to write the message as the script left it' },
  maildir: { type: 'string', argument: 'DIR', help: 'the Maildir whose mailboxes the script sees' },
  execute: { type: 'boolean', help: 'store into the Maildir; what would be sent is only shown' },
  'include-personal': { type: 'string', argument: 'DIR', help: "the folder of the user's scripts" },
  'include-global': { type: 'string', argument: 'DIR', help: "the folder of the site's scripts" },
  lists: { type: 'string', argument: 'DIR', help: 'the folder of the lists of extlists' },
  json: { type: 'boolean', help: 'one JSON object in all' },
} as const

type RunValues = Values<typeof runOptions>

/** What a run came to, as --json prints it. */
export interface RunReport {
  readonly status: Outcome['status'] | 'action-error'
  readonly errors: readonly { readonly line: number; readonly message: string }[]
  readonly implicitKeep: boolean
  readonly actions: readonly object[]
  readonly sent: readonly { readonly from: string; readonly to: readonly string[]; readonly data: string }[]
}

/** The configuration's settings where there is one, and what --set changes. @throws MailError (64, 78) */
export async function settingsFor(config: string, set: readonly string[]): Promise<Settings> {
  const changes = set.map(text => {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
    if (key === undefined || value === undefined)
      throw new MailError(`--set takes KEY=VALUE, not "${text}"`, { exit: exits.usage })
    return [key, value] as const
  })
  return changes.reduce(
    (settings, [key, value]) => withSetting(settings, key, value),
    await configured(config),
  )
}

/** A machine that is not set up yet can check scripts too: without the usual file, the defaults count. */
async function configured(file: string): Promise<Settings> {
  const { loadConfig } = await import('../config/load.js')
  if (file === '/etc/postern/mail.toml' && !exists(file)) return { ...defaultSettings, hostname: hostname() }
  return settingsOf(await loadConfig(file))
}

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw new MailError(`cannot read ${path}`, { exit: exits.noInput, cause: error })
  }
}

/** Reads and compiles scripts. @throws MailError (66) */
export function compileFiles(paths: readonly string[], settings: Settings): readonly Script[] {
  if (paths.length === 0) throw new MailError('say which script', { exit: exits.usage })
  return paths.map(path => compileScript(readScriptFile(path), settings))
}

export function readStdin(): Buffer {
  try {
    return readFileSync(0)
  } catch (error) {
    if (errorCode(error) === 'EAGAIN' || errorCode(error) === 'EOF') return Buffer.alloc(0)
    throw new MailError('cannot read the message from standard input', { exit: exits.noInput, cause: error })
  }
}

/** Runs scripts as the options say. */
export async function runFiles(
  paths: readonly string[],
  values: RunValues,
  config: string,
  trace?: (event: TraceEvent) => void,
): Promise<RunReport> {
  const settings = await settingsFor(config, values.set)
  const scripts = compileFiles(paths, settings)
  const message = Version.of(readStdin())
  const context = contextFor(message, values, settings, trace)
  const outcome = await runScriptsAsync(scripts, message, context)
  if (values.stored !== undefined) writeFileSync(values.stored, outcome.keep.message.octets)
  const done: Performed = values.execute
    ? await perform(outcome, context, message, values.maildir)
    : { sent: [] }
  const errors = outcome.errors.map(problem => ({
    line: problem.line,
    message: messageOf(problem, scripts.length > 1),
  }))
  return {
    status: done.error === undefined ? outcome.status : 'action-error',
    errors: done.error === undefined ? errors : [...errors, { line: 0, message: done.error }],
    implicitKeep: outcome.implicitKeep || done.error !== undefined,
    actions: outcome.actions.map(describeAction),
    sent: done.sent.map(({ from, to, data }) => ({ from, to, data: data.toString() })),
  }
}

/** A problem without its line, which stands beside it. */
export function messageOf({ column, message, script }: Problem, several = false): string {
  const place = column > 0 ? `${message} (column ${column})` : message
  return several ? `${script}: ${place}` : place
}

/** What scripts see of the world, as the options say. */
export function contextFor(
  message: Version,
  values: RunValues,
  settings: Settings,
  trace: ((event: TraceEvent) => void) | undefined,
): Context {
  const maildir = values.maildir === undefined ? undefined : new ScriptMaildir(values.maildir)
  const lists = values.lists === undefined ? undefined : new ListFiles(values.lists)
  const to = values.to ?? addressIn(message, ['delivered-to', 'to']) ?? ''
  const original = values['orig-to']
  const now = Date.now()
  return {
    envelope: {
      from: values.from ?? addressIn(message, ['return-path', 'sender', 'from']) ?? '',
      to,
      ...(original === undefined ? {} : { originalTo: original }),
      ...(values.auth === undefined ? {} : { auth: values.auth }),
    },
    settings,
    now,
    zone: -new Date(now).getTimezoneOffset(),
    user: values.auth ?? to,
    environment: new Map([
      ['name', 'Postern'],
      ['version', version],
    ]),
    include: (location, name) => {
      const folder = values[location === 'global' ? 'include-global' : 'include-personal']
      return folder === undefined ? undefined : readSource(folder, name)
    },
    mailboxExists: name => maildir?.has(name) ?? name.toUpperCase() === 'INBOX',
    specialUseExists: (mailbox, use) => maildir?.hasUse(mailbox, use) ?? false,
    mailboxIdExists: id => maildir?.hasId(id) ?? false,
    metadata: (mailbox, entry) => maildir?.annotation(mailbox, entry),
    listExists: name => lists?.has(name) ?? false,
    listHolds: (name, value) => lists?.holds(name, value) ?? false,
    listMembers: name => lists?.members(name) ?? [],
    ...(trace ? { trace } : {}),
  }
}

/** The first address of the first of some fields that has one; the envelope where nobody told it. */
function addressIn(message: Version, names: readonly string[]): string | undefined {
  for (const name of names) {
    const field = message.named(name)[0]
    const [address] = field ? parseAddressList(field.rawValue) : []
    if (address && address.host !== '') return `${address.mailbox}@${address.host}`
  }
  return undefined
}

interface Performed {
  readonly sent: readonly Outgoing[]
  readonly error?: string
}

/** Stores, and composes what would be sent. What fails is taken back, and the message kept as it came. */
async function perform(
  outcome: Outcome,
  context: Context,
  message: Version,
  path: string | undefined,
): Promise<Performed> {
  const maildir = path === undefined ? undefined : new ScriptMaildir(path)
  try {
    const sent = send(outcome, context)
    await maildir?.store(outcome)
    return { sent }
  } catch (error) {
    if (!(error instanceof MailError)) throw error
    await maildir?.keep(message, [])
    return { sent: [], error: describe(error) }
  }
}

function send(outcome: Outcome, context: Context): readonly Outgoing[] {
  const told = new Set<string>()
  return outcome.actions.flatMap(action => {
    const unique = `${Date.now().toString(36)}.${randomBytes(9).toString('hex')}`
    const { sent, refused, error } = compose(action, context, { unique }, told)
    if (error) throw new MailError(`${action.type}: ${refused}`)
    return sent
  })
}

/** An action as --json shows it. */
function describeAction(action: Action): object {
  switch (action.type) {
    case 'keep':
    case 'store':
      return { type: action.type, mailbox: action.mailbox, flags: action.flags }
    case 'redirect':
      return { type: action.type, address: action.address }
    case 'reject':
      return { type: action.type, reason: action.reason }
    case 'vacation':
      return { type: action.type, reason: action.reason }
    case 'notify':
      return { type: action.type, method: action.method, message: action.text }
    case 'pipe':
      return { type: action.type, program: action.program, arguments: action.args }
    case 'report':
      return { type: action.type, address: action.to, message: action.text }
    case 'discard':
      return { type: action.type }
  }
}

/** One line of a trace. */
export function formatEvent({ script, line, node, result, values }: TraceEvent): string {
  const text = printTest({ ...node, tests: result === undefined ? [] : node.tests })
  const words = text.length > 200 ? `${text.slice(0, 200)}…` : text
  const seen = values && ` [${values.map(value => JSON.stringify(value.slice(0, 60))).join(', ')}]`
  const outcome = result === undefined ? '' : ` → ${result}${seen ?? ''}`
  return `${script}:${line}: ${words.replace(/\s*\n\s*/g, ' ')}${outcome}`
}
