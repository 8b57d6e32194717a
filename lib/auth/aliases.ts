/** Which mailboxes and outside addresses an address stands for: aliases(5), virtual addresses, +detail, catch-all. */
import { readFileSync } from 'node:fs'
import { describe, isMissing } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { type Watch, watchFiles } from '../sys/watch.js'
import { aliasKey, parseAliases, parseTargets, type Target } from './aliases-file.js'
import { fold, foldDomain } from './name.js'
import type { User, Users } from './users.js'

/** A mailbox here that a message goes to. */
export interface Local {
  readonly user: User
  /** What stood after `+` in the local part: `alice+shop@…` has `shop`; undefined without. As written. */
  readonly detail: string | undefined
}

/** What an address comes to. All lists are free of doubles. */
export interface Expansion {
  readonly users: readonly Local[]
  /** Addresses of other domains, as the aliases file writes them (or as asked, where no alias was involved). */
  readonly remote: readonly string[]
  /** Addresses of our domains that are nobody's: the asked one itself, or one that an alias names. */
  readonly unknown: readonly string[]
  /** An alias that leads back to itself: the chain of addresses, the first and the last being the same. */
  readonly loop: readonly string[] | undefined
  /** Whether some alias sends to /dev/null: with nothing else in the lists, the message is taken and thrown away. */
  readonly discard: boolean
}

export interface AliasesOptions {
  /** The aliases file; it may be missing. */
  readonly file: string
  readonly users: Users
  /** The domains delivered here; names without a domain belong to the first. */
  readonly domains: readonly string[]
  readonly log: Log
  /** The characters of which any separates a detail from a local part; `+` unless told. */
  readonly delimiter?: string
  /** Whether to follow `:include:`; false unless told, since who may write the included file could redirect mail. */
  readonly includes?: boolean
  /** Whether to follow changes of the file; true unless told. */
  readonly watch?: boolean
}

/** An included file of its own aliases cannot be meant to make one address a thousand. */
const mostVisits = 2_000

export class Aliases {
  readonly #options: AliasesOptions
  readonly #domains: ReadonlySet<string>
  #table: ReadonlyMap<string, readonly Target[]> = new Map()
  #watch: Watch | undefined

  private constructor(options: AliasesOptions) {
    this.#options = options
    this.#domains = new Set(options.domains.map(foldDomain))
  }

  /** Never throws for what is in the file: what cannot be used is left out, with a warning in the log. */
  static async open(options: AliasesOptions): Promise<Aliases> {
    const aliases = new Aliases(options)
    aliases.reload()
    if (options.watch ?? true) aliases.#watch = await watchFiles([options.file], () => aliases.reload())
    return aliases
  }

  /** Whether mail for this domain is delivered here. */
  isOurs(domain: string): boolean {
    return this.#domains.has(foldDomain(domain))
  }

  /** Follows an address to its mailboxes; without a domain it is one of the first of ours. */
  expand(address: string): Expansion {
    const { users, delimiter = '+' } = this.#options
    return new Walk(this.#table, this.#domains, users, delimiter).expand(address)
  }

  /** Reads the file again; when it cannot be read, the aliases known before stay. */
  reload(): void {
    const { file, log } = this.#options
    try {
      this.#table = this.#read()
    } catch (error) {
      if (isMissing(error)) this.#table = new Map()
      else log.error('aliases-unreadable', { file, reason: describe(error) })
    }
  }

  async close(): Promise<void> {
    await this.#watch?.close()
  }

  /** @throws the system's error */
  #read(): Map<string, Target[]> {
    const { file, log } = this.#options
    const { entries, problems } = parseAliases(readFileSync(file, 'utf8'))
    const table = new Map<string, Target[]>()
    const warn = (line: number, reason: string) => log.warning('aliases-line-broken', { file, line, reason })
    for (const { line, reason } of problems) warn(line, reason)
    for (const { name, targets, start } of entries) {
      const key = aliasKey(name)
      if (table.has(key)) warn(start + 1, `${name} stands above already; this line is not used`)
      else
        table.set(
          key,
          this.#usable(name, targets, reason => warn(start + 1, reason)),
        )
    }
    return table
  }

  /** Leaves out what is not delivered to, and puts included files in. */
  #usable(name: string, targets: readonly Target[], warn: (reason: string) => void): Target[] {
    return targets.flatMap(target => {
      if (target.kind === 'program' || target.kind === 'file')
        warn(`${name} is not delivered to ${target.text}: only addresses and mailboxes are`)
      else if (target.kind !== 'include') return [target]
      else if (!this.#options.includes) warn(`${name} does not include ${target.path}: that is turned off`)
      else return this.#include(name, target.path, warn)
      return []
    })
  }

  #include(name: string, path: string, warn: (reason: string) => void): Target[] {
    try {
      const lines = readFileSync(path, 'utf8')
        .split('\n')
        .filter(line => !/^\s*#/.test(line))
      const targets = lines.flatMap(parseTargets)
      // No file brings in another: that could go round in circles.
      return this.#usable(
        name,
        targets.filter(target => target.kind !== 'include'),
        warn,
      )
    } catch (error) {
      warn(`${name} cannot include ${path}: ${describe(error)}`)
      return []
    }
  }
}

