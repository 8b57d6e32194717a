/** Dovecot 2.3 and 2.4: users, where the mail is, ports, certificate. */
import { join } from 'node:path'
import { type Imported, quoted } from './import.js'
import { type DovecotSetting, passwdLines, readDovecot } from './import-dovecot-files.js'
import type { Note } from './import-note.js'

type Fate = Pick<Note, 'fate' | 'detail'>

const kept = (detail: string): Fate => ({ fate: 'kept', detail })
const changed = (detail: string): Fate => ({ fate: 'changed', detail })
const unsupported = (detail: string): Fate => ({ fate: 'unsupported', detail })

/** Reads a directory such as /etc/dovecot. @throws MailError (66) without dovecot.conf */
export function importDovecot(directory: string, imported: Imported): void {
  new DovecotImport(directory, imported).run()
}

const portsOf = { imap: 143, imaps: 993, pop3: 110, pop3s: 995, sieve: 4190 } as const
type Port = keyof typeof portsOf

class DovecotImport {
  readonly #directory: string
  readonly #imported: Imported
  readonly #settings: DovecotSetting[]
  readonly #ports = new Map<Port, number>()
  #protocols: string[] | undefined
  #listen = ['0.0.0.0']
  #home: string | undefined
  #mail: string | undefined
  #driver = 'maildir'

  constructor(directory: string, imported: Imported) {
    this.#directory = directory
    this.#imported = imported
    this.#settings = readDovecot(directory)
  }

  run(): void {
    for (const { file, path, value } of this.#settings) {
      const setting = `${path.join(' / ')} = ${value}`
      this.#imported.notes.push({ ...this.#take(path, value), where: file, setting })
    }
    this.#place()
    this.#users()
    this.#listeners()
  }

