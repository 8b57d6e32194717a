/** mail-sieve filter: scripts over mail that is in a folder already. It moves, copies and marks; it sends nothing. */
import { resolve } from 'node:path'
import { Account } from '../mailbox/account.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { canonicalName } from '../maildir/layout.js'
import type { Outcome, StoreAction } from '../sieve/action.js'
import type { Script } from '../sieve/compile.js'
import type { Context } from '../sieve/context.js'
import { runScripts } from '../sieve/execute.js'
import { Version } from '../sieve/message.js'
import { formatProblem } from '../sieve/problem.js'
import { isStore } from '../sieve/result.js'
import { exits, MailError } from '../sys/error.js'
import { command } from './options.js'
import { compileFiles, contextFor, settingOptions, settingsFor } from './sieve-run.js'

const options = {
  ...settingOptions,
  folder: {
    type: 'string',
    argument: 'FOLDER',
    help: 'the folder whose messages are filtered; INBOX unless told',
  },
  user: { type: 'string', short: 'u', argument: 'USER', help: 'whose mail it is' },
  maildir: { type: 'string', argument: 'DIR', help: 'this Maildir, in place of a user' },
  execute: { type: 'boolean', help: 'do it; without this it is only shown' },
  'include-personal': { type: 'string', argument: 'DIR', help: "the folder of the user's scripts" },
  'include-global': { type: 'string', argument: 'DIR', help: "the folder of the site's scripts" },
  lists: { type: 'string', argument: 'DIR', help: 'the folder of the lists of extlists' },
  json: { type: 'boolean', help: 'one JSON object a message' },
} as const

export const filter = command({
  name: 'filter',
  summary: 'Apply scripts to mail that is there already; dry unless --execute',
  options,
  operands: 'SCRIPT ...',
  run: async ({ values, operands, config }) => {
    const settings = await settingsFor(config, values.set)
    const scripts = compileFiles(operands, settings)
    const errors = scripts.flatMap(script => script.errors)
    for (const problem of errors) process.stderr.write(`${formatProblem(problem)}\n`)
    if (errors.length > 0) return 1
    const { maildir, user } = await whose(values.user, values.maildir, config)
    const account = await Account.open(maildir)
    try {
      const mailbox = await account.open(canonicalName(values.folder ?? 'INBOX'))
      const job = new Filter(account, mailbox, scripts, values.execute)
      const contextOf = (message: Version, flags: readonly string[]) => ({
        ...contextFor(message, { ...runDefaults, ...values, maildir }, settings, undefined),
        ...(user === undefined ? {} : { user }),
        flags,
      })
      return (await job.run(contextOf, values.json)) ? exits.ok : 1
    } finally {
      await account.close()
    }
  },
})

/** The options of run that filter does not have. */
const runDefaults = {
  from: undefined,
  to: undefined,
  'orig-to': undefined,
  auth: undefined,
  stored: undefined,
} as const

async function whose(
  user: string | undefined,
  maildir: string | undefined,
  config: string,
): Promise<{ readonly maildir: string; readonly user?: string }> {
  if ((user === undefined) === (maildir === undefined))
    throw new MailError('say whose mail: either --user USER or --maildir DIR', { exit: exits.usage })
  const { becomeOwnerOf } = await import('../sys/privileges.js')
  if (maildir !== undefined) {
    becomeOwnerOf(resolve(maildir))
    return { maildir: resolve(maildir) }
  }
  const { findRecipients } = await import('./mailboxes.js')
  const { recipients, owner } = await findRecipients(user as string, config)
  const [first] = recipients
  if (!first || recipients.length > 1 || first.home === undefined)
    throw new MailError(`${user} is not one user`, { exit: exits.noUser })
  becomeOwnerOf(first.home, owner)
  return { maildir: first.maildir, user: user as string }
}

/** What is done with one message. */
interface Plan {
  readonly stores: readonly StoreAction[]
  /** Whether it stays where it is. */
  readonly stays: boolean
  /** Its flags there, where they change. */
  readonly flags: readonly string[] | undefined
  /** Actions that send: not done here. */
  readonly passed: readonly string[]
}

class Filter {
  readonly #account: Account
  readonly #mailbox: Mailbox
  readonly #scripts: readonly Script[]
  readonly #execute: boolean

