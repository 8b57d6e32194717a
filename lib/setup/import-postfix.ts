/** Postfix: main.cf with its maps, master.cf. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Imported, type ImportedHost, quoted } from './import.js'
import type { Note } from './import-note.js'
import { expand, type PostfixMap, parseMainCf, readMaps, readSource } from './import-postfix-files.js'
import { importServices } from './import-postfix-services.js'

/** Debian's bundle: the system's authorities, which are asked anyway. */
const usualAuthorities = '/etc/ssl/certs/ca-certificates.crt'

/** Reads a directory such as /etc/postfix. @throws MailError (66) without main.cf */
export function importPostfix(directory: string, imported: Imported): void {
  new PostfixImport(directory, imported).run()
}

type Handler = (value: string, name: string) => Pick<Note, 'fate' | 'detail'> | undefined

const kept = (detail: string) => ({ fate: 'kept', detail }) as const
const changed = (detail: string) => ({ fate: 'changed', detail }) as const
const unsupported = (detail: string) => ({ fate: 'unsupported', detail }) as const

class PostfixImport {
  readonly #directory: string
  readonly #file: string
  readonly #imported: Imported
  readonly #settings: Map<string, string>

  constructor(directory: string, imported: Imported) {
    this.#directory = directory
    this.#file = join(directory, 'main.cf')
    this.#imported = imported
    this.#settings = parseMainCf(readSource(this.#file))
  }

