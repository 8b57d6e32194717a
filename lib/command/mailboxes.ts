/** Whose mailboxes mail-deliver -d means: the configuration's users and aliases. */
import { Aliases } from '../auth/aliases.js'
import type { User } from '../auth/users.js'
import { Users } from '../auth/users.js'
import { type Config, loadConfig } from '../config/load.js'
import { type LocalRecipient, recipientOf } from '../deliver/deliver.js'
import { exits, MailError } from '../sys/error.js'
import { Log } from '../sys/log.js'

/** Who a name leads to, and what it was looked up in. */
export interface Found {
  /** None where an alias leads to /dev/null. */
  readonly recipients: readonly LocalRecipient[]
  /** The first user, who is to own the files. */
  readonly owner: User | undefined
  /** Addresses of other domains. */
  readonly remote: readonly string[]
  readonly config: Config
  readonly log: Log
}

/**
 * Follows a name or an address to mailboxes.
 *
 * @throws ConfigError, and MailError 67 where it is nobody's
 */
export async function findRecipients(name: string, file: string): Promise<Found> {
  const config = await loadConfig(file)
  const { users: files, domains } = config
  const log = new Log({ level: 'warning' })
  const domain = domains[0] as string
  const users = await Users.open({ file: files.file, home: files.home, domain, log, watch: false })
  const aliases = await Aliases.open({
    file: files.aliases,
    users,
    domains,
    delimiter: files.delimiter,
    log,
    watch: false,
  })
  const { users: found, remote, loop, discard } = aliases.expand(name)
  if (loop)
    throw new MailError(`the aliases of ${name} go in circles: ${loop.join(' → ')}`, { exit: exits.config })
  if (found.length === 0 && remote.length === 0 && !discard)
    throw new MailError(`there is no user ${name} in ${files.file}`, { exit: exits.noUser })
  const recipients = found.map(({ user, detail }) => recipientOf(user, detail))
  return { recipients, owner: found[0]?.user, remote, config, log }
}
