/** What comes of the settings of other mail programs: mail.toml, users, aliases, secrets, and a word on each setting. */
import type { Note } from './import-note.js'

/** A smarthost, and the login there. */
export interface ImportedHost {
  readonly host: string
  readonly tls: 'implicit' | 'required' | 'offered' | 'off'
  /** A file of authorities, where the system's will not do. */
  readonly ca?: string
  readonly user?: string
  /** Goes into a file of its own. */
  readonly password?: string
  readonly passwordCommand?: string
}

export interface ImportedRoute extends ImportedHost {
  /** A pattern of senders, or of recipients. */
  readonly sender?: string
  readonly recipient?: string
}

export interface ImportedAccount extends ImportedHost {
  readonly name: string
  readonly protocol: 'imap' | 'pop3'
  /** Whose mail it becomes; the first user's unless known. */
  readonly into?: string
  readonly folders: readonly string[]
  readonly exclude: readonly string[]
  readonly gone?: 'trash'
}

/** What the importers put together. Keys that nobody sets have Postern's defaults. */
export interface Imported {
  hostname?: string
  domains: string[]
  /** Lines of tables, as mail.toml has them: `['smtpd', 'max_message_size = 100']`. */
  settings: [table: string, line: string][]
  relay?: ImportedHost & { from?: string }
  senders: Map<string, string>
  routes: ImportedRoute[]
  fetch: ImportedAccount[]
  /** Lines of the users file, without line ends. */
  users: string[]
  /** Lines of the aliases file. */
  aliases: string[]
  notes: Note[]
  /** What a person has to do. */
  todo: string[]
}

export function emptyImport(): Imported {
  return {
    domains: [],
    settings: [],
    senders: new Map(),
    routes: [],
    fetch: [],
    users: [],
    aliases: [],
    notes: [],
    todo: [],
  }
}

/** A file to write, relative to the configuration's directory. */
export interface ImportedFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** The files that come of an import. */
export function filesOf(imported: Imported): ImportedFile[] {
  const secrets = new Secrets()
  const files: ImportedFile[] = [{ path: 'mail.toml', text: configurationOf(imported, secrets), mode: 0o644 }]
  if (imported.users.length > 0)
    files.push({ path: 'users', text: `${imported.users.join('\n')}\n`, mode: 0o640 })
  if (imported.aliases.length > 0)
    files.push({ path: 'aliases', text: `${imported.aliases.join('\n')}\n`, mode: 0o640 })
  for (const [name, password] of secrets.all)
    files.push({ path: `secrets/${name}`, text: `${password}\n`, mode: 0o600 })
  return files
}

/** Passwords by the names of their files; the same password for the same user is kept once. */
class Secrets {
  readonly all = new Map<string, string>()

  /** @returns the file's name */
  keep(user: string, host: string, password: string): string {
    const label = host.split(':')[0]?.split('.').slice(-2, -1)[0] ?? 'other'
    const plain = `${label}-${user}`.replace(/[^A-Za-z0-9_.@-]/g, '-')
    for (let i = 1; ; i++) {
      const name = i === 1 ? plain : `${plain}-${i}`
      if ((this.all.get(name) ?? password) !== password) continue
      this.all.set(name, password)
      return name
    }
  }
}

function configurationOf(imported: Imported, secrets: Secrets): string {
  const { hostname = 'mail.example.internal', domains, relay, routes, senders, fetch } = imported
  const lines = [
    '# Written by mail-setup import; every key is in mail.toml(5).',
    `hostname = ${quoted(hostname)}`,
    `domains = [${(domains.length > 0 ? domains : [hostname]).map(quoted).join(', ')}]`,
  ]
  const tables = [...new Set(imported.settings.map(([table]) => table))]
  for (const table of tables) {
    const own = imported.settings.filter(each => each[0] === table).map(([, line]) => line)
    lines.push('', ...(table.startsWith('[[') ? [] : [`[${table}]`]), ...own)
  }
  if (relay || routes.length > 0) lines.push('', '[relay]')
  if (relay) lines.push(...hostLines(relay, secrets))
  if (relay?.from !== undefined) lines.push(`from = ${quoted(relay.from)}`)
  if (senders.size > 0)
    lines.push(
      '[relay.senders]',
      ...[...senders].map(([inside, outside]) => `${quoted(inside)} = ${quoted(outside)}`),
    )
  for (const route of routes) lines.push('[[relay.route]]', ...routeLines(route, secrets))
  for (const account of fetch) lines.push('', ...accountLines(account, imported, secrets))
  return `${lines.join('\n')}\n`
}

function hostLines(
  { host, tls, ca, user, password, passwordCommand }: ImportedHost,
  secrets: Secrets,
): string[] {
  const lines = [`host = ${quoted(host)}`, `tls = ${quoted(tls)}`]
  if (ca !== undefined) lines.push(`ca = ${quoted(ca)}`)
  if (user === undefined) return lines
  lines.push(`user = ${quoted(user)}`)
  if (passwordCommand !== undefined) lines.push(`password_command = ${quoted(passwordCommand)}`)
  else lines.push(`password_file = ${quoted(`secrets/${secrets.keep(user, host, password ?? '')}`)}`)
  return lines
}

function routeLines(route: ImportedRoute, secrets: Secrets): string[] {
  const { sender, recipient } = route
  return [
    ...(sender === undefined ? [] : [`sender = ${quoted(sender)}`]),
    ...(recipient === undefined ? [] : [`recipient = ${quoted(recipient)}`]),
    ...hostLines(route, secrets),
  ]
}

function accountLines(account: ImportedAccount, { users, domains }: Imported, secrets: Secrets): string[] {
  const first = users[0]?.split(':')[0] ?? 'postmaster'
  const into = account.into ?? first
  const list = (names: readonly string[]) => `[${names.map(quoted).join(', ')}]`
  return [
    `[fetch.${/^[\w-]+$/.test(account.name) ? account.name : quoted(account.name)}]`,
    ...(account.protocol === 'pop3' ? ['protocol = "pop3"'] : []),
    ...hostLines(account, secrets),
    `into = ${quoted(into.includes('@') ? into : `${into}@${domains[0] ?? 'example.internal'}`)}`,
    ...(account.folders.length > 0 ? [`folders = ${list(account.folders)}`] : []),
    ...(account.exclude.length > 0 ? [`exclude = ${list(account.exclude)}`] : []),
    ...(account.gone ? [`gone = ${quoted(account.gone)}`] : []),
  ]
}

/** A basic string of TOML. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replace(/\p{Cc}/gu, each => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
}
