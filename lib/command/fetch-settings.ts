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
  const own = ca === undefined ? undefined : trustIn(ca)
  const { host, port } = settings.host ?? serverOf(provider, protocol)
  return {
    name,
    protocol,
    host,
    port,
    tls:
      settings.tls ?? (port === 993 || port === 995 ? 'implicit' : isLoopback(host) ? 'offered' : 'required'),
    trust: own ? () => own : systemTrust,
    user: settings.user ?? '',
    secret: secretOf(settings),
    choices: { folders, exclude },
    policy: { flags, gone },
    bytesPerDay: settings.bytes_per_day,
    labels: settings.labels,
    allMail: settings.all_mail,
    maildir: `${user.home}/Maildir`,
    state: `${user.home}/fetch/${name}.state`,
  }
}

/** @throws MailError (78) for a provider that has no such server */
function serverOf(provider: string | undefined, protocol: 'imap' | 'pop3'): { host: string; port: number } {
  const preset = provider === undefined ? undefined : providers[provider]
  if (!preset) return { host: '', port: 0 }
  if (protocol === 'imap') return preset
  if (preset.pop3 !== undefined) return { host: preset.pop3, port: 995 }
  throw new MailError(`${preset.name} has no POP3 server; leave protocol = "pop3" out`, {
    exit: exits.config,
  })
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
