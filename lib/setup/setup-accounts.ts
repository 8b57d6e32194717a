/** Accounts at providers, as people name them on a command line: `gmail:me@gmail.com`, `smtp.example.org:465:me`. */
import { exits, MailError } from '../sys/error.js'
import { parseAddress } from '../sys/sockets.js'

/** The smarthosts of providers; those of fetch are known by name to the configuration. */
const smarthosts: Readonly<Record<string, string>> = {
  gmail: 'smtp.gmail.com:465',
  naver: 'smtp.naver.com:465',
  daum: 'smtp.daum.net:465',
  outlook: 'smtp-mail.outlook.com:587',
  yahoo: 'smtp.mail.yahoo.com:465',
  icloud: 'smtp.mail.me.com:587',
}

export interface OutsideAccount {
  /** For the table and the file of its password: `gmail`, or the host's first words. */
  readonly name: string
  /** A known provider; undefined where the host is named. */
  readonly provider: string | undefined
  /** Host and port; undefined for fetch from a provider. */
  readonly host: string | undefined
  readonly user: string
}

/**
 * Reads an account.
 *
 * @param kind what it is for: the smarthost's name is needed to relay
 * @throws MailError (64) for an unknown provider, or what is no account
 */
export function parseAccount(text: string, kind: 'relay' | 'fetch'): OutsideAccount {
  const at = text.lastIndexOf(':')
  const where = text.slice(0, at)
  const user = text.slice(at + 1)
  const bad = (reason: string) =>
    new MailError(`--${kind} ${text}: ${reason}; write gmail:me@gmail.com or HOST:PORT:USER`, {
      exit: exits.usage,
    })
  if (at < 1 || user === '' || /[\s"\\\p{Cc}]/u.test(text)) throw bad('that is no account')
  const provider = where.toLowerCase()
  if (Object.hasOwn(smarthosts, provider)) {
    if (!/^[^@]+@[^@]+$/.test(user)) throw bad(`${user} is no address`)
    return { name: provider, provider, host: kind === 'relay' ? smarthosts[provider] : undefined, user }
  }
  const address = parseAddress(where)
  if (!address || !('port' in address) || address.port === 0)
    throw bad(
      where.includes(':')
        ? `${where} is no host with a port`
        : `"${where}" is none of ${Object.keys(smarthosts).join(', ')}`,
    )
  return { name: nameOf(address.host), provider: undefined, host: where, user }
}

/** `imap.example.org` is called example. */
function nameOf(host: string): string {
  const labels = host.toLowerCase().split('.')
  const name = labels.length > 1 ? labels.at(-2) : labels[0]
  return (name ?? '').replace(/[^a-z0-9_-]/g, '-') || 'other'
}

/** Gives accounts of one name each a name of its own: gmail, gmail-work. */
export function withNames(accounts: readonly OutsideAccount[]): OutsideAccount[] {
  const users = new Map<string, string>()
  return accounts.map(account => {
    const local = account.user.split('@')[0]?.replace(/[^A-Za-z0-9_-]/g, '-') ?? ''
    const isTaken = (users.get(account.name) ?? account.user) !== account.user
    const name = isTaken ? `${account.name}-${local}` : account.name
    users.set(name, account.user)
    return { ...account, name }
  })
}
