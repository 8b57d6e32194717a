/** mail-setup: makes a mail server of a machine, and takes it back. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../config/load.js'
import { loadConfig } from '../config/load.js'
import { authorityPlace } from '../setup/certificate.js'
import { type Answers, addressOf, trustLines, zoneLines } from '../setup/setup.js'
import { differences, SetupFiles } from '../setup/setup-files.js'
import { exits, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'
import { readPassword } from './prompt.js'
import { gatherAnswers } from './setup-answers.js'
import {
  addUsers,
  applyPlan,
  configFile,
  makePlan,
  memoryFile,
  type Plan,
  randomPassword,
} from './setup-apply.js'
import { importing } from './setup-import.js'
import { remove } from './setup-remove.js'
import { enableUnits, startUnits, tryOut } from './setup-start.js'
import { hasSystemd, isInstalled, privateAddresses } from './setup-system.js'

const root = {
  type: 'string',
  argument: 'DIR',
  help: 'set up the system below DIR, and start nothing',
} as const
const dryRun = { type: 'boolean', help: 'show what would change, and change nothing' } as const
const noStart = { type: 'boolean', help: 'start nothing' } as const

const units = command({
  name: 'units',
  summary: 'write the units anew for the configuration as it is now',
  options: { root, 'dry-run': dryRun, 'no-start': noStart },
  run: async ({ values }) => {
    const base = baseOf(values.root)
    const files = new SetupFiles(base, memoryFile)
    const plan = await makePlan(files, undefined)
    if (values['dry-run']) return show(plan)
    await applyPlan(files, plan, base, undefined)
    report(plan)
    activate(plan, base, values['no-start'])
  },
})

const test = command({
  name: 'test',
  summary: 'send a message in and read it back',
  options: { user: { type: 'string', argument: 'USER', help: 'to whom; the first user unless told' } },
  run: async ({ values, config: file }) => {
    const config = await loadConfig(file)
    const answers = (await new SetupFiles('', memoryFile).remembered()).answers as Answers | undefined
    const user = values.user ?? answers?.users[0]
    if (user === undefined) throw new MailError('say which --user', { exit: exits.usage })
    await tryOut(config, addressOf(user, config.domains[0] as string), say)
  },
})

export const setup: Command = {
  ...command({
    name: 'mail-setup',
    summary: 'make a mail server of this machine, and take it back',
    options: {
      domain: { type: 'string', argument: 'DOMAIN', help: 'the domain of the mail' },
      hostname: {
        type: 'string',
        argument: 'NAME',
        help: 'the name of this machine; mail.DOMAIN unless told',
      },
      user: { type: 'string', multiple: true, argument: 'USER', help: 'who has mail here; may be repeated' },
      relay: {
        type: 'string',
        multiple: true,
        argument: 'ACCOUNT',
        help: 'by which mail goes out: gmail:me@gmail.com or HOST:PORT:USER; the next ones for their own senders',
      },
      fetch: { type: 'string', multiple: true, argument: 'ACCOUNT', help: 'whose mail is pulled in' },
      pop3: { type: 'boolean', help: 'serve POP3 too' },
      root,
      'dry-run': dryRun,
      'no-start': noStart,
      'no-test': { type: 'boolean', help: 'send no message through it' },
    },
    run: async ({ values }) => {
      const base = baseOf(values.root)
      const files = new SetupFiles(base, memoryFile)
      const { answers: before } = await files.remembered()
      const answers = await gatherAnswers(values, before, isInstalled('mail-sieved'))
      const plan = await makePlan(files, answers)
      if (values['dry-run']) return show(plan)
      await applyPlan(files, plan, base, answers)
      report(plan)
      const made = await addUsers(files, plan, choosePassword)
      for (const [address, password] of made) say(`${address} has the password ${password}`)
      await tellSecrets(files, plan.config)
      const runs = activate(plan, base, values['no-start'])
      const user = addressOf(answers.users[0] as string, answers.domain)
      if (runs && !values['no-test']) await tryOut(plan.config, user, say)
      advise(answers, plan.config)
    },
  }),
  commands: [units, test, remove, importing],
}

function baseOf(directory: string | undefined): string {
  if (directory !== undefined) return resolve(directory)
  if (process.getuid?.() === 0) return ''
  throw new MailError('mail-setup changes the system: run it as root, or with --root', {
    exit: exits.notAllowed,
  })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** The differences, as diff(1) shows them. */
function show({ steps, newUsers, units }: Plan): void {
  for (const { wanted, state, before } of steps) {
    if (state === 'same') continue
    say(
      state === 'kept'
        ? `${wanted.path}: changed by hand; it would stay, without:`
        : `${wanted.path}: ${state}`,
    )
    for (const line of differences(before, wanted.text)) say(`  ${line}`)
  }
  for (const user of newUsers) say(`user ${user}: new`)
  for (const note of units.notes) say(`note: ${note}`)
}

function report({ steps, units }: Plan): void {
  for (const { wanted, state } of steps)
    if (state === 'kept')
      say(`kept ${wanted.path}, which was changed by hand; --dry-run shows the differences`)
    else if (state !== 'same') say(`${state === 'new' ? 'made' : 'changed'} ${wanted.path}`)
  for (const note of units.notes) say(`note: ${note}`)
}

/** @returns whether the servers run now */
function activate(plan: Plan, base: string, noStart: boolean): boolean {
  const enabled = enableUnits(plan, base)
  if (!enabled)
    say('note: there is no systemctl, so nothing is enabled; mail-suite runs all of it in one process')
  if (!enabled || base !== '' || noStart || !hasSystemd()) return false
  startUnits(plan)
  say('started mail.target')
  return true
}

/** Asks who sits there; else one is made. */
async function choosePassword(address: string): Promise<string> {
  return process.stdin.isTTY ? readPassword(`Password for ${address}`, true) : randomPassword()
}

/** Passwords of others are never asked for on a command line; what is missing is told. */
async function tellSecrets(files: SetupFiles, { relay, fetch }: Config): Promise<void> {
  const accounts = [...(relay ? [relay, ...relay.route] : []), ...Object.values(fetch)]
  const wanted = new Map(accounts.map(({ password_file: file, user }) => [file, user]))
  for (const [file, user] of wanted)
    if (file !== undefined && !existsSync(files.real(file)))
      say(`note: put the app password of ${user} into ${file}: install -m 600 -o postern /dev/stdin ${file}`)
}

function advise(answers: Answers, config: Config): void {
  const [address = '192.0.2.1'] = privateAddresses()
  say(`\nFor the DNS zone of ${answers.domain} (check the address):`)
  for (const line of zoneLines(answers, address)) say(`  ${line}`)
  say('')
  for (const line of trustLines(authorityPlace(config.tls).certificate)) say(line)
  say(
    `\nThe configuration is ${configFile}; mail-check says what is wrong, mail-setup remove takes all back.`,
  )
}
