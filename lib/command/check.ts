/** mail-check: says what is wrong, one line each, and mends what can be mended without harm. */
import { access, constants, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsersEdit } from '../auth/edit.js'
import { Users } from '../auth/users.js'
import { type Config, ConfigError, loadConfig } from '../config/load.js'
import { authorityPlace } from '../setup/certificate.js'
import { type Finding, type Findings, formatFinding } from '../setup/check.js'
import { checkCertificate, checkClock, checkDisk, checkModes } from '../setup/check-files.js'
import { checkMaildir, checkQueue } from '../setup/check-mail.js'
import { checkPorts, checkRelaying } from '../setup/check-ports.js'
import { describe, errorCode, exits, MailError } from '../sys/error.js'
import { Log } from '../sys/log.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { alertFor, notify } from './check-notify.js'
import { checkDestinations, checkFetches, checkFetchLogins, checkRelayLogins } from './check-standing.js'
import { type Command, command } from './options.js'

export const check: Command = command({
  name: 'mail-check',
  summary: 'say what is wrong: configuration, secrets, certificate, ports, mailboxes, queue, disk, clock',
  options: {
    repair: { type: 'boolean', help: 'mend what can be mended without harm' },
    thorough: { type: 'boolean', help: 'read every message, to compare its size on the wire' },
    logins: { type: 'boolean', help: 'log in to the smarthosts, and to the accounts that are fetched, too' },
    'no-ports': { type: 'boolean', help: 'connect to nothing' },
    notify: { type: 'boolean', help: 'send what is new as an alert, in place of printing it' },
    alert: {
      type: 'string',
      argument: 'UNIT',
      help: 'only send an alert that this unit of systemd has failed',
    },
    json: { type: 'boolean', help: 'one JSON object a line' },
  },
  run: async ({ values, config: file }) => {
    const { config, problems } = await usable(file)
    if (config) await refuseStrangers(config)
    if (config && values.alert !== undefined) return alertFor(config, values.alert)
    const findings: Finding[] = []
    for await (const finding of config ? all(config, values) : problems) {
      const repaired = values.repair && finding.repair !== undefined && (await mended(finding))
      if (!repaired) findings.push(finding)
      if (!values.notify || !config) print(finding, repaired, values.json)
    }
    if (values.notify && config) await notify(config, findings)
    if (findings.some(({ level }) => level === 'error')) return 2
    return findings.length > 0 ? 1 : exits.ok
  },
})

interface Wanted {
  readonly repair: boolean
  readonly thorough: boolean
  readonly logins: boolean
  readonly 'no-ports': boolean
}

/** The configuration, or what is wrong with it. */
async function usable(file: string): Promise<{ config?: Config; problems: Finding[] }> {
  try {
    return { config: await loadConfig(file), problems: [] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const problems = error.problems.map((text): Finding => {
      const [, where = file, what = text] = /^(.*?(?::\d+)?): (.*)$/s.exec(text) ?? []
      return { level: 'error', check: 'configuration', where, what, advice: 'mail.toml(5) has every key' }
    })
    return { problems }
  }
}

/** Who may not see the users sees nothing of what matters, and would be told that all is well. */
async function refuseStrangers({ users }: Config): Promise<void> {
  try {
    await access(users.file, constants.R_OK)
  } catch (error) {
    if (errorCode(error) !== 'EACCES') return
    throw new MailError(
      `this user may not read ${users.file}: run mail-check as root, or as the servers' user`,
      {
        exit: exits.notAllowed,
      },
    )
  }
}

/** In the order in which things stand on each other; what needs root comes before what must not be root's. */
async function* all(config: Config, wanted: Wanted): Findings {
  const now = new Date()
  yield* checkModes(config)
  yield* checkCertificate(config, now)
  yield* checkClock(config, now)
  yield* checkDisk(config)
  if (!wanted['no-ports']) {
    const { certificate } = authorityPlace(config.tls)
    const authority = await readFile(certificate, 'utf8').catch(() => undefined)
    yield* checkPorts(config, authority)
    yield* checkRelaying(config, authority)
  }
  if (wanted.logins) yield* checkRelayLogins(config)
  yield* checkQueue(config, now)
  yield* checkDestinations(config, now)
  yield* checkUsers(config, now, wanted)
}

/** The users file, and the mail of each. */
async function* checkUsers(config: Config, now: Date, { thorough, repair, logins }: Wanted): Findings {
  const { users, domains } = config
  const domain = domains[0] as string
  const text = await readFile(users.file, 'utf8').catch(() => undefined)
  // That it is not there was told.
  if (text === undefined) return
  const bad = (where: string, what: string, advice: string): Finding => {
    return { level: 'error', check: 'users', where, what, advice }
  }
  for (const { line, reason } of new UsersEdit(text, domain).problems())
    yield bad(`${users.file}:${line}`, `${reason}, so the line is skipped`, 'mend or remove it')
  const known = await Users.open({ ...users, domain, log: new Log({ write: () => {} }), watch: false })
  if (known.size === 0) yield bad(users.file, 'nobody has mail here', 'mail-user add USER')
  const homes = [...known]
  // What mending makes shall not be root's.
  if (repair && homes[0]) becomeOwnerOf(homes[0].home)
  for (const { name, domain: own, home } of homes) {
    if (!domains.includes(own))
      yield bad(
        users.file,
        `${name} gets no mail: ${own} is none of domains`,
        'add it to domains, or remove the user',
      )
    yield* checkMaildir(join(home, 'Maildir'), { now, thorough })
  }
  yield* checkFetches(config, known, now)
  if (logins) yield* checkFetchLogins(config, known)
}

async function mended({ repair, where }: Finding): Promise<boolean> {
  try {
    await repair?.()
    return true
  } catch (error) {
    process.stderr.write(`mail-check: ${where} could not be mended: ${describe(error)}\n`)
    return false
  }
}

function print(finding: Finding, repaired: boolean, json: boolean): void {
  const { repair: _, ...rest } = finding
  process.stdout.write(`${json ? JSON.stringify({ ...rest, repaired }) : formatFinding(finding, repaired)}\n`)
}