/** An address of ours, taken apart. */
interface Parts {
  readonly local: string
  readonly base: string
  readonly detail: string | undefined
  readonly domain: string
}

/** One expansion under way. */
class Walk {
  readonly #table: ReadonlyMap<string, readonly Target[]>
  readonly #domains: ReadonlySet<string>
  readonly #users: Users
  readonly #delimiter: string
  readonly #found = new Map<string, Local>()
  readonly #remote = new Map<string, string>()
  readonly #unknown = new Set<string>()
  readonly #done = new Set<string>()
  #loop: readonly string[] | undefined
  #discard = false

  constructor(
    table: ReadonlyMap<string, readonly Target[]>,
    domains: ReadonlySet<string>,
    users: Users,
    delimiter: string,
  ) {
    this.#table = table
    this.#domains = domains
    this.#users = users
    this.#delimiter = delimiter
  }

  expand(address: string): Expansion {
    this.#visit(address, [], undefined)
    return {
      users: [...this.#found.values()],
      remote: [...this.#remote.values()],
      unknown: [...this.#unknown],
      loop: this.#loop,
      discard: this.#discard,
    }
  }

  /** @param chain the addresses that led here @param inherited the detail that the address before had */
  #visit(address: string, chain: readonly string[], inherited: string | undefined): void {
    const parts = this.#parts(address)
    if (!parts) {
      if (!this.#remote.has(aliasKey(address))) this.#remote.set(aliasKey(address), address)
      return
    }
    const name = `${fold(parts.local)}@${parts.domain}`
    if (chain.at(-1) === name) return this.#deliver(parts, inherited, name)
    if (chain.includes(name)) {
      this.#loop ??= [...chain.slice(chain.indexOf(name)), name]
      return
    }
    if (this.#done.has(name) || this.#done.size >= mostVisits) return
    this.#done.add(name)
    const targets = this.#lookup(parts)
    if (!targets) return this.#deliver(parts, inherited, name)
    for (const target of targets) this.#follow(target, parts, [...chain, name], parts.detail ?? inherited)
    if (targets.length === 0) this.#unknown.add(name)
  }

  #follow(target: Target, from: Parts, chain: readonly string[], detail: string | undefined): void {
    if (target.kind === 'discard') this.#discard = true
    if (target.kind !== 'address' && target.kind !== 'mailbox') return
    const address = this.#address(target.address, from)
    const parts = target.kind === 'mailbox' ? this.#parts(address) : undefined
    if (parts) this.#deliver(parts, detail, `${fold(parts.local)}@${parts.domain}`)
    else this.#visit(address, chain, detail)
  }

  /** `@domain` is the same local part there; a name alone is one of the same domain, if it is one there. */
  #address(written: string, { local, domain }: Parts): string {
    if (written.startsWith('@')) return local + written
    const near = `${written}@${domain}`
    const isNear = !written.includes('@') && (this.#users.find(near) || this.#table.has(aliasKey(near)))
    return isNear ? near : written
  }

  /** The alias that speaks for an address; undefined where a mailbox does, or nobody. The more exact one wins. */
  #lookup({ local, base, domain }: Parts): readonly Target[] | undefined {
    // A quoted local part may hold an at sign, and is still no address of its own.
    const general = (name: string) => (name.includes('@') ? undefined : this.#table.get(fold(name)))
    const alias = (name: string) => this.#table.get(`${fold(name)}@${domain}`) ?? general(name)
    const isUser = (name: string) => this.#users.find(`${name}@${domain}`) !== undefined
    const exact = alias(local)
    if (exact || isUser(local)) return exact
    const without = alias(base)
    if (without || isUser(base)) return without
    return (
      this.#table.get(`@${domain}`) ?? (fold(base) === 'postmaster' ? this.#postmaster(domain) : undefined)
    )
  }

  /** RFC 5321 §4.5.1: mail for postmaster always finds somebody, first root's reader, then the first user. */
  #postmaster(domain: string): readonly Target[] | undefined {
    const root = this.#table.get(`root@${domain}`) ?? this.#table.get('root')
    if (root) return root
    for (const user of this.#users) return [{ kind: 'mailbox', address: user.name }]
    return undefined
  }

  #deliver({ local, base, detail, domain }: Parts, inherited: string | undefined, name: string): void {
    const exact = this.#users.find(`${local}@${domain}`)
    const user = exact ?? this.#users.find(`${base}@${domain}`)
    if (!user) this.#unknown.add(name)
    else if (!this.#found.has(user.name))
      this.#found.set(user.name, { user, detail: (exact ? undefined : detail) ?? inherited })
  }

  /** @returns undefined for an address of another domain */
  #parts(address: string): Parts | undefined {
    const at = address.lastIndexOf('@')
    const [first = ''] = this.#domains
    const domain = at < 0 ? first : foldDomain(address.slice(at + 1))
    if (!this.#domains.has(domain)) return undefined
    const written = at < 0 ? address : address.slice(0, at)
    const local = /^".*"$/s.test(written) ? written.slice(1, -1).replace(/\\(.)/gs, '$1') : written
    for (let at = 1; at < local.length; at++)
      if (this.#delimiter.includes(local.charAt(at)))
        return { local, base: local.slice(0, at), detail: local.slice(at + 1), domain }
    return { local, base: local, detail: undefined, domain }
  }
}