  #take(path: readonly string[], value: string): Fate {
    const [first = '', second = ''] = path
    const name = path.at(-1) ?? ''
    if (/^(passdb|userdb)\b/.test(first)) return this.#database(first, name, value)
    if (first.startsWith('service ') && second.startsWith('inet_listener ') && name === 'port')
      return this.#port(second.split(' ')[1] ?? '', Number(value))
    if (path.length > 1) return this.#inBlock(path, value)
    switch (name) {
      case 'protocols':
        this.#protocols = value
          .replaceAll('$protocols', '')
          .split(/\s+/)
          .filter(each => each !== '')
        return kept('listeners')
      case 'listen':
        this.#listen = value.split(/[,\s]+/).map(each => (each === '*' ? '0.0.0.0' : each))
        return kept('listeners')
      case 'mail_location':
        return this.#location(value)
      case 'mail_driver':
        this.#driver = value
        return value === 'maildir'
          ? kept('Maildir++')
          : unsupported(`mail is kept as Maildir here, not as ${value}`)
      case 'mail_path':
        this.#mail = value
        return kept('users.home, as far as it ends in Maildir')
      case 'mail_home':
        this.#home = value
        return kept('users.home')
      case 'ssl_cert':
      case 'ssl_server_cert_file':
        return this.#tls('certificate', value)
      case 'ssl_key':
      case 'ssl_server_key_file':
        return this.#tls('key', value)
      case 'ssl_min_protocol':
        return this.#minimum(value)
      case 'auth_mechanisms':
        return this.#mechanisms(value)
      case 'auth_username_format':
        return changed('names are compared without case, and bare ones get the first of domains')
      case 'auth_default_domain':
      case 'auth_default_realm':
        if (value !== '') this.#imported.domains = [...new Set([value, ...this.#imported.domains])]
        return kept('the first of domains')
      case 'recipient_delimiter':
        return value === '+'
          ? kept('name+detail')
          : unsupported(`say delimiter = ${JSON.stringify(value)} in [users]`)
      default:
        return unsupported(reasonFor(name))
    }
  }

  #inBlock(path: readonly string[], value: string): Fate {
    const name = path.at(-1) ?? ''
    if (path[0]?.startsWith('namespace')) {
      if (name === 'separator' && value !== '.' && value !== '')
        return changed('between levels stands "." here, as on disk; clients ask for it')
      if (name === 'special_use') return changed('Drafts, Sent, Junk, Trash and Archive are special')
      return changed('there is one namespace, with INBOX and the usual folders')
    }
    if (name === 'quota_rule' && /^\*:storage=\d+[kMGT]?$/.test(value)) {
      this.#imported.settings.push([
        'mailbox',
        `quota = ${quoted(value.slice('*:storage='.length).replace('k', 'K'))}`,
      ])
      return kept('mailbox.quota')
    }
    if (name === 'sieve')
      return /^(file:)?~\/sieve;active=~\/\.dovecot\.sieve$|^~\/\.dovecot\.sieve$/.test(value)
        ? kept('HOME/sieve and HOME/.dovecot.sieve')
        : changed(
            'scripts are in HOME/sieve, the active one is the link HOME/.dovecot.sieve: move them there',
          )
    return unsupported(reasonFor(path[0]?.split(' ')[0] ?? ''))
  }

  /** passdb and userdb: a passwd-file can be taken over, and a place that is the same for all. */
  #database(block: string, name: string, value: string): Fate {
    const driver = block.split(' ')[1] ?? this.#inSame(block, 'driver')
    const isPassword = block.startsWith('passdb')
    if (name === 'driver' || name === block) return this.#driverFate(driver)
    if (driver === 'static' && (name === 'args' || name === 'home')) {
      const home = name === 'home' ? value : /(?:^|\s)home=(\S+)/.exec(value)?.[1]
      if (home !== undefined) this.#home = home
      return home === undefined ? unsupported('all mail belongs to one user here') : kept('users.home')
    }
    if (driver !== 'passwd-file') return this.#driverFate(driver)
    if (!isPassword) return kept('the users file has both')
    if (name === 'args' || name === 'passwd_file_path') {
      const path = value.split(/\s+/).at(-1) ?? ''
      const scheme =
        /(?:^|\s)scheme=(\S+)/i.exec(value)?.[1] ?? this.#inSame(block, 'default_password_scheme') ?? 'CRYPT'
      return this.#passwd(path, scheme)
    }
    return name === 'default_password_scheme'
      ? kept('it stands with each password')
      : unsupported(reasonFor(name))
  }

  #driverFate(driver: string | undefined): Fate {
    if (driver === 'passwd-file' || driver === 'static') return kept('the users file')
    return unsupported(`users come from a passwd-file only, not from ${driver}: mail-user add makes them`)
  }

  #inSame(block: string, name: string): string | undefined {
    return this.#settings.find(({ path }) => path[0] === block && path.at(-1) === name)?.value
  }

  #passwd(path: string, scheme: string): Fate {
    const moved = path.startsWith('/etc/dovecot/')
      ? join(this.#directory, path.slice('/etc/dovecot/'.length))
      : path
    const lines = passwdLines(moved)
    if (!lines) return unsupported(`${moved} cannot be read`)
    for (const line of lines) {
      const [user = '', password = '', , , gecos = '', home = '', , ...extra] = line.split(':')
      if (this.#imported.users.some(known => known.startsWith(`${user}:`))) continue
      const stored = password === '' || password.startsWith('{') ? password : `{${scheme}}${password}`
      // The servers run as one user, whose all mail is: numbers would only mislead.
      this.#imported.users.push(
        [user, stored, '', '', gecos, home, '', extra.join(':')].join(':').replace(/:+$/, ''),
      )
      const domain = user.split('@')[1]?.toLowerCase()
      if (domain && !this.#imported.domains.includes(domain)) this.#imported.domains.push(domain)
    }
    return kept(`users: ${lines.length} lines, without uid and gid`)
  }

  #location(value: string): Fate {
    const [driver = '', path = '', ...options] = value.split(':')
    this.#driver = driver
    if (driver !== 'maildir') return unsupported(`mail is kept as Maildir here, not as ${driver}`)
    this.#mail = path
    const bad = options.filter(option => /^(CONTROL|LAYOUT=fs|INBOX|DIRNAME)/.test(option))
    for (const option of bad)
      if (option.startsWith('CONTROL'))
        this.#imported.todo.push(
          `copy dovecot-uidlist and dovecot-keywords of each folder from ${option.slice(8)} into the folder, or every UID changes`,
        )
    if (bad.length > 0)
      return changed(`users.home; ${bad.join(' and ')} has no counterpart: all stands in the Maildir itself`)
    return kept('users.home')
  }

  #tls(key: string, value: string): Fate {
    const path = value.replace(/^</, '')
    if (this.#imported.settings.some(([table, line]) => table === 'tls' && line.startsWith(`${key} =`)))
      return unsupported(`tls.${key} is set already: there is one certificate for all`)
    this.#imported.settings.push(['tls', `${key} = ${quoted(path)}`])
    this.#imported.todo.push(`let the user postern read ${path}, or copy it to /etc/postern/tls`)
    return kept(`tls.${key}`)
  }

  #minimum(value: string): Fate {
    if (!/^TLSv1(\.[123])?$/.test(value)) return unsupported('tls.minimum is a version of TLS')
    this.#imported.settings.push(['tls', `minimum = ${quoted(value)}`])
    return kept('tls.minimum')
  }

  #mechanisms(value: string): Fate {
    const known = ['PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'CRAM-MD5', 'XOAUTH2', 'OAUTHBEARER', 'APOP']
    const all = value.toUpperCase().split(/\s+/)
    const good = all.filter(each => known.includes(each))
    if (good.length > 0)
      this.#imported.settings.push(['login', `mechanisms = [${good.map(quoted).join(', ')}]`])
    return good.length === all.length
      ? kept('login.mechanisms')
      : changed(`login.mechanisms, without ${all.filter(each => !good.includes(each)).join(', ')}`)
  }

  #port(name: string, port: number): Fate {
    if (!(name in portsOf)) return unsupported('there is no such server here')
    this.#ports.set(name as Port, port)
    return kept(port === 0 ? 'no listener' : 'a listener')
  }

  /** Mail is in HOME/Maildir: elsewhere a link puts it there. */
  #place(): void {
    if (this.#driver !== 'maildir' || this.#mail === undefined) return
    const mail = ours(this.#mail)
    const home = this.#home === undefined ? undefined : ours(this.#home)
    const relative = /^(?:~|%h)\/(.*)$/.exec(mail)?.[1]
    const template = relative === undefined ? /^(.*)\/Maildir\/?$/.exec(mail)?.[1] : home
    if (template !== undefined && /%[und]/.test(template))
      this.#imported.settings.push(['users', `home = ${quoted(template)}`])
    else if (relative === undefined)
      this.#imported.todo.push(
        `for each user: ln -s ${mail} HOME/Maildir (HOME is /var/lib/postern/home/%d/%n)`,
      )
    if (relative !== undefined && relative.replace(/\/$/, '') !== 'Maildir')
      this.#imported.todo.push(`for each user: ln -s ${relative} HOME/Maildir`)
    this.#imported.todo.push('stop Dovecot, then: chown -R postern:postern the homes')
  }

  #users(): void {
    if (this.#imported.users.length === 0)
      this.#imported.todo.push('mail-user add each user: none could be taken over')
  }

  #listeners(): void {
    const servers = [
      ['imapd', 'imap', ['imap', 'imaps']],
      ['pop3d', 'pop3', ['pop3', 'pop3s']],
      ['sieved', 'sieve', ['sieve']],
    ] as const
    const protocols = this.#protocols ?? ['imap', 'pop3', 'lmtp']
    for (const [server, protocol, names] of servers) {
      const ports = protocols.includes(protocol)
        ? names.map(name => this.#ports.get(name) ?? portsOf[name])
        : []
      // Where both families are listened on, the one of IPv6 would take the other's port too.
      const hosts = this.#listen.filter(host => !host.includes(':'))
      const addresses = ports
        .filter(port => port > 0)
        .flatMap(port => hosts.map(host => `{ address = ${quoted(`${host}:${port}`)} }`))
      this.#imported.settings.push([server, `listen = [${addresses.join(', ')}]`])
    }
  }
}

