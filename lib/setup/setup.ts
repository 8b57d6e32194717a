/** From the answers of a person to the configuration, and what that person has to do elsewhere: DNS, trust. */
import { quoted } from './import.js'
import { type OutsideAccount, parseAccount, withNames } from './setup-accounts.js'

/** All that a set-up needs to know. */
export interface Answers {
  readonly domain: string
  readonly hostname: string
  /** Local parts or whole addresses; the first gets the mail of postmaster and root, and what is pulled in. */
  readonly users: readonly string[]
  /** As on the command line: see {@link parseAccount}. */
  readonly relays: readonly string[]
  readonly fetch: readonly string[]
  readonly pop3: boolean
  readonly sieve: boolean
}

/** Accounts with the names under which their passwords are kept. */
export interface Accounts {
  readonly relays: readonly OutsideAccount[]
  readonly fetch: readonly OutsideAccount[]
}

/** @throws MailError (64) for what is no account */
export function accountsOf({ relays, fetch }: Answers): Accounts {
  // One list: an account that mail goes out by and comes in from has one password.
  const all = withNames([
    ...relays.map(text => parseAccount(text, 'relay')),
    ...fetch.map(text => parseAccount(text, 'fetch')),
  ])
  return { relays: all.slice(0, relays.length), fetch: all.slice(relays.length) }
}

/** mail.toml for the answers: commented, and no longer than what is asked for. */
export function configurationOf(answers: Answers): string {
  const { relays, fetch } = accountsOf(answers)
  const [first, ...others] = relays
  const into = addressOf(answers.users[0] ?? 'postmaster', answers.domain)
  return [
    '# Every key is in mail.toml(5). mail-check says what is wrong; run `mail-setup units` when a listener changed.',
    `hostname = ${quoted(answers.hostname)}`,
    `domains = [${quoted(answers.domain)}]`,
    '',
    '[smtpd]    # services and mail clients send here, with a login',
    'listen = [{ address = "0.0.0.0:587" }, { address = "0.0.0.0:465" }]',
    '[imapd]    # mail clients read here',
    'listen = [{ address = "0.0.0.0:993" }]',
    ...(answers.pop3 ? ['[pop3d]', 'listen = [{ address = "0.0.0.0:995" }]'] : []),
    ...(answers.sieve ? ['[sieved]   # filters', 'listen = [{ address = "0.0.0.0:4190" }]'] : []),
    ...(first ? ['', '[relay]    # mail to the outside goes this way', ...smarthost(first)] : []),
    ...others.flatMap(route),
    ...fetch.flatMap((account, i) => source(account, into, i === 0)),
    '',
  ].join('\n')
}

function smarthost({ name, host, user }: OutsideAccount): string[] {
  const from = user.includes('@') ? [`from = ${quoted(user)}`] : []
  return [
    `host = ${quoted(host ?? '')}`,
    `user = ${quoted(user)}`,
    `password_file = ${quoted(`secrets/${name}`)}`,
    ...from,
  ]
}

/** By the sender: who writes as that account's domain goes by that account. */
function route(account: OutsideAccount): string[] {
  const domain = account.user.split('@')[1] ?? account.host?.split(':')[0] ?? ''
  return ['[[relay.route]]', `sender = ${quoted(`*@${domain}`)}`, ...smarthost(account)]
}

function source({ name, provider, host, user }: OutsideAccount, into: string, first: boolean): string[] {
  return [
    '',
    `[fetch.${name}]${first ? '    # pulled in, never changed there' : ''}`,
    provider === undefined ? `host = ${quoted(host ?? '')}` : `provider = ${quoted(provider)}`,
    `user = ${quoted(user)}`,
    `password_file = ${quoted(`secrets/${name}`)}`,
    `into = ${quoted(into)}`,
  ]
}

/** A whole address for a user. */
export function addressOf(user: string, domain: string): string {
  return user.includes('@') ? user : `${user}@${domain}`
}

/** The lines for the zone of the domain. @param address of this machine */
export function zoneLines({ domain, hostname, pop3, sieve }: Answers, address: string): string[] {
  const srv = (service: string, port: number) =>
    `_${service}._tcp.${domain}. 3600 IN SRV 0 ${port === 0 ? 0 : 1} ${port} ${port === 0 ? '.' : `${hostname}.`}`
  return [
    `${hostname}. 3600 IN ${address.includes(':') ? 'AAAA' : 'A'} ${address}`,
    `${domain}. 3600 IN MX 10 ${hostname}.`,
    srv('submissions', 465),
    srv('submission', 587),
    srv('imaps', 993),
    srv('imap', 0),
    srv('pop3s', pop3 ? 995 : 0),
    ...(sieve ? [srv('sieve', 4190)] : []),
  ]
}

/** How devices come to trust the authority. */
export function trustLines(authority: string): string[] {
  return [
    `Each device must trust ${authority} once; copy it there (not ca.key):`,
    '  iOS       open the file; Settings > General > VPN & Device Management > install; then the second switch:',
    '            Settings > General > About > Certificate Trust Settings > turn it on',
    '  Android   Settings > Security > More > Encryption & credentials > Install a certificate > CA certificate',
    '  Windows   certutil -addstore -f Root ca.crt    (as Administrator)',
    '  Thunderbird  Settings > Privacy & Security > Manage Certificates > Authorities > Import > "identify websites"',
    '  Debian    cp ca.crt /usr/local/share/ca-certificates/postern.crt && update-ca-certificates',
    "For iOS and macOS `mail-cert profile USER > USER.mobileconfig' makes one file of authority and account.",
  ]
}
