/** Checks of what goes out and comes in: smarthosts that take nothing, accounts that are not fetched, their logins. */
import type { Users } from '../auth/users.js'
import type { Config } from '../config/load.js'
import { withAccount } from '../fetch/fetch.js'
import { outcomePath, readOutcome } from '../fetch/outcome.js'
import type { Session } from '../fetch/session.js'
import { AccountBusy } from '../fetch/trouble.js'
import { readStatus } from '../relay/status.js'
import { type Finding, type Findings, formatAge } from '../setup/check.js'
import { SmtpClient } from '../smtp/client.js'
import { describe, MailError } from '../sys/error.js'
import { Log } from '../sys/log.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { readPassword, tokenSource } from './credentials.js'
import { type AccountConfig, accountOf } from './fetch-settings.js'
import { systemTrust, trustIn } from './trust.js'

/** How long a smarthost may rest, and an account not be fetched, before somebody is told, in milliseconds. */
const longestRest = 1_800_000
const longestSilence = 4 * 3_600_000

/** Smarthosts that take nothing at the moment. */
export async function* checkDestinations({ queue }: Config, now: Date): Findings {
  for (const { name, since, said, waiting } of readStatus(queue.directory)) {
    const age = now.getTime() - since
    if (age < longestRest) continue
    yield {
      level: 'error',
      check: 'relay',
      where: name,
      what: `takes nothing for ${formatAge(age)}, and ${waiting} messages wait for it: ${said.text}`,
      advice: 'mail-check --logins tries it; mail-queue list shows what waits',
    }
  }
}

/** Accounts that do not let us in, or could not be fetched for long, as mail-fetch last noted it. */
export async function* checkFetches({ fetch }: Config, users: Users, now: Date): Findings {
  for (const [name, { into }] of Object.entries(fetch)) {
    const home = users.find(into)?.home
    if (home === undefined) {
      const what = `there is no user ${into}`
      yield finding(name, what, 'mail-user add, or another name in its key into')
      continue
    }
    const { refused, failed, reason = '', succeeded } = readOutcome(outcomePath(home, name))
    if (refused) yield finding(name, reason, adviceFor(name))
    else if (failed !== undefined && now.getTime() - (succeeded ?? 0) > longestSilence) {
      const age =
        succeeded === undefined
          ? 'was never fetched'
          : `not fetched for ${formatAge(now.getTime() - succeeded)}`
      yield finding(name, `${age}: ${reason}`, `mail-fetch ${name} tries it`)
    }
  }
}

/** Whether the smarthosts let us in. */
export async function* checkRelayLogins({ relay, hostname }: Config): Findings {
  for (const account of relay ? [relay, ...relay.route] : []) {
    if (!account.host) continue
    const { host, port } = account.host
    const { user } = account
    try {
      const login =
        user === undefined
          ? undefined
          : account.oauth2
            ? { user, token: tokenSource(account.oauth2) }
            : { user, password: await readPassword(account) }
      const tls = account.tls ?? (port === 465 ? 'implicit' : 'required')
      const client = await SmtpClient.connect({
        host,
        port,
        tls,
        name: hostname,
        trust: account.ca === undefined ? systemTrust() : trustIn(account.ca),
        ...(login ? { login } : {}),
      })
      client.quit()
    } catch (error) {
      if (!(error instanceof MailError)) throw error
      const advice = `try the password of ${user ?? 'the account'} there, and write it into its file anew`
      yield { level: 'error', check: 'logins', where: `relay ${host}:${port}`, what: describe(error), advice }
    }
  }
}

/** Whether the accounts that are fetched let us in; one that is just being fetched does. */
export async function* checkFetchLogins({ fetch }: Config, users: Users): Findings {
  for (const [name, settings] of Object.entries(fetch)) {
    const user = users.find(settings.into)
    // That there is none was told.
    if (!user) continue
    // What is noted of the login shall not be root's.
    becomeOwnerOf(user.home, user)
    try {
      const account = accountOf(name, settings as AccountConfig, user)
      const options = { log: new Log({ write: () => {} }), signal: new AbortController().signal, dry: false }
      await withAccount(account, options as never, async (session: Session) => void (await session.source()))
    } catch (error) {
      if (error instanceof AccountBusy) continue
      if (!(error instanceof MailError)) throw error
      yield { ...finding(name, describe(error), adviceFor(name)), check: 'logins' }
    }
  }
}

function adviceFor(name: string): string {
  return `write its password into its file anew, then mail-fetch --retry-login ${name}`
}

function finding(account: string, what: string, advice: string): Finding {
  return { level: 'error', check: 'fetch', where: `fetch ${account}`, what, advice }
}