  constructor(account: Account, mailbox: Mailbox, scripts: readonly Script[], execute: boolean) {
    this.#account = account
    this.#mailbox = mailbox
    this.#scripts = scripts
    this.#execute = execute
  }

  /** @returns whether no script failed */
  async run(
    contextOf: (message: Version, flags: readonly string[]) => Context,
    json: boolean,
  ): Promise<boolean> {
    let fine = true
    for (const uid of [...this.#mailbox.uids]) {
      const octets = this.#mailbox.read(uid)
      const known = this.#mailbox.message(uid)
      if (!octets || !known) continue
      const message = Version.of(octets)
      const outcome = runScripts(this.#scripts, message, contextOf(message, known.flags))
      for (const problem of outcome.errors)
        process.stderr.write(`message ${uid}: ${formatProblem(problem)}\n`)
      if (outcome.status !== 'ok') fine = false
      const plan = planOf(outcome, this.#mailbox.name, known.flags)
      process.stdout.write(
        json ? `${JSON.stringify(jsonOf(uid, message, plan))}\n` : textOf(uid, message, plan),
      )
      if (this.#execute && outcome.status === 'ok') await this.#perform(uid, plan)
    }
    return fine
  }

  async #perform(uid: number, { stores, stays, flags }: Plan): Promise<void> {
    for (const store of stores) await this.#store(uid, store)
    if (!stays) await this.#mailbox.remove([uid])
    else if (flags) await this.#mailbox.store([uid], { mode: 'replace', flags })
  }

  async #store(uid: number, { mailbox, message, flags, create }: StoreAction): Promise<void> {
    if (!this.#account.has(mailbox) && create) await this.#account.create(mailbox)
    const target = await this.#account.open(mailbox)
    const delivery = await target.begin()
    const date = this.#mailbox.date(uid)
    await delivery.write(message.octets)
    await target.append([{ delivery, flags, ...(date === undefined ? {} : { date }) }])
    target.close()
  }
}

const trash = 'Trash'

/** `keep` leaves a message where it is; `discard` puts it into Trash, so that no slip of a script loses mail. */
function planOf(outcome: Outcome, folder: string, before: readonly string[]): Plan {
  const stores = outcome.actions.filter(isStore)
  const here = stores.find(({ type, mailbox }) => type === 'keep' || mailbox === folder)
  const elsewhere = stores.filter(store => store !== here)
  const discards = outcome.actions.find(({ type }) => type === 'discard')
  const passed = outcome.actions.filter(action => !isStore(action) && action.type !== 'discard')
  const thrown = discards !== undefined && stores.length === 0 && passed.length === 0 && folder !== trash
  if (thrown) elsewhere.push(trashStore(outcome, before))
  const flags = here?.flags ?? (outcome.implicitKeep ? outcome.keep.flags : before)
  return {
    stores: elsewhere,
    stays: here !== undefined || outcome.implicitKeep || elsewhere.length === 0,
    flags: sameFlags(flags, before) ? undefined : flags,
    passed: passed.map(({ type }) => type),
  }
}

function trashStore({ keep }: Outcome, flags: readonly string[]): StoreAction {
  const { message } = keep
  return { type: 'store', mailbox: trash, flags, message, copy: false, create: true, line: 0, script: '' }
}

function sameFlags(a: readonly string[], b: readonly string[]): boolean {
  const fold = (flags: readonly string[]) =>
    flags
      .map(flag => flag.toLowerCase())
      .filter(flag => flag !== '\\recent')
      .sort()
      .join(' ')
  return fold(a) === fold(b)
}

function jsonOf(uid: number, message: Version, { stores, stays, flags, passed }: Plan): object {
  const subject = message.named('subject')[0]?.value ?? ''
  return { uid, subject, stored: stores.map(({ mailbox }) => mailbox), stays, flags, passed }
}

function textOf(uid: number, message: Version, { stores, stays, flags, passed }: Plan): string {
  const done = [
    ...stores.map(({ mailbox }) => `${stays ? 'copy' : 'move'} to ${mailbox}`),
    ...(flags && stays ? [`set the flags ${flags.join(' ') || '(none)'}`] : []),
    ...passed.map(type => `not done here: ${type}`),
  ]
  return `${uid} ${message.named('subject')[0]?.value ?? ''}: ${done.join(', ') || 'stays'}\n`
}
