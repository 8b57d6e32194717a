/** Whose mailboxes mail-deliver -d means: the configuration's users and aliases. */
import { Aliases } from '../auth/aliases.js'
import type { User } from '../auth/users.js'
import { Users } from '../auth/users.js'
import { loadConfig } from '../config/load.js'
import { type LocalRecipient, recipientOf } from '../deliver/deliver.js'
import { exits, MailError } from '../sys/error.js'
import { Log } from '../sys/log.js'

export interface Found {
  /** None where an alias leads to /dev/null. */
  readonly recipients: readonly LocalRecipient[]
  /** The first user, who is to own the files. */
  readonly owner: User | undefined
}

/**
 * Follows a name or an address to mailboxes.
 *
 * @throws ConfigError, and MailError 67 where it is nobody's, 69 where it leads out of our domains
 */
export async function findRecipients(name: string, file: string): Promise<Found> {
  const { users: files, domains } = await loadConfig(file)
  const log = new Log({ level: 'warning' })
  const domain = domains[0] as string
  const users = await Users.open({ file: files.file, home: files.home, domain, log, watch: false })
  const aliases = await Aliases.open({ file: files.aliases, users, domains, log, watch: false })
  const { users: found, remote, loop, discard } = aliases.expand(name)
  if (loop)
    throw new MailError(`the aliases of ${name} go in circles: ${loop.join(' → ')}`, { exit: exits.config })
  if (remote.length > 0)
    throw new MailError(`${name} leads to ${remote.join(', ')}, and mail-deliver delivers here only`, {
      exit: exits.unavailable,
    })
  if (found.length === 0 && !discard)
    throw new MailError(`there is no user ${name} in ${files.file}`, { exit: exits.noUser })
  return { recipients: found.map(({ user, detail }) => recipientOf(user, detail)), owner: found[0]?.user }
}
