/** Which accounts a call of mail-fetch means, and whose they are. */
import { Users } from '../auth/users.js'
import { type Config, loadConfig } from '../config/load.js'
import type { FetchAccount } from '../fetch/fetch.js'
import { outcomePath } from '../fetch/outcome.js'
import { exits, MailError } from '../sys/error.js'
import { Log } from '../sys/log.js'
import { becomeOwnerOf } from '../sys/privileges.js'
import { type AccountConfig, accountOf } from './fetch-settings.js'

export interface Chosen {
  readonly account: FetchAccount
  readonly settings: AccountConfig
  /** Where it is noted how the last run went. */
  readonly outcome: string
}

export interface Accounts {
  readonly config: Config
  readonly log: Log
  readonly chosen: readonly Chosen[]
}

/**
 * Opens the accounts that are named; all where none is. Run by root, it goes on as the user whose mail it is.
 *
 * @throws MailError (78, 64)
 */
export async function openAccounts(file: string, names: readonly string[]): Promise<Accounts> {
  const config = await loadConfig(file)
  const log = new Log({ level: config.log.level })
  const known = Object.keys(config.fetch)
  if (known.length === 0)
    throw new MailError(`${file} names no account to fetch; add a table [fetch.NAME]`, { exit: exits.config })
  const stranger = names.find(name => !known.includes(name))
  if (stranger !== undefined)
    throw new MailError(`there is no account ${stranger} in ${file}; there are ${known.join(', ')}`, {
      exit: exits.usage,
    })
  const { file: usersFile, home } = config.users
  const users = await Users.open({
    file: usersFile,
    home,
    domain: config.domains[0] as string,
    log,
    watch: false,
  })
  const chosen = (names.length > 0 ? [...new Set(names)] : known).map(name => {
    const settings = config.fetch[name] as AccountConfig
    const user = users.find(settings.into)
    if (!user)
      throw new MailError(
        `fetch.${name}.into is ${settings.into}, but there is no such user in ${usersFile}`,
        {
          exit: exits.config,
        },
      )
    const account = accountOf(name, settings, user)
    return { account, settings, user, outcome: outcomePath(user.home, name) }
  })
  await users.close()
  const [first] = chosen
  const owners = new Set(chosen.map(({ user }) => user.home))
  if (process.getuid?.() === 0 && owners.size > 1)
    throw new MailError('as root, fetch for one user at a time: name the accounts of one', {
      exit: exits.usage,
    })
  if (first) becomeOwnerOf(first.user.home, first.user)
  return { config, log, chosen }
}
