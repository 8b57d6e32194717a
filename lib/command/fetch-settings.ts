/** The accounts of the configuration, as lib/fetch wants them. */
import type { User } from '../auth/users.js'
import type { Config } from '../config/load.js'
import type { FetchAccount, Secret } from '../fetch/fetch.js'
import { providers } from '../fetch/providers.js'
import { exits, MailError } from '../sys/error.js'
import { isLoopback } from '../sys/sockets.js'
import { readPassword, tokenSource } from './credentials.js'
import { systemTrust, trustIn } from './trust.js'

export type AccountConfig = Config['fetch'][string]

/** One account's settings. @param user whose Maildir it is @throws MailError (78) */
export function accountOf(name: string, settings: AccountConfig, user: Pick<User, 'home'>): FetchAccount {
  const { provider, ca, folders, exclude, flags, gone, protocol } = settings
  if (protocol === 'pop3')
    throw new MailError(`fetch.${name}.protocol is "pop3", which mail-fetch does not speak yet`, {
      exit: exits.config,
    })
  const preset = provider === undefined ? undefined : providers[provider]
  const { host, port } = settings.host ?? preset ?? { host: '', port: 0 }
  return {
    name,
    host,
    port,
    tls: settings.tls ?? (port === 993 ? 'implicit' : isLoopback(host) ? 'offered' : 'required'),
    trust: ca === undefined ? systemTrust() : trustIn(ca),
    user: settings.user ?? '',
    secret: secretOf(settings),
    choices: { folders, exclude },
    policy: { flags, gone },
    bytesPerDay: settings.bytes_per_day,
    maildir: `${user.home}/Maildir`,
    state: `${user.home}/fetch/${name}.state`,
  }
}

function secretOf(settings: AccountConfig): (renew: boolean) => Promise<Secret> {
  const { oauth2, provider } = settings
  if (!oauth2)
    return async () => {
      const password = await readPassword(settings)
      // Google shows its app passwords in groups of four.
      const isGrouped = provider === 'gmail' && /^[a-z]{4}(?: [a-z]{4}){3}$/.test(password)
      return { password: isGrouped ? password.replaceAll(' ', '') : password }
    }
  const token = tokenSource(oauth2)
  return async renew => ({ token: await token(renew) })
}