  run(): void {
    this.#names()
    const handlers: Readonly<Record<string, Handler>> = {
      ...this.#plain(),
      ...this.#relaying(),
      ...this.#addresses(),
    }
    // What is rewritten on the way out needs the way out to be there.
    const first = ([name]: [string, string]) => (name === 'relayhost' ? 0 : 1)
    for (const [name, raw] of [...this.#settings].sort((a, b) => first(a) - first(b))) {
      const note = handlers[name]?.(this.#value(name), name) ?? unsupported(reasonFor(name))
      this.#imported.notes.push({ ...note, where: this.#file, setting: `${name} = ${raw}` })
    }
    importServices(this.#directory, this.#imported, name => this.#value(name))
  }

  #value(name: string): string {
    const known = new Map([['config_directory', this.#directory], ...this.#settings])
    return expand(known, this.#settings.get(name) ?? '')
  }

  /** Other settings are made of these two, whether they are set or not. */
  #names(): void {
    const settings = this.#settings
    if (!settings.has('mydomain')) {
      const domain = settings.get('myhostname')?.split('.').slice(1).join('.')
      if (domain) settings.set('mydomain', domain)
    }
    const { hostname } = this.#imported
    const name = this.#value('myhostname')
    if (hostname === undefined && name !== '') this.#imported.hostname = name
    this.#domain(this.#origin())
  }

  /** Bare names get this domain: it comes first. */
  #origin(): string {
    const value = this.#value('myorigin')
    if (!value.startsWith('/')) return value === '' ? this.#value('mydomain') : value
    const moved = join(this.#directory, '..', value.split('/').at(-1) ?? '')
    return existsSync(moved) ? readFileSync(moved, 'utf8').trim() : this.#value('mydomain')
  }

  #domain(name: string): void {
    const plain = name.toLowerCase()
    if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(plain) || /(^|\.)localhost(\.|$)|^localhost/.test(plain)) return
    if (!this.#imported.domains.includes(plain)) this.#imported.domains.push(plain)
  }

  #set(table: string, line: string): void {
    this.#imported.settings.push([table, line])
  }

  /** Settings that are one key here. */
  #plain(): Record<string, Handler> {
    const domains: Handler = value => {
      const all = value.split(/[,\s]+/).filter(each => each !== '')
      const odd = all.filter(each => /^(\w+:|\/)/.test(each))
      for (const each of all) if (!odd.includes(each)) this.#domain(each)
      return odd.length > 0
        ? changed(`domains, without the tables ${odd.join(', ')}: add what they list`)
        : kept('domains')
    }
    const file =
      (key: string): Handler =>
      value => {
        const path = value.startsWith('/') ? value : join('/etc/postfix', value)
        this.#set('tls', `${key} = ${quoted(path)}`)
        this.#imported.todo.push(`let the user postern read ${path}, or copy it to /etc/postern/tls`)
        return kept(`tls.${key}`)
      }
    const time =
      (key: string): Handler =>
      value => {
        const text = /^\d+$/.test(value) ? `${value}s` : value
        if (!/^\d+[smhdw]$/.test(text)) return unsupported('this is no time')
        const plain = text.endsWith('w') ? `${Number.parseInt(text, 10) * 7}d` : text
        if (Number.parseInt(plain, 10) === 0) return unsupported(`queue.${key} cannot be off`)
        this.#set('queue', `${key} = ${quoted(plain)}`)
        return kept(`queue.${key}`)
      }
    const number =
      (table: string, key: string): Handler =>
      value => {
        if (!/^[1-9]\d*$/.test(value)) return unsupported(`${table}.${key} must be at least 1`)
        this.#set(table, `${key} = ${value}`)
        return kept(`${table}.${key}`)
      }
    return {
      myhostname: () => kept('hostname'),
      mydomain: () => kept('domains'),
      myorigin: () => kept('the first of domains, which bare names get'),
      mydestination: domains,
      virtual_mailbox_domains: domains,
      virtual_alias_domains: domains,
      mynetworks: value => this.#trusted(value),
      message_size_limit: number('smtpd', 'max_message_size'),
      smtpd_recipient_limit: number('smtpd', 'max_recipients'),
      smtpd_tls_cert_file: file('certificate'),
      smtpd_tls_key_file: file('key'),
      smtpd_tls_security_level: () =>
        changed('TLS is required on 587 and 465, offered on 25; see the listeners'),
      smtpd_use_tls: () => changed('TLS is required on 587 and 465, offered on 25; see the listeners'),
      smtpd_sasl_auth_enable: () => changed('logins are required on 587 and 465, offered on 25'),
      maximal_queue_lifetime: time('max_age'),
      delay_warning_time: time('warn_after'),
      minimal_backoff_time: time('first_retry'),
      maximal_backoff_time: time('last_retry'),
      recipient_delimiter: value =>
        value === '+'
          ? kept('name+detail is understood; see deliver.detail')
          : unsupported(`say delimiter = ${JSON.stringify(value)} in [users]`),
      home_mailbox: value =>
        value === 'Maildir/' ? kept('HOME/Maildir') : unsupported('mail is delivered into HOME/Maildir only'),
    }
  }

  #trusted(value: string): Pick<Note, 'fate' | 'detail'> {
    const all = value.split(/[,\s]+/).filter(each => each !== '')
    const networks = all.map(each =>
      each.replace(/^\[::ffff:([\d.]+)\]\/(\d+)$/, (_, a, n) => `${a}/${n - 96}`).replace(/[[\]]/g, ''),
    )
    const good = networks.filter(each => /^[\da-f.:]+(\/\d+)?$/i.test(each))
    const odd = all.length - good.length
    this.#set('smtpd', `trusted = [${[...new Set(good)].map(quoted).join(', ')}]`)
    return odd > 0 ? changed('smtpd.trusted, without what is no network') : kept('smtpd.trusted')
  }

  /** The way out. */
  #relaying(): Record<string, Handler> {
    const login: Handler = () => kept('the passwords are in files of their own, mode 600')
    const concurrency: Handler = value => {
      if (!this.#settings.get('relayhost')) return unsupported('there is no relayhost')
      const count = Number(value)
      return count > 0
        ? changed('relay.concurrency is 2 unless set: providers refuse more')
        : unsupported('it is 0')
    }
    return {
      relayhost: value => {
        if (value === '') return kept('mail for other domains is refused without [relay]')
        this.#imported.relay = this.#host(value, value)
        const { host } = this.#imported.relay
        return value.startsWith('[')
          ? kept(`relay.host ${host}`)
          : changed(`relay.host ${host}; its MX is not looked up`)
      },
      smtp_sasl_password_maps: login,
      smtp_sasl_auth_enable: login,
      smtp_sasl_security_options: () => changed('passwords go over TLS only'),
      smtp_sasl_tls_security_options: () => changed('passwords go over TLS only'),
      smtp_sender_dependent_authentication: login,
      smtp_tls_security_level: () => kept(`relay.tls ${this.#tls()}`),
      smtp_tls_wrappermode: () => kept('relay.tls'),
      smtp_tls_CAfile: value => {
        if (value === usualAuthorities) return kept("the system's authorities")
        this.#imported.todo.push(`let the user postern read ${value}`)
        return kept('relay.ca')
      },
      smtp_use_tls: () => kept(`relay.tls ${this.#tls()}`),
      sender_dependent_relayhost_maps: value => this.#senderRoutes(value),
      transport_maps: value => this.#transports(value),
      smtp_destination_concurrency_limit: concurrency,
      default_destination_concurrency_limit: concurrency,
    }
  }

  #tls(): ImportedHost['tls'] {
    if (this.#value('smtp_tls_wrappermode') === 'yes') return 'implicit'
    const level = this.#value('smtp_tls_security_level')
    if (level === '') return this.#value('smtp_use_tls') === 'yes' ? 'offered' : 'off'
    return level === 'none' ? 'off' : /^(may|dane)$/.test(level) ? 'offered' : 'required'
  }

  /** @param next as Postfix writes it: `[host]:port` @param keys under which its login may be found */
  #host(next: string, ...keys: string[]): ImportedHost {
    const [, bracketed, plain, port = '25'] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\w+))?$/.exec(next) ?? []
    const named: Record<string, string> = { smtp: '25', submission: '587', smtps: '465', submissions: '465' }
    const number = named[port] ?? port
    const name = bracketed ?? plain ?? next
    const tls = number === '465' ? 'implicit' : this.#tls()
    const [user, password] = this.#login([...keys, name]) ?? []
    const host = `${name.includes(':') ? `[${name}]` : name}:${number}`
    const authorities = this.#value('smtp_tls_CAfile')
    const ca = authorities === '' || authorities === usualAuthorities ? {} : { ca: authorities }
    if (user === undefined || password === undefined) return { host, tls, ...ca }
    // A password never goes out in the clear.
    return { host, tls: tls === 'implicit' ? tls : 'required', ...ca, user, password }
  }

  #login(keys: readonly string[]): [string, string] | undefined {
    const entries = this.#maps('smtp_sasl_password_maps').flatMap(map => map.entries)
    for (const key of keys) {
      const value = entries.find(([other]) => other === key)?.[1]
      const at = value?.indexOf(':') ?? -1
      if (value !== undefined && at > 0) return [value.slice(0, at), value.slice(at + 1)]
    }
    return undefined
  }

  #maps(name: string): PostfixMap[] {
    return this.#settings.has(name) ? readMaps(this.#value(name), this.#directory).maps : []
  }

  /** Reads the maps of a setting, and says of each entry what became of it. */
  #entries(value: string, use: (key: string, value: string) => Pick<Note, 'fate' | 'detail'>) {
    const { maps, trouble } = readMaps(value, this.#directory)
    for (const { file, entries } of maps)
      for (const [key, text] of entries) {
        const note = use(key, text)
        this.#imported.notes.push({ ...note, where: file, setting: `${key} ${text}` })
      }
    if (trouble.length === 0) return kept('see its entries')
    return maps.length > 0
      ? changed(`without what cannot be read: ${trouble.join('; ')}`)
      : unsupported(trouble.join('; '))
  }

  #senderRoutes(value: string) {
    return this.#entries(value, (key, next) => {
      if (/^(DUNNO|dunno)$/.test(next))
        return unsupported('an exception is not a route; put a route before the others')
      const sender = key.startsWith('@') ? `*${key}` : key
      const own = this.#value('smtp_sender_dependent_authentication') === 'yes' ? [key] : []
      this.#imported.routes.push({ sender, ...this.#host(next, ...own, next) })
      return kept(`a relay.route of ${sender}`)
    })
  }

  #transports(value: string) {
    return this.#entries(value, (key, text) => {
      const [, transport, next] = /^([\w-]*):(.*)$/.exec(text) ?? []
      if (transport === 'lmtp' || transport === 'virtual' || transport === 'local' || transport === 'dovecot')
        return changed('mail for domains is delivered by Postern itself')
      if ((transport !== 'smtp' && transport !== 'relay' && transport !== '') || !next || key === '*')
        return unsupported('only smtp:[HOST]:PORT for a domain or an address is a route')
      const recipient = key.includes('@') ? key : `*@${key.startsWith('.') ? `*${key}` : key}`
      this.#imported.routes.push({ recipient, ...this.#host(next, next) })
      return key.startsWith('.')
        ? unsupported('subdomains have to be named one by one')
        : kept(`a relay.route to ${recipient}`)
    })
  }

  /** Who is who. */
  #addresses(): Record<string, Handler> {
    const aliases: Handler = value => this.#entries(value, (key, text) => this.#alias(key, text))
    const rewriting: Handler = value => this.#entries(value, (key, text) => this.#rewriting(key, text))
    return {
      alias_maps: aliases,
      virtual_alias_maps: aliases,
      alias_database: () => unsupported('the aliases file is read as it is, so nothing has to be made of it'),
      virtual_mailbox_maps: () => changed('who has mail here is in the users file'),
      smtp_generic_maps: rewriting,
      canonical_maps: rewriting,
      sender_canonical_maps: rewriting,
    }
  }

  #alias(key: string, text: string): Pick<Note, 'fate' | 'detail'> {
    const targets = text.split(/\s*,\s*/).filter(each => each !== '')
    const odd = targets.filter(each => /^["']?[|/:]/.test(each))
    if (odd.length > 0) return unsupported(`aliases run no programs and write no files: ${odd.join(', ')}`)
    const known = this.#imported.aliases.some(line => line.startsWith(`${key}:`))
    if (known) return unsupported('an earlier table has this name already')
    this.#imported.aliases.push(`${key}: ${targets.join(', ')}`)
    return kept('aliases')
  }

  /** From addresses here to addresses outside. */
  #rewriting(key: string, text: string): Pick<Note, 'fate' | 'detail'> {
    if (!/^[^@\s]+@[^@\s]+$/.test(text))
      return unsupported('only a whole address can take the place of another')
    if (key.startsWith('@')) {
      if (!this.#imported.relay) this.#imported.todo.push(`set from = ${quoted(text)} in [relay]`)
      else this.#imported.relay.from = text
      return changed('relay.from: whatever goes out is sent from this address, and answers come back')
    }
    const inside = key.includes('@') ? key : `${key}@${this.#imported.domains[0] ?? ''}`
    this.#imported.senders.set(inside, text)
    return changed('relay.senders: for mail that goes out; the origin goes to Reply-To')
  }
}

/** Why a setting that has no counterpart needs none, where that can be said. */
function reasonFor(name: string): string {
  if (
    /^(biff|append_dot_mydomain|readme_directory|compatibility_level|queue_directory|.*_directory|mail_owner|setgid_group)$/.test(
      name,
    )
  )
    return 'it is about Postfix itself'
  if (/restrictions$|_checks$|milter|postscreen|content_filter/.test(name))
    return 'Postern takes mail from logins, trusted networks and the LAN only, by its own rules'
  if (/cache|session/.test(name)) return 'nothing has to be tuned here'
  if (/^smtpd_sasl_/.test(name)) return 'logins are checked by the users file'
  if (
    /virtual_(uid|gid)_maps|virtual_mailbox_base|virtual_transport|mailbox_(command|transport)|local_recipient_maps/.test(
      name,
    )
  )
    return 'Postern delivers mail itself, for the users of its users file'
  return 'there is no such setting'
}