/** Dovecot's variables in ours: %u, %n, %d, %h. */
function ours(text: string): string {
  return text
    .replace(/%\{user\s*\|\s*username(?:\s*\|\s*lower)?\}|%\{username\}|%Ln/g, '%n')
    .replace(/%\{user\s*\|\s*domain(?:\s*\|\s*lower)?\}|%\{domain\}|%Ld/g, '%d')
    .replace(/%\{user(?:\s*\|\s*lower)?\}|%Lu/g, '%u')
    .replace(/%\{home\}/g, '%h')
    .replace(/\/+$/, '')
}

function reasonFor(name: string): string {
  if (
    /^(dovecot_config_version|dovecot_storage_version|log_path|.*_log_path|base_dir|state_dir|instance_name)$/.test(
      name,
    )
  )
    return 'it is about Dovecot itself'
  if (/^(mail_uid|mail_gid|mail_privileged_group|first_valid_|last_valid_)/.test(name))
    return 'all mail belongs to the user postern'
  if (/^(service|process_|client_limit|vsz)/.test(name)) return 'there is one process for each protocol'
  if (/^(mail_plugins|plugin|protocol)/.test(name))
    return 'there are no plugins; filters, quota and search are built in'
  if (/^ssl$|^disable_plaintext_auth$|^auth_allow_cleartext$/.test(name))
    return 'passwords never cross the network in the clear'
  return 'there is no such setting'
}
